"""Passwords: what follows from one, and which new ones are refused (docs/spec/half.md, section 5)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gimmal.base.errors import LocalError, UsageError
from gimmal.half import password as module
from gimmal.half.password import PasswordCost, canonical_password, password_keys, require_good_password

CHEAPEST = PasswordCost(iterations=1, memory_kib=65_536, lanes=1)
SALT = bytes(range(16))


class TestCost:
    def test_the_one_that_writers_use(self) -> None:
        assert PasswordCost() == PasswordCost(iterations=3, memory_kib=262_144, lanes=4)
        assert PasswordCost().acceptable()

    @pytest.mark.parametrize("cost", [(1, 65_536, 1), (10, 65_536, 1), (1, 1_048_576, 1), (1, 65_536, 8)])
    def test_within_the_limits(self, cost: tuple[int, int, int]) -> None:
        assert PasswordCost(*cost).acceptable()

    @pytest.mark.parametrize(
        "cost", [(0, 65_536, 1), (11, 65_536, 1), (1, 65_535, 1), (1, 1_048_577, 1), (1, 65_536, 0), (1, 65_536, 9)]
    )
    def test_outside_nothing_is_computed(self, cost: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "argon2id", lambda *_: pytest.fail("computed"))
        assert not PasswordCost(*cost).acceptable()
        with pytest.raises(ValueError, match="checked before"):
            password_keys("x", SALT, PasswordCost(*cost))

    def test_neither_costs_nor_keys_change(self) -> None:
        for thing, name in ((CHEAPEST, "lanes"), (module.PasswordKeys(b"", b""), "check")):
            with pytest.raises(AttributeError):
                setattr(thing, name, 1)


class TestKeys:
    def test_they_follow_as_specified(self) -> None:
        output = Argon2id(salt=SALT, length=32, iterations=1, lanes=1, memory_cost=65_536).derive("Zo\u00eb".encode())
        keys = password_keys("Zoe\u0308", SALT, CHEAPEST)
        assert keys.sealing_key == HKDF(SHA256(), 32, b"", b"gimmal half seal v1").derive(output)
        assert keys.check == HKDF(SHA256(), 16, b"", b"gimmal half check v1").derive(output)
        assert repr(keys) == "PasswordKeys()"

    def test_iterations_memory_and_lanes_each_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[object, ...]] = []
        monkeypatch.setattr(module, "argon2id", lambda *words: asked.append(words) or bytes(32))
        password_keys("x", SALT, PasswordCost(2, 65_537, 3))
        assert asked == [(b"x", SALT, 2, 65_537, 3, 32)]

    def test_a_lack_of_memory_is_told_as_such(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def lacking(*_: object) -> bytes:
            raise MemoryError

        monkeypatch.setattr(module, "argon2id", lacking)
        with pytest.raises(LocalError, match="takes 64 MiB"):
            password_keys("x", SALT, CHEAPEST)

    @pytest.mark.parametrize("password", ["x", "x" * 1024, "\u00e9" * 512, "e\u0301" * 512])
    def test_1_to_1024_bytes_in_composed_form(self, password: str) -> None:
        assert 1 <= len(canonical_password(password)) <= 1024

    @pytest.mark.parametrize("password", ["", "x" * 1025, "\u00e9" * 512 + "x", "\ud800"])
    def test_others_are_no_passwords(self, password: str) -> None:
        with pytest.raises(UsageError):
            canonical_password(password)


def refused(password: str, pair_name: str = "home computer") -> str:
    with pytest.raises(UsageError) as caught:
        require_good_password(password, pair_name)
    return caught.value.message


class TestNewOnes:
    @pytest.mark.parametrize(
        "password",
        [
            "rq7kw2zpmvx9",
            "\u00dfa \u00dfe \u00dfi \u00dfo",  # four words of three letters: \u00df folds to ss
            "\u00dfa-\u00dfe-\u00dfi\t\u00dfo",
            "letmeinpleasex",
            "homecomputerx",
            "home computer orbit",
            "2024homecomputer",
            "kxwpqkxwpqkxwpq",  # a unit of five
            "k!@#w%^&p()_",
            "a..b.c.d.e.f.",  # a run of six in 13 characters is the smaller part
            "918273645091",
            "x" * 1020 + "yzab",
        ],
    )
    def test_allowed(self, password: str) -> None:
        require_good_password(password, "home computer")

    def test_a_pair_without_letters_in_its_name_refuses_nothing(self) -> None:
        require_good_password("918273645091", "!!!")

    @pytest.mark.parametrize(
        "password",
        [
            "rq7kw2zpmvx",
            "\u00dfa\u00dfe\u00dfi\u00dfo",
            "\u00dfa \u00dfa \u00dfe \u00dfi",
            "\u00df1 \u00df2 \u00df3 \u00df4",
            "\u00dfa \u00dfe \u00dfi",
            "e\u0301" * 11,
        ],
    )
    def test_too_short(self, password: str) -> None:
        assert "too short" in refused(password)

    @pytest.mark.parametrize(
        "password",
        [
            "Pass Word Password",
            "P@55w0rdP@$$w0rd",
            "l3tm31npl3453",
            "letmeinplease99",
            "l3tmeinplease99",
            "OneTwoThree44",
        ],
    )
    def test_common(self, password: str) -> None:
        assert "common" in refused(password)

    @pytest.mark.parametrize(
        "password",
        [
            "!" * 12,
            "q" * 12,
            "kwkwkwkwkwkwk",
            "kwpkwpkwpkwp",
            "kwpqkwpqkwpq",
            "kw.kw,kw:kw;",
            "k!@#w%^&k()w",
            "k!@#%^&*()_k",
        ],
    )
    def test_repeating(self, password: str) -> None:
        assert "repeats" in refused(password)

    @pytest.mark.parametrize(
        "password",
        [
            "abcdefghijkl",
            "zyxwvutsrqpo",
            "poiuytrewqpoi",
            "567890123456",
            "a.b.c.d.e.f.",
            "0123456789" * 5,
            "9876543210" * 9,
        ],
    )
    def test_running_on(self, password: str) -> None:
        assert "run along" in refused(password)

    @pytest.mark.parametrize("password", ["home computer", "Home-Computer 2024", "homecomputer1"])
    def test_the_name_of_the_pair(self, password: str) -> None:
        assert "name of the pair" in refused(password)

    def test_what_is_no_password_at_all(self) -> None:
        for password in ("", "x" * 1025, "kettle \ud800 orbit violet"):
            refused(password)
