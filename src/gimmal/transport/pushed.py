"""Streams that one side of a session pushes because the other asked for them (docs/spec/protocol.md, 2.4 and 11).

A pushed stream belongs to one link and ends with it. Its receiver grants bytes; nothing beyond them is sent or taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import NOTICES_BYTES_MAX, NOTICES_CREDIT_MAX

if TYPE_CHECKING:
    from gimmal.transport.link import Link


class Pushing:
    """The sending end of one stream.

    Attributes:
        over: nothing more can be sent.
        pushed: bytes of bodies sent so far.
        on_over: called once, when the stream ends.
        on_grant: called with what is granted, for who passes a stream on.
    """

    def __init__(self, streams: PushedStreams, link: Link, number: int, credit: int) -> None:
        self._streams = streams
        self._link = link
        self._number = number
        self._granted = credit
        self._eased = asyncio.Event()
        self.over = False
        self.pushed = 0
        self.on_over: Callable[[], None] | None = None
        self.on_grant: Callable[[int], None] | None = None

    @property
    def room(self) -> int:
        """Bytes that may be sent now."""
        return self._granted - self.pushed

    async def has_room(self, size: int) -> bool:
        """Wait until so many bytes may be sent; False where the stream is over."""
        while not self.over and self.room < size:
            self._eased.clear()
            await self._eased.wait()
        return not self.over

    def push(self, body: bytes | memoryview) -> None:
        """Send one body, for which there is room; nothing happens where the stream is over."""
        if self.over:
            return
        assert len(body) <= self.room
        self._link.post(RecordKind.NOTICES, self._number, self.pushed, body)
        self.pushed += len(body)

    def grant(self, count: int) -> None:
        """So many bytes more may be sent."""
        before = self._granted
        self._granted = min(before + count, self.pushed + NOTICES_CREDIT_MAX)
        self._eased.set()
        if self.on_grant is not None:
            self.on_grant(self._granted - before)

    def end(self) -> None:
        """Send nothing more, and say so."""
        if not self.over:
            self._link.post(RecordKind.NOTICES, self._number, self.pushed)
            self.lose()

    def lose(self) -> None:
        """The stream is over: its link, or its receiver's wish."""
        if self.over:
            return
        self.over = True
        self._streams.out.pop(self._number, None)
        self._eased.set()
        on_over, self.on_over, self.on_grant = self.on_over, None, None
        if on_over is not None:
            on_over()

    def is_on(self, link: Link) -> bool:
        """Whether the stream belongs to a link."""
        return self._link is link


class Receiving:
    """The receiving end of one stream.

    Args:
        on_body: is given each body, in order; may raise ProtocolViolation.
        on_over: called once, when the stream ends for another reason than ``close``.

    Attributes:
        over: nothing more will come.
        received: bytes of bodies that came so far.
    """

    def __init__(
        self,
        streams: PushedStreams,
        link: Link,
        number: int,
        credit: int,
        on_body: Callable[[memoryview], None],
        on_over: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._link = link
        self._granted = credit
        self._on_body: Callable[[memoryview], None] | None = on_body
        self._on_over: Callable[[], None] | None = on_over
        self.number = number
        self.over = False
        self.received = 0

    def take(self, link: Link, offset: int, body: memoryview) -> None:
        """A record of the stream came in.

        Raises:
            ProtocolViolation: it may not come.
        """
        if link is not self._link or offset != self.received:
            raise ProtocolViolation("the other side sent notices out of order")
        if len(body) > NOTICES_BYTES_MAX or self.received + len(body) > self._granted:
            raise ProtocolViolation("the other side sent more notices than were granted")
        self.received += len(body)
        if not len(body):
            self.lose()
        elif self._on_body is not None:
            self._on_body(body)

    def grant(self, count: int) -> None:
        """Let so many bytes more come."""
        if not self.over and count:
            self._granted += count
            self._link.post(RecordKind.CREDIT, self.number, count)

    def close(self) -> None:
        """Want no more."""
        if not self.over:
            self._link.post(RecordKind.CANCEL, self.number)
            self._on_over = None
            self.lose()

    def lose(self) -> None:
        """Nothing more will come."""
        if self.over:
            return
        self.over = True
        self._streams.into.pop(self.number, None)
        on_over, self._on_over, self._on_body = self._on_over, None, None
        if on_over is not None:
            on_over()

    def is_on(self, link: Link) -> bool:
        """Whether the stream belongs to a link."""
        return self._link is link


class PushedStreams:
    """All pushed streams of one session, both ways, by their numbers."""

    def __init__(self) -> None:
        self.out: dict[int, Pushing] = {}
        self.into: dict[int, Receiving] = {}
        self._over = False

    def open(self, link: Link, number: int, credit: int) -> Pushing:
        """Begin to send a stream: its number is that of the request that asked for it, on that link."""
        pushing = Pushing(self, link, number, credit)
        if self._over or link.over:
            pushing.over = True
        else:
            self.out[number] = pushing
        return pushing

    def expect(
        self,
        link: Link,
        number: int,
        credit: int,
        on_body: Callable[[memoryview], None],
        on_over: Callable[[], None],
    ) -> Receiving:
        """Take a stream from now on; ``credit`` bytes are granted by the request of that number, sent on ``link``."""
        receiving = Receiving(self, link, number, credit, on_body, on_over)
        if self._over or link.over:
            receiving.over = True
        else:
            self.into[number] = receiving
        return receiving

    def on_notices(self, link: Link, number: int, offset: int, body: memoryview) -> None:
        """A NOTICES record came in; one of a stream that was given up is ignored."""
        receiving = self.into.get(number)
        if receiving is not None:
            receiving.take(link, offset, body)

    def on_credit(self, number: int, count: int) -> None:
        """A CREDIT record came in."""
        pushing = self.out.get(number)
        if pushing is not None:
            pushing.grant(count)

    def on_cancel(self, number: int) -> bool:
        """A CANCEL record came in; whether it was of a stream."""
        pushing = self.out.get(number)
        if pushing is None:
            return False
        pushing.lose()
        return True

    def lose(self, link: Link) -> None:
        """A link is over, with all its streams."""
        for stream in self._all():
            if stream.is_on(link):
                stream.lose()

    def end(self) -> None:
        """The session is over."""
        self._over = True
        for stream in self._all():
            stream.lose()

    def _all(self) -> list[Pushing | Receiving]:
        return [*self.out.values(), *self.into.values()]
