"""Names of the local network: vectors, and what who has not the secret can tell from them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.protocol.lan_names import LABEL_LENGTH, day_of, days_to_answer, label, lan_key, proof
from tests.vector_files import load

NAMES = load("lan/names.json")
keys = st.binary(min_size=32, max_size=32)
days = st.integers(0, 2**40)
sides = st.sampled_from("ab")


def sixteen(address: str) -> bytes:
    ip = ipaddress.ip_address(address)
    return bytes(10) + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed


@pytest.mark.parametrize("case", NAMES["labels"], ids=lambda case: f"{case['side']}{case['day']}")
def test_labels(case: dict[str, Any]) -> None:
    assert label(lan_key(bytes.fromhex(case["secret"])), case["side"], case["day"]) == case["label"]


@pytest.mark.parametrize("case", NAMES["proofs"], ids=lambda case: f"{case['address']}-{case['side']}{case['day']}")
def test_proofs(case: dict[str, Any]) -> None:
    made = proof(
        lan_key(bytes.fromhex(case["secret"])), case["side"], case["day"], sixteen(case["address"]), case["port"]
    )
    assert made == case["proof"]


@pytest.mark.parametrize(("seconds", "day"), NAMES["days"])
def test_days(seconds: float, day: int) -> None:
    assert day_of(seconds) == day


@given(keys, st.lists(st.tuples(sides, days), min_size=2, max_size=20, unique=True))
def test_no_two_labels_of_a_pair_are_alike(key: bytes, of: list[tuple[str, int]]) -> None:
    made = [label(key, side, day) for side, day in of]
    assert len(set(made)) == len(made)
    for one in made:
        assert len(one) == LABEL_LENGTH
        assert one.isascii()
        assert one.islower() or one.isdigit()


@given(keys, keys, sides, days)
def test_other_secrets_make_other_labels(one: bytes, other: bytes, side: str, day: int) -> None:
    assert (label(one, side, day) == label(other, side, day)) is (one == other)


@given(st.integers(0, 10**11), st.integers(-86_400, 86_400))
def test_clocks_a_day_apart_find_each_other(seconds: int, apart: int) -> None:
    asked = day_of(seconds)
    assert asked in days_to_answer(day_of(seconds + apart))


@given(st.integers(2, 100_000))
def test_clocks_days_apart_do_not(apart: int) -> None:
    assert 20_000 not in days_to_answer(20_000 + apart)
    assert 200_000 not in days_to_answer(200_000 - apart)


def test_a_clock_at_the_beginning_of_time_names_no_day_before_it() -> None:
    assert days_to_answer(0) == (0, 1)


@given(keys, sides, days, st.binary(min_size=16, max_size=16), st.integers(1, 65535), st.data())
def test_a_proof_holds_for_one_place_on_one_day(
    key: bytes, side: str, day: int, address: bytes, port: int, data: st.DataObject
) -> None:
    made = proof(key, side, day, address, port)
    other = data.draw(st.tuples(sides, days, st.binary(min_size=16, max_size=16), st.integers(1, 65535)))
    assert (proof(key, *other) == made) is (other == (side, day, address, port))
    assert made != label(key, side, day)
