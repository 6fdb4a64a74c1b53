"""What is said to be durable was told to whoever keeps it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gimmal.base import system_calls
from gimmal.base.system_calls import sync_file_system
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
