"""When the other side was last seen: kept sealed, and said where nothing later is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gimmal.agent.last_seen import END_SECONDS, KEEP_SECONDS, LastSeen, told_when
from gimmal.agent.plugged import state_directory
from gimmal.base.errors import DeadlinePassed, ExitCode, Interrupted, PeerAbsent, PeerSilent, RelayError
from gimmal.half.opened import OpenedHalf
from gimmal.half.reading import open_half
from gimmal.transport.relay_client import peer_absent
from tests.half.helpers import folders, join

NOW = 1_790_000_000


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenedHalf:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return open_half(one, None)


def kept_file(half: OpenedHalf) -> Path:
    (path,) = (state_directory(half.lineage_id) / "settings").iterdir()
    return path


def test_it_is_kept_over_starts_and_not_written_for_every_second(half: OpenedHalf) -> None:
    seen = LastSeen(half)
    assert seen.read() == 0
    seen.note(NOW)
    assert LastSeen(half).read() == NOW
    soon = NOW + KEEP_SECONDS - 1
    seen.note(soon)
    assert LastSeen(half).read() == NOW
    seen.note(NOW + END_SECONDS - 1, at_once=True)
    assert LastSeen(half).read() == NOW
    seen.note(soon, at_once=True)
    assert LastSeen(half).read() == soon
    seen.note(soon + KEEP_SECONDS)
    assert LastSeen(half).read() == seen.read() == soon + KEEP_SECONDS


def test_a_clock_that_was_wrong_is_put_right(half: OpenedHalf) -> None:
    LastSeen(half).note(NOW + 10**9)
    LastSeen(half).note(NOW)
    assert LastSeen(half).read() == NOW


def test_what_cannot_be_read_counts_as_not_known(half: OpenedHalf) -> None:
    LastSeen(half).note(NOW)
    path = kept_file(half)
    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], whole[:20] + bytes([whole[20] ^ 1]) + whole[21:], b"x" * 10_000):
        path.write_bytes(damaged)
        assert LastSeen(half).read() == 0
    LastSeen(half).note(NOW + 5)
    assert LastSeen(half).read() == NOW + 5


def test_a_disk_that_refuses_stops_nothing(half: OpenedHalf) -> None:
    (state_directory(half.lineage_id) / "settings").write_text("no folder")
    LastSeen(half).note(NOW)
    assert LastSeen(half).read() == 0


def test_errors_say_it_where_they_say_nothing_as_late() -> None:
    when = r"the other side was last seen 20[0-9-]{8} [0-9]{2}:[0-9]{2}$"
    for error in (
        PeerAbsent("the other side was not found in this network", "hint"),
        RelayError("the relay cannot be reached", "hint", hopeless=True),
        DeadlinePassed("no answer", "hint"),
        PeerSilent(),
        peer_absent(0),
    ):
        told = told_when(error, 1_600_000_000)
        assert re.search(when, told.message), told.message
        assert type(told) is type(error)
        assert (told.hint, told.exit_code) == (error.hint, ExitCode.UNREACHABLE)
        assert getattr(told, "hopeless", None) == getattr(error, "hopeless", None)
        assert told_when(error, 0) is error


def test_the_later_of_two_times_is_said() -> None:
    error = peer_absent(1_600_000_000)
    assert told_when(error, 1_500_000_000) is error
    later = told_when(error, 1_700_000_000)
    assert "last seen 2023-11-1" in later.message and "2020" not in later.message


def test_what_has_nothing_to_do_with_it_is_left_alone() -> None:
    cut = Interrupted("the copy was interrupted")
    assert told_when(cut, NOW) is cut
