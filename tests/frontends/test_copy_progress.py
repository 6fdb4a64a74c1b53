"""The bar of a copy, as a terminal of some width shows it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from contextlib import suppress

import pytest
from rich.cells import cell_len

from gimmal.frontends.cli.copy_progress import ProgressView, fitting
from gimmal.remote.progress import Progress


def drawn(columns: int, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a bar that is drawn once and stopped writes to a terminal of so many columns, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    progress = Progress(current=f"far/{name}")
    progress.total_bytes, progress.bytes, progress.total_files, progress.walked = 314_600_000, 247_500_000, 12_345, True
    written = bytearray()

    def read() -> None:
        with suppress(OSError):
            while more := os.read(ours, 1 << 16):
                written.extend(more)

    async def draw() -> None:
        with ProgressView(progress, shown=True) as view:
            view.draw()

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stderr", terminal)
        asyncio.run(draw())
        monkeypatch.undo()
    reader.join(10)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
@pytest.mark.parametrize(
    "name",
    ["f", "a-name-that-goes-on-and-on-for-very-long.bin", "映画のファイルとても長い名前ですから切られるはず.bin"],
)
def test_size_and_speed_are_seen_whole(columns: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(columns, name, monkeypatch)
    assert "247.5/314.6 MB" in text
    assert "0/12,345 files" in text


def test_a_name_is_cut_to_the_cells_it_may_take() -> None:
    assert fitting("short", 20) == "short"
    assert fitting("a-long-name", 8) == "a-long-…"
    assert fitting("映画のファイル", 8) == "映画の…"
    assert fitting("映画", 4) == "映画"
    assert fitting("anything", 7) == ""
    for room in range(40):
        assert cell_len(fitting("映a画b" * 9, room)) <= max(room, 0)
