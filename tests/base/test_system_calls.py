"""What is said to be durable was told to whoever keeps it; what is exchanged or shared is, or nothing has changed."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from gimmal.base import system_calls
from gimmal.base.system_calls import clone_file, exchange_names, sync_file_system
from tests.exfat import exfat


def _synced(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def test_a_file_system_of_the_kernel_is_flushed_at_once(tmp_path: Path) -> None:
    assert _synced(tmp_path)


def test_one_in_a_program_is_not(tmp_path: Path) -> None:
    with exfat(tmp_path) as mounted:
        assert not _synced(mounted)


def test_without_the_call_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_calls, "_libc", None)
    assert not _synced(tmp_path)


def test_a_descriptor_that_cannot_be_flushed_is_an_error(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(OSError, match=r"[Bb]ad file descriptor"):
            sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def _exchanged(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return exchange_names(b"one", b"other", descriptor)
    finally:
        os.close(descriptor)


def test_names_are_exchanged_or_nothing_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")
    done = _exchanged(tmp_path)
    assert ((tmp_path / "one").read_bytes(), (tmp_path / "other").read_bytes()) == (
        (b"2", b"1") if done else (b"1", b"2")
    )
    monkeypatch.setattr(system_calls, "_libc", None)
    assert not _exchanged(tmp_path)


def test_what_is_not_there_is_not_exchanged(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    with contextlib.suppress(FileNotFoundError):
        assert not _exchanged(tmp_path), "only where there is no such call"
    assert (tmp_path / "one").read_bytes() == b"1"


def test_a_disk_without_exchange_says_so(tmp_path: Path) -> None:
    with exfat(tmp_path) as mounted:
        (mounted / "one").write_bytes(b"1")
        (mounted / "other").write_bytes(b"2")
        assert not _exchanged(mounted)
        assert (mounted / "one").read_bytes() == b"1"


def test_a_clone_has_all_bytes_or_none(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    with open(tmp_path / "source", "rb") as source, open(tmp_path / "target", "wb") as target:
        cloned = clone_file(source.fileno(), target.fileno())
    assert (tmp_path / "target").read_bytes() == (b"bytes" if cloned else b"")


@pytest.mark.parametrize(("number", "raised"), [(errno.EOPNOTSUPP, False), (errno.EXDEV, False), (errno.ENOSPC, True)])
def test_a_clone_that_is_refused(monkeypatch: pytest.MonkeyPatch, number: int, raised: bool) -> None:
    """A full disk is an error, all else only means that there is no such call here."""

    def refusing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(system_calls.fcntl, "ioctl", refusing)
    if raised:
        with pytest.raises(OSError, match=r"[Nn]o space"):
            clone_file(0, 1)
    else:
        assert clone_file(0, 1) is False
