"""The progress bar of a copy: only on a terminal, and only where the copy lasts long enough to be looked at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from gimmal.frontends.cli.output import say
from gimmal.remote.progress import Progress

if TYPE_CHECKING:
    import rich.progress

FIRST_SECONDS = 0.5
REDRAW_SECONDS = 0.1

NAME_CELLS_MAX, NAME_CELLS_LEAST = 32, 8
OTHER_CELLS = 50
"""What sizes, speed, time and the gaps take in a terminal, and a short bar."""


class ProgressView:
    """Draws what a ``Progress`` counts, while used as a context manager.

    Args:
        progress: the counters.
        shown: whether to draw at all.
    """

    def __init__(self, progress: Progress, *, shown: bool) -> None:
        self._progress = progress
        self._shown = shown
        self._bar: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        if self._shown:
            self._timer = asyncio.get_running_loop().call_later(FIRST_SECONDS, self.draw)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._bar is not None:
            self._update()
            self._bar.stop()

    def message(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            say(text)

    def draw(self) -> None:
        """Draw now, and again every REDRAW_SECONDS."""
        if self._bar is None:
            self._start()
        self._update()
        self._timer = asyncio.get_running_loop().call_later(REDRAW_SECONDS, self.draw)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[files]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[name]}", markup=False),
            console=Console(stderr=True),
            auto_refresh=False,
        )
        self._task = self._bar.add_task("copy", total=None, files="", name="")
        self._bar.start()

    def _update(self) -> None:
        progress = self._progress
        if self._bar is None or self._task is None:
            return
        done = progress.files + progress.skipped + progress.failed
        more = "" if progress.walked else "+"
        files = f"{done:,}/{progress.total_files:,}{more} files"
        name = progress.current.rpartition("/")[2]
        room = min(NAME_CELLS_MAX, self._bar.console.width - OTHER_CELLS - len(files))
        self._bar.update(
            self._task,
            completed=progress.bytes + progress.skipped_bytes,
            # Until the walk has ended the total is not known, and a bar that shrinks back would be a lie.
            total=progress.total_bytes if progress.walked else None,
            files=files,
            name=fitting(name, room),
        )
        self._bar.refresh()


def fitting(name: str, room: int) -> str:
    """A displayable name cut to ``room`` cells of a terminal; empty where too few would be left to tell anything."""
    from rich.cells import cell_len

    if cell_len(name) <= room:
        return name
    if room < NAME_CELLS_LEAST:
        return ""
    cut = name[: room - 1]
    while cell_len(cut) > room - 1:
        cut = cut[:-1]
    return cut + "…"
