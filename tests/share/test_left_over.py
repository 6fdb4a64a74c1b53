"""What a killed program left in a shared folder goes when it is met, and nothing else does."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from gimmal.share import stale_parts
from tests.share.rig import Rig

PART = ".gimmal-part-" + "0" * 24
TEMPORARY = ".gimmal-part-t" + "0" * 24


def meet_after(rig: Rig, seconds: float, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names left in the share after a listing that many seconds from now."""
    later = time.time() + seconds
    monkeypatch.setattr(stale_parts.time, "time", lambda: later)
    assert not rig.names("rw")
    return {path.name for path in Path(rig.rw).iterdir()}


@pytest.mark.parametrize(
    ("name", "kept", "gone"),
    [(TEMPORARY, 9 * 60, 11 * 60), (PART, 29 * 86400, 31 * 86400)],
)
def test_each_kind_has_its_time(rig: Rig, name: str, kept: float, gone: float, monkeypatch: pytest.MonkeyPatch) -> None:
    (rig.rw / name).write_bytes(b"half of it")
    assert meet_after(rig, kept, monkeypatch) == {name}
    assert meet_after(rig, gone, monkeypatch) == set()


def test_what_somebody_holds_stays(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    (rig.rw / TEMPORARY).write_bytes(b"being written")
    descriptor = os.open(rig.rw / TEMPORARY, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert meet_after(rig, 31 * 86400, monkeypatch) == {TEMPORARY}
    finally:
        os.close(descriptor)


def test_a_file_of_the_keeper_that_looks_like_one_stays(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".gimmal-part-notes", ".gimmal-part-t", ".gimmal-part-t" + "g" * 24):
        (rig.rw / name).write_bytes(b"mine")
    assert len(meet_after(rig, 31 * 86400, monkeypatch)) == 3
