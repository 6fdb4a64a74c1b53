"""The last resort when a half is pulled out: a process that cannot end by itself is ended, and its keys with it.

A program ends in good order when its half is gone. But its event loop, or its very last flush, may be held up by
whoever reads its output and does not: then nothing would close its links or clear its memory for hours.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from gimmal.half.presence_watch import PresenceWatch

TICK_SECONDS = 0.05
ORDERLY_TICKS = 9
"""Ticks that the program has to end in good order. Counted, not measured: where the machine is busy, ticks are late."""

_armed = False
_watched: dict[Path, PresenceWatch] = {}


def arm() -> None:
    """This process is a command of its own: it may be ended, and its memory is for no file.

    A crash that dumps memory to a file would leave keys and names behind.
    """
    global _armed
    _armed = True
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def end_when_pulled(location: Path, socket: Path | None = None) -> None:
    """From now on end this process soon after the half in ``location`` is gone; once for each half.

    Args:
        location: its folder.
        socket: that this process listens on, to be removed then.

    Raises:
        HalfGone: it is not there.
    """
    if not _armed or location in _watched:
        return
    from threading import Thread

    from gimmal.half.presence_watch import watch_half

    watch = watch_half(location)
    _watched[location] = watch
    Thread(target=_end, args=(watch.gone, socket), daemon=True, name="half pulled out").start()


def stand_down(location: Path) -> None:
    """The half in ``location`` may go from now on: this process holds nothing of it any more."""
    watch = _watched.pop(location, None)
    if watch is not None:
        watch.leave()


def _end(gone: Event, socket: Path | None) -> None:
    from threading import Event

    from gimmal.base.errors import ExitCode

    gone.wait()
    pause = Event()
    for _ in range(ORDERLY_TICKS):
        pause.wait(TICK_SECONDS)
    if socket is not None:
        with contextlib.suppress(OSError):
            socket.unlink()
    _say(b"error: the half was pulled out\nhint: plug it in again\n")
    os._exit(ExitCode.HALF)


def _say(text: bytes) -> None:
    """To stderr, where it takes that much at once."""
    import select

    with contextlib.suppress(OSError):
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        if any(events & select.POLLOUT for _descriptor, events in poll.poll(0)):
            os.write(2, text)
