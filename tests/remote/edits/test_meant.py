"""What stands at home is what an operation was done with, or it is not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.edits.meant import file_of, has_time, is_meant, missed, moved
from gimmal.remote.edits.operations import Gone, Move, SetTimes

FILE = Attributes(Kind.FILE, 10, 10**18, 0o644, 7)
FOLDER = Attributes(Kind.DIRECTORY, 0, 10**18, 0o755, 8)
MOVE = Move(3, "s/a", "s/b", None, 0, True, None, 0)


@pytest.mark.parametrize(
    ("there", "meant", "same"),
    [
        (FILE, FILE, True),
        (replace(FILE, mode=0o600), FILE, True),
        (replace(FILE, size=11), FILE, False),
        (replace(FILE, mtime_ns=1), FILE, False),
        (replace(FILE, identity=9), FILE, False),
        (FOLDER, FILE, False),
        (FILE, FOLDER, False),
        (replace(FOLDER, mtime_ns=1), FOLDER, True),
        (FILE, None, False),
        (FOLDER, None, True),
        (None, FILE, False),
        (None, None, False),
    ],
)
def test_a_file_is_meant_in_one_version(there: Attributes | None, meant: Attributes | None, same: bool) -> None:
    assert is_meant(there, meant) == same
    expected = Gone(3, "s/b", there) if same else Gone(3, "s/b", meant, missed=meant is not None)
    assert moved(MOVE, "s/b", there, meant) == expected


def test_a_version_is_known_again_as_a_file_of_it() -> None:
    assert file_of(None) is None
    assert is_meant(FILE, file_of(Version(7, 10, 10**18)))
    assert missed(MOVE, "s/a", FILE).attributes == FILE


def test_a_time_that_was_set_is_known_again_though_the_disk_keeps_it_in_steps() -> None:
    times = SetTimes(1, "s/a", 5 * 10**17 + 1, None, 0)
    assert has_time(replace(FILE, mtime_ns=5 * 10**17), FILE, times)
    assert not has_time(FILE, FILE, times)
    assert not has_time(replace(FILE, mtime_ns=5 * 10**17, size=11), FILE, times)
    assert not has_time(None, FILE, times)
    assert not has_time(FILE, None, times)
