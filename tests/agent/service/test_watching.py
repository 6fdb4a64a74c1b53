"""Halves are noticed in named folders; each file is read again only where it has changed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from gimmal.agent.service import watching
from gimmal.agent.service.watching import Halves, MountEvents
from gimmal.base.side import Side
from gimmal.half.reading import read_header
from tests.half.helpers import GOOD_PASSWORD, folders, join


@pytest.fixture(autouse=True)
def no_sticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests mount some."""
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [])  # noqa: A006 - psutil's own word


def test_a_half_comes_changes_and_goes(tmp_path: Path) -> None:
    one, two = folders(tmp_path, "one", "two")
    halves = Halves([one, tmp_path / "missing"])
    assert halves.look() == []
    join(one, two, "Home")
    (seen,) = halves.look()
    header = read_header(one)
    assert (seen.location, seen.pair_id, seen.side) == (str(one / "GIMMAL"), header.pair_id, "a")
    assert (seen.pair_name, seen.has_password, seen.fault) == ("Home", False, "")
    assert halves.look() == [seen]
    join(one, two, passwords={Side.A: GOOD_PASSWORD})
    (again,) = halves.look()
    assert again.identity != seen.identity
    assert again.pair_id != seen.pair_id
    assert again.has_password
    (one / "GIMMAL").rename(one / "elsewhere")
    assert halves.look() == []


def test_what_is_no_whole_half_has_a_fault_that_may_pass(tmp_path: Path) -> None:
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    file = one / "GIMMAL" / "half.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    halves = Halves([one])
    (seen,) = halves.look()
    assert seen.fault
    assert seen.pair_id == b""
    file.write_bytes(whole)
    (seen,) = halves.look()
    assert not seen.fault
    mark = one / "GIMMAL" / "joining"
    mark.touch()
    (seen,) = halves.look()
    assert "joining" in seen.fault
    mark.unlink()
    (seen,) = halves.look()
    assert not seen.fault


def test_mounts_are_asked_for_only_when_they_may_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    asked = []

    def mounted() -> list[Path]:
        asked.append(True)
        return [one] if len(asked) < 3 else []

    monkeypatch.setattr(watching, "mounted_disks", mounted)
    halves = Halves([])
    assert len(halves.look()) == len(halves.look()) == 1
    assert len(asked) == 2, "nobody tells of mounts"
    halves.told_of_mounts = True
    assert len(halves.look()) == 1
    assert len(asked) == 2
    (one / "GIMMAL").rename(one / "elsewhere")
    assert halves.look() == [], "the disks themselves are looked at each time"
    halves.mounts_changed()
    (one / "elsewhere").rename(one / "GIMMAL")
    assert halves.look() == []
    assert len(asked) == 3


def test_mounts_that_could_not_be_asked_for_are_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    answers: list[list[Path] | OSError] = [OSError("no descriptors"), [one]]

    def mounted() -> list[Path]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(watching, "mounted_disks", mounted)
    halves = Halves([])
    halves.told_of_mounts = True
    assert halves.look() == []
    assert len(halves.look()) == 1


def test_a_file_in_place_of_a_half_is_none(tmp_path: Path) -> None:
    (tmp_path / "GIMMAL").write_text("")
    assert Halves([tmp_path]).look() == []
    (tmp_path / "GIMMAL").unlink()
    (tmp_path / "GIMMAL" / "half.json").mkdir(parents=True)
    (seen,) = Halves([tmp_path]).look()
    assert seen.fault


def test_mount_events_can_be_watched_and_let_go_of() -> None:
    async def main() -> None:
        before = os.listdir("/proc/self/fd")
        events = MountEvents(lambda: None)
        during = os.listdir("/proc/self/fd")
        assert len(during) == len(before) + 2, "the table of mounts, and what watches it"
        events.close()
        events.close()
        assert os.listdir("/proc/self/fd") == before

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())
