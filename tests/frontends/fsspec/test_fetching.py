"""A file on its way to this computer's disk."""

from __future__ import annotations

import os
from pathlib import Path

from gimmal.frontends.fsspec.fetching import _Incoming
from gimmal.remote.files import Block
from gimmal.transport.exchange import Piece


def block(content: bytes, at: int = 0) -> Block:
    return Block([Piece(memoryview(content), None, at)], len(content), b"")


def test_it_has_its_name_when_it_is_placed(tmp_path: Path) -> None:
    incoming = _Incoming(str(tmp_path / "file"))
    incoming.begin()
    incoming.write(3, block(b"def"))
    incoming.write(0, block(b"bc", 1))
    incoming.write(0, block(b"a"))
    assert not (tmp_path / "file").exists()
    incoming.place()
    incoming.leave()
    assert (tmp_path / "file").read_bytes() == b"abcdef"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_late_thread_does_nothing_after_the_end(tmp_path: Path) -> None:
    incoming = _Incoming(str(tmp_path / "file"))
    incoming.begin()
    incoming.leave()
    assert list(tmp_path.iterdir()) == []
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)  # gets the number that was closed
    try:
        incoming.write(0, block(b"late"))
        incoming.place()
        assert os.fstat(other).st_size == 0
    finally:
        os.close(other)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    never = _Incoming(str(tmp_path / "file"))
    never.leave()
    never.begin()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
