"""The child that keeps a Mac awake, with a stand-in for Apple's program: what it is told, and that it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gimmal.agent.awake import caffeinate
from gimmal.agent.awake.caffeinate import CaffeinateHold
from gimmal.base.errors import LocalError


def test_it_is_told_whose_end_is_its_own_and_ends_when_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    program = tmp_path / "caffeinate"
    program.write_text(f'#!/bin/sh\necho "$*" > {told}\nexec sleep 1000\n')
    program.chmod(0o755)
    monkeypatch.setattr(caffeinate, "PROGRAM", str(program))
    hold = CaffeinateHold()
    assert told.read_text() == f"-i -w {os.getpid()}\n"
    assert not hold.lost
    hold.release()
    assert hold.lost
    hold.release()


def test_where_it_is_not_there_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caffeinate, "PROGRAM", str(tmp_path / "none"))
    with pytest.raises(LocalError, match="no such file"):
        CaffeinateHold()
