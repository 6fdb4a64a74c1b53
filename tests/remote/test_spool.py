"""Bytes gathered before their number is known."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import LocalError
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.remote.spool import BLOCKS_IN_MEMORY, Spool
from tests.endtoend.world import content

LARGE = content((BLOCKS_IN_MEMORY + 2) * BLOCK_SIZE + 12_345)


@given(st.lists(st.integers(0, 3 * BLOCK_SIZE), max_size=8), st.data())
def test_what_was_appended_is_read_anywhere(steps: list[int], data: st.DataObject) -> None:
    spool = Spool()
    at = 0
    for step in steps:
        piece = memoryview(LARGE)[at : at + step]
        spool.append(piece)
        at += len(piece)
    assert spool.size == at
    for _ in range(4):
        offset = data.draw(st.integers(0, at + 10))
        length = data.draw(st.integers(0, 2 * BLOCK_SIZE))
        assert spool.read(offset, length) == LARGE[:at][offset : offset + length]
    spool.close()


def test_what_goes_to_a_disk_is_noise_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool()
    spool.append(b"secret " * (len(LARGE) // 7))
    assert spool._file is not None
    assert list(tmp_path.iterdir()) == []
    there = os.pread(spool._file.fileno(), 1 << 30, 0)
    assert len(there) > BLOCK_SIZE
    assert b"secret" not in there
    spool.close()


def test_a_disk_that_takes_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/self")  # no file can be made there
    spool = Spool()
    with pytest.raises(LocalError, match="cannot be kept on this computer"):
        spool.append(LARGE)
    spool.close()
