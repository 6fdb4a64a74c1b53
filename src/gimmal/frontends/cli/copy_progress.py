"""The progress of a copy on a terminal, where it lasts long enough to be looked at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, Self

from gimmal.frontends.cli.output import say
from gimmal.remote.progress import Progress

if TYPE_CHECKING:
    import rich.live

    from gimmal.remote.estimating import Estimator

FIRST_SECONDS = 0.5
REDRAW_SECONDS = 0.1


class View(Protocol):
    """Shows a copy while it is used as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def message(self, text: str) -> None:
        """Say something beside the progress."""


class ProgressView:
    """Draws what a ``Progress`` counts, while used as a context manager.

    Args:
        progress: the counters.
        shown: whether to draw at all.
    """

    def __init__(self, progress: Progress, *, shown: bool) -> None:
        self._progress = progress
        self._shown = shown
        self._live: rich.live.Live | None = None
        self._estimator: Estimator | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        if self._shown:
            from gimmal.remote.estimating import Estimator

            loop = asyncio.get_running_loop()
            self._estimator = Estimator(loop.time())
            self._timer = loop.call_later(FIRST_SECONDS, self._draw)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._live is not None:
            self._update()
            self._live.stop()

    def message(self, text: str) -> None:
        """A line above the progress."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            say(text)

    def _draw(self) -> None:
        if self._live is None:
            self._start()
        self._update()
        self._timer = asyncio.get_running_loop().call_later(REDRAW_SECONDS, self._draw)

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False)
        self._live.start()

    def _update(self) -> None:
        if self._live is None or self._estimator is None:
            return
        from rich.text import Text

        from gimmal.frontends.cli.progress_line import progress_line
        from gimmal.remote.estimating import counts_of

        estimate = self._estimator.look(asyncio.get_running_loop().time(), counts_of(self._progress))
        line = progress_line(self._progress, estimate, self._live.console.width)
        self._live.update(Text(line, no_wrap=True, overflow="crop"), refresh=True)
