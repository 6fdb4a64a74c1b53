"""The streams of notices that one session has open, by their numbers. Synchronous; called from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gimmal.protocol.codes import Code
from gimmal.protocol.limits import NOTICE_STREAMS_MAX
from gimmal.protocol.messages import Watch
from gimmal.share.places import Access, Place, Places
from gimmal.share.refused import RefusedError
from gimmal.share.watch_stream import WatchStream
from gimmal.share.watching import Watching


class SessionWatches:
    """What one session watches.

    Args:
        find: the table of all sessions; None where this system tells of no changes.
    """

    def __init__(self, find: Callable[[], Watching | None] = lambda: None) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._streams: dict[int, WatchStream] = {}
        self._closed = False

    def open(self, number: int, wake: Callable[[], None]) -> None:
        """Open a stream.

        Args:
            number: that of the request.
            wake: called, from any thread, when there is something to tell.

        Raises:
            RefusedError: UNSUPPORTED; LIMIT where the session has as many as it may have; INVALID where it has one of
                this number: an asker may send it again once it was answered.
        """
        watching = self._find()
        if watching is None:
            raise RefusedError(Code.UNSUPPORTED)
        with self._lock:
            if self._closed or len(self._streams) >= NOTICE_STREAMS_MAX:
                raise RefusedError(Code.LIMIT)
            if number in self._streams:
                raise RefusedError(Code.INVALID)
            self._streams[number] = watching.open_stream(wake)

    def close_stream(self, number: int) -> None:
        """A stream is over."""
        with self._lock:
            stream = self._streams.pop(number, None)
        watching = self._find() if stream is not None else None
        if watching is not None and stream is not None:
            watching.close_stream(stream)

    def close(self) -> None:
        """The session is over."""
        with self._lock:
            self._closed = True
            numbers = list(self._streams)
        for number in numbers:
            self.close_stream(number)

    def grant(self, number: int, place: Place) -> tuple[int, bool]:
        """Watch a folder on a stream: its watch, 0 where there is none, and whether that is a new one."""
        stream = self._streams.get(number)
        watching = self._find() if stream is not None else None
        if watching is None or stream is None:
            return 0, False
        return watching.grant(stream, place)

    def watch(self, request: Watch, places: Places) -> list[int]:
        """A watch for each folder of a request, 0 where there is none; what changed until now is marked afterwards.

        Raises:
            RefusedError: INVALID: there is no such stream.
        """
        watching, _stream = self.stream(request.stream)
        watches = []
        for path in request.paths:
            try:
                watches.append(self.grant(request.stream, places.find(path, Access.LOOK))[0] if path else 0)
            except (RefusedError, OSError):
                watches.append(0)
        watching.catch_up()
        return watches

    def release(self, number: int, watches: list[int]) -> None:
        """Watch folders no more.

        Raises:
            RefusedError: INVALID: there is no such stream.
        """
        watching, stream = self.stream(number)
        for watch in watches:
            watching.release(stream, watch)

    def stream(self, number: int) -> tuple[Watching, WatchStream]:
        """A stream and the table it belongs to.

        Raises:
            RefusedError: INVALID: there is no such stream.
        """
        watching, stream = self._find(), self._streams.get(number)
        if watching is None or stream is None:
            raise RefusedError(Code.INVALID)
        return watching, stream
