"""What may be joined, what is asked, what is refused, and what carries over (spec, section 8)."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from gimmal.base.errors import (
    HalfDamaged,
    HalfDisabled,
    HalfInUse,
    HalfMissing,
    HalfUnsupported,
    JoinAgain,
    LocalError,
    PairRefused,
    UsageError,
    WrongPassword,
)
from gimmal.base.side import Side
from gimmal.half.disable_code import lock_of, pair_id_of, parse_code
from gimmal.half.erase import erase_half, mark_disabled
from gimmal.half.format import RelayEntry
from gimmal.half.joining import pair
from gimmal.half.lockfile import HalfLock, held_folder
from gimmal.half.pairing import PairRequest
from gimmal.half.reading import open_half, read_header
from tests.half.helpers import CHEAP, GOOD_PASSWORD, folders, join


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return folders(tmp_path, "one", "two")


class TestJoining:
    def test_two_halves_know_each_other(self, two: list[Path]) -> None:
        joined = join(*two, "home")
        a, b = open_half(two[0], None), open_half(two[1] / "GIMMAL", None)
        assert (a.side, b.side) == (Side.A, Side.B)
        assert a.pair_id == b.pair_id == joined.pair_id
        assert a.root == b.root
        assert a.static_public == b.peer_static_public
        assert b.sign_public == a.peer_sign_public
        assert (a.sign_a, a.sign_b) == (b.sign_a, b.sign_b) == (a.sign_public, b.sign_public)
        assert a.storage_key != b.storage_key
        assert a.pair_name == "home"
        assert joined.generation == a.generation == b.generation == 1

    def test_the_code_opens_the_lock_and_gives_the_pair_id(self, two: list[Path]) -> None:
        joined = join(*two, "home")
        half = open_half(two[0], None)
        lock = lock_of(parse_code(joined.disable_code))
        assert lock == half.lock
        assert pair_id_of(lock, half.sign_a, half.sign_b) == half.pair_id

    def test_the_code_is_stored_nowhere(self, two: list[Path]) -> None:
        joined = join(*two, "home")
        code = parse_code(joined.disable_code)
        for file in [*two[0].rglob("*"), *two[1].rglob("*")]:
            if file.is_file():
                assert code.encode() not in file.read_bytes()
        assert joined.disable_code not in repr(joined)

    def test_files_are_for_the_owner_only_whatever_the_umask(self, two: list[Path]) -> None:
        before = os.umask(0)
        try:
            join(*two, "home")
        finally:
            os.umask(before)
        location = two[0] / "GIMMAL"
        assert stat.S_IMODE(location.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in location.iterdir()} == {0o600}

    def test_no_secret_in_a_repr(self, two: list[Path]) -> None:
        join(*two, "home")
        half = open_half(two[0], None)
        shown = repr(half)
        secrets = (half.root, half.static_private, half.sign_private, half.storage_key, half.state_key)
        for secret in (*secrets, half.discovery_secret, half.lineage_id):
            assert repr(secret) not in shown
            assert secret.hex() not in shown


class TestAgain:
    def test_everything_is_new_but_what_carries_over(self, two: list[Path]) -> None:
        relays = (RelayEntry(token="t", url="gimmal-relay://r.example:7117/"),)
        pair(*two, PairRequest("home", relays), lambda _: iter(()), lambda _: True, lambda _: None)
        before = [open_half(place, None) for place in two]
        join(*two)
        after = [open_half(place, None) for place in two]
        for old, new in zip(before, after, strict=True):
            for same in ("pair_name", "relays", "relay_tokens", "lineage_id", "storage_key", "side"):
                assert getattr(old, same) == getattr(new, same), same
            for fresh in ("pair_id", "root", "static_private", "sign_private", "lock", "discovery_secret", "state_key"):
                assert getattr(old, fresh) != getattr(new, fresh), fresh
            assert new.generation == old.generation + 1

    def test_name_and_relays_can_be_changed(self, two: list[Path]) -> None:
        join(*two, "home")
        relays = (RelayEntry(token="", url="gimmal-relay://r.example:7117/"),)
        pair(*two, PairRequest("other", relays), lambda _: iter(()), lambda _: True, lambda _: None)
        assert open_half(two[1], None).pair_name == "other"
        assert open_half(two[1], None).relays == (relays[0].url,)

    def test_swapped_arguments_swap_the_sides(self, two: list[Path]) -> None:
        join(*two, "home")
        keys = [open_half(place, None).storage_key for place in two]
        join(two[1], two[0])
        assert open_half(two[0], None).side is Side.B
        assert [open_half(place, None).storage_key for place in two] == keys

    @pytest.mark.parametrize("lost", [0, 1])
    def test_a_new_stick_continues_the_lineage(self, two: list[Path], tmp_path: Path, lost: int) -> None:
        join(*two, "home")
        kept = open_half(two[1 - lost], None)
        (fresh,) = folders(tmp_path, "fresh")
        places = [fresh if number == lost else place for number, place in enumerate(two)]
        join(*places)
        now = open_half(two[1 - lost], None)
        assert (now.lineage_id, now.storage_key, now.generation) == (kept.lineage_id, kept.storage_key, 2)
        assert open_half(two[lost], None).pair_id != now.pair_id

    def test_password_carries_nothing_over_and_is_needed(self, two: list[Path]) -> None:
        join(*two, "home", passwords={Side.B: GOOD_PASSWORD})
        key = open_half(two[1], lambda: GOOD_PASSWORD).storage_key
        before = (two[1] / "GIMMAL/half.json").read_bytes()
        with pytest.raises(WrongPassword):
            join(*two, old=("not this one at all",))
        assert (two[1] / "GIMMAL/half.json").read_bytes() == before
        join(*two, old=("not this one at all", GOOD_PASSWORD))
        assert not read_header(two[1]).has_password
        assert open_half(two[1], None).storage_key == key

    def test_a_forgotten_password_is_given_up_by_replacing(self, two: list[Path]) -> None:
        join(*two, "home", passwords={Side.B: GOOD_PASSWORD})
        lineage = open_half(two[0], None).lineage_id
        join(*two, replace=True)
        assert open_half(two[1], None).lineage_id == lineage
        assert open_half(two[1], None).generation == 2


class TestRefused:
    def test_another_pair_without_replace(self, two: list[Path], tmp_path: Path) -> None:
        others = folders(tmp_path, "three", "four")
        join(*two, "home")
        join(*others, "work")
        ours, theirs = open_half(two[0], None), open_half(others[1], None)
        with pytest.raises(PairRefused, match="halves of two pairs"):
            join(two[0], others[1])
        assert open_half(two[0], None) == ours
        assert open_half(others[1], None) == theirs
        join(two[0], others[1], replace=True)
        assert open_half(others[1], None).lineage_id == ours.lineage_id
        assert open_half(others[1], None).storage_key != theirs.storage_key

    def test_an_older_generation_is_asked_about(self, two: list[Path], tmp_path: Path) -> None:
        join(*two, "home")
        shutil.copytree(two[1], tmp_path / "copy")
        join(*two)
        questions: list[str] = []
        with pytest.raises(PairRefused, match="nothing was joined"):
            join(two[0], tmp_path / "copy", answer=False, questions=questions)
        assert "generations 2 and 1" in questions[0]
        assert open_half(two[0], None).generation == 2
        join(two[0], tmp_path / "copy", answer=True)
        assert open_half(two[0], None).generation == open_half(tmp_path / "copy", None).generation == 3

    def test_two_copies_of_one_side_are_asked_about(self, two: list[Path], tmp_path: Path) -> None:
        join(*two, "home")
        shutil.copytree(two[0], tmp_path / "copy")
        questions: list[str] = []
        with pytest.raises(PairRefused):
            join(two[0], tmp_path / "copy", answer=False, questions=questions)
        assert "copies of side a" in questions[0]
        join(two[0], tmp_path / "copy", answer=True)
        one, two_ = open_half(two[0], None), open_half(tmp_path / "copy", None)
        assert one.storage_key != two_.storage_key
        assert one.pair_id == two_.pair_id

    def test_the_same_folder_twice(self, two: list[Path], tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(two[0])
        for other in (two[0], two[0] / "GIMMAL", tmp_path / "link", two[0] / ".." / "one"):
            with pytest.raises(PairRefused, match="same folder"):
                join(two[0], other, "home")
        assert list(two[0].iterdir()) == []

    def test_one_folder_inside_the_other(self, two: list[Path]) -> None:
        (inner,) = folders(two[0], "inner")
        for places in ((two[0], inner), (inner, two[0])):
            with pytest.raises(PairRefused, match="inside"):
                join(*places, "home")

    def test_a_missing_folder(self, two: list[Path], tmp_path: Path) -> None:
        with pytest.raises(HalfMissing):
            join(two[0], tmp_path / "absent", "home")
        assert list(two[0].iterdir()) == []

    def test_a_new_pair_needs_a_good_name(self, two: list[Path]) -> None:
        for name in (None, "", "x" * 65, "line\nend", "\u202egnirts", " spaced ", "e\u0301"):
            with pytest.raises(UsageError):
                join(*two, name)
        assert list(two[0].iterdir()) == []

    def test_a_weak_password(self, two: list[Path]) -> None:
        with pytest.raises(UsageError, match="too short"):
            join(*two, "home", passwords={Side.B: "short"})
        assert list(two[1].iterdir()) == []

    def test_a_half_that_is_served(self, two: list[Path]) -> None:
        join(*two, "home")
        half = open_half(two[1], None)
        with HalfLock(half.pair_id, half.side), pytest.raises(HalfInUse, match=f"process {os.getpid()}"):
            join(*two)
        join(*two)

    def test_a_half_that_is_being_changed(self, two: list[Path]) -> None:
        join(*two, "home")
        with held_folder(two[0] / "GIMMAL"), pytest.raises(HalfInUse):
            join(*two)

    def test_a_damaged_half(self, two: list[Path]) -> None:
        join(*two, "home")
        file = two[1] / "GIMMAL/half.json"
        file.write_bytes(file.read_bytes()[:-3])
        with pytest.raises(HalfDamaged):
            open_half(two[1], None)
        with pytest.raises(PairRefused, match="cannot be opened"):
            join(*two)
        join(*two, replace=True)
        assert open_half(two[1], None).generation == 2

    def test_a_half_of_a_newer_program(self, two: list[Path]) -> None:
        join(*two, "home")
        file = two[1] / "GIMMAL/half.json"
        file.write_bytes(file.read_bytes().replace(b'"version":1', b'"version":2'))
        with pytest.raises(HalfUnsupported):
            join(*two)

    def test_a_disk_that_cannot_be_written(self, two: list[Path]) -> None:
        join(*two, "home")
        before = open_half(two[0], None)
        # A folder in the way of half.new cannot be written or removed, also by root.
        (two[1] / "GIMMAL/half.new").mkdir()
        with pytest.raises(LocalError):
            join(*two)
        assert open_half(two[0], None) == before
        assert not (two[0] / "GIMMAL/half.new").exists()

    def test_a_display_that_fails_leaves_all_as_it_was(self, two: list[Path]) -> None:
        join(*two, "home")
        before = [open_half(place, None) for place in two]

        def announce(_: object) -> None:
            raise LocalError("nobody reads")

        with pytest.raises(LocalError, match="nobody reads"):
            pair(*two, PairRequest(cost=CHEAP), lambda _: iter(()), lambda _: True, announce)
        assert [open_half(place, None) for place in two] == before


class TestDisabledAndErased:
    def test_disabled_half_says_why_and_may_be_joined(self, two: list[Path]) -> None:
        join(*two, "home")
        old = open_half(two[0], None)
        for place in two:
            mark_disabled(read_header(place))
            with pytest.raises(HalfDisabled, match="home"):
                open_half(place, None)
            assert old.root not in b"".join(file.read_bytes() for file in (place / "GIMMAL").iterdir())
        join(*two)
        assert open_half(two[0], None).generation == 1
        assert open_half(two[0], None).lineage_id != old.lineage_id
        assert open_half(two[0], None).pair_name == "home"

    def test_erased_half_is_gone(self, two: list[Path]) -> None:
        join(*two, "home")
        assert erase_half(two[1] / "GIMMAL") == ()
        assert list(two[1].iterdir()) == []
        with pytest.raises(HalfMissing):
            open_half(two[1], None)

    def test_erasing_leaves_what_is_not_ours(self, two: list[Path]) -> None:
        join(*two, "home")
        (two[1] / "GIMMAL/notes.txt").write_text("mine")
        assert erase_half(two[1] / "GIMMAL") == ()
        assert [file.name for file in (two[1] / "GIMMAL").iterdir()] == ["notes.txt"]

    def test_erasing_takes_edits_that_wait_there_too(self, two: list[Path]) -> None:
        join(*two, "home")
        (two[1] / "GIMMAL/edits").mkdir()
        (two[1] / "GIMMAL/edits" / ("0" * 32)).write_bytes(b"sealed")
        (two[1] / "GIMMAL/pinned/files").mkdir(parents=True)
        (two[1] / "GIMMAL/pinned/pins").write_bytes(b"sealed")
        (two[1] / "GIMMAL/pinned/files" / ("0" * 40)).write_bytes(b"sealed")
        assert erase_half(two[1] / "GIMMAL") == ()
        assert list(two[1].iterdir()) == []

    def test_erasing_says_what_it_could_not_remove(self, two: list[Path]) -> None:
        join(*two, "home")
        (two[1] / "GIMMAL/half.new").mkdir()
        assert erase_half(two[1] / "GIMMAL") == ("half.new",)

    def test_erased_but_not_removed(self, two: list[Path]) -> None:
        join(*two, "home")
        file = two[1] / "GIMMAL/half.json"
        file.write_bytes(bytes(file.stat().st_size))
        with pytest.raises(HalfDamaged, match="erased"):
            open_half(two[1], None)

    def test_a_mark_alone_says_join_again(self, two: list[Path]) -> None:
        join(*two, "home")
        (two[1] / "GIMMAL/joining").mkdir()
        with pytest.raises(JoinAgain):
            read_header(two[1])
