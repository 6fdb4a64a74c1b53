"""What a killed program left in a shared folder goes when it is met, and nothing else does."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gimmal.share import stale_parts, temporary_names
from gimmal.share.temporary_names import is_abandoned, new_temporary_name
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


KILLED_MIDWAY = """
import os, signal, sys
from pathlib import Path
from gimmal.share.flushing import Flushing
from tests.share.rig import Rig

Flushing.flush_file = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Rig(Path(sys.argv[1])).bundle("rw", {f"{number}": b"content" for number in range(103)})
"""


def own_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".gimmal-")]


def test_what_a_bundle_killed_midway_left_goes_when_it_is_next_met(rig: Rig) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_MIDWAY, rig.base], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(own_names(rig.rw)) == 103
    (rig.rw / own_names(rig.rw)[0]).chmod(0)
    assert rig.names("rw") == []
    assert own_names(rig.rw) == []


def test_what_a_living_process_makes_stays(rig: Rig) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from gimmal.share.temporary_names import *; print(new_temporary_name().decode(), flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        (rig.rw / name).write_bytes(b"being written")
        (rig.rw / new_temporary_name().decode()).write_bytes(b"of this process")
        assert rig.names("rw") == []
        assert len(own_names(rig.rw)) == 2
        process.kill()
        process.wait()
    assert rig.names("rw") == []
    assert name not in own_names(rig.rw)
    assert len(own_names(rig.rw)) == 1


def test_who_made_what_another_computer_left_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_temporary_name()
    no_process = name[:21] + b"ffffff" + name[27:]
    assert stale_parts.is_our_part(name)
    assert is_abandoned(no_process)
    assert not is_abandoned(name)
    assert not is_abandoned(name[:21] + b"000000" + name[27:])
    monkeypatch.setattr(temporary_names, "_mark", lambda: b"0" * 7)
    assert not is_abandoned(no_process)
