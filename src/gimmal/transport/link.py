"""One TCP connection carrying sealed records of one session (docs/spec/channel.md, docs/spec/protocol.md).

The socket is driven by the event loop's readiness callbacks: a record is received into a pooled buffer, opened in
place and handed to the receiver without a copy; a record to send is sealed in place and written from there. Records
are sealed in the order in which they are queued, so counters need no lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from gimmal.base.errors import GimmalError, InternalError, Interrupted, ProtocolViolation
from gimmal.base.tcp_info import TcpInfo, tcp_info
from gimmal.noise.keys import RootKeys
from gimmal.noise.link_cipher import LinkCipher
from gimmal.noise.records import HEADER_SIZE, LENGTH_SIZE, TAG_SIZE
from gimmal.noise.renewal import RenewalMaterial
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.link_order import LinkOrder, Phase
from gimmal.transport.buffers import SLACK, BufferPool, RecordBuffer
from gimmal.transport.frames import forget_frames
from gimmal.transport.outbox import Outbox
from gimmal.transport.slow_line import LineWatch, Pace

logger = logging.getLogger("gimmal.transport")

BULK_RECORD = 64 * 1024
"""Records of at least this many bytes start at the front of a buffer, so that the buffer can be given away."""

READ_BUDGET = 8 << 20
"""Bytes taken from one socket before other callbacks get their turn."""

POST_MAX = 8 << 20
"""Bytes that may wait on a link in all; one that takes that little is given up."""

RECORDS_MAX = 8192
"""Records that may wait on a link in all."""

RENEWAL_SECONDS = 60.0
"""How long a renewal may keep other records back before the link ends."""

CLOSE_SECONDS = 2.0
"""How long a link that ends in good order may take to get its last record out."""


class PathKind(Enum):
    """How a link travels."""

    LAN = "lan"
    DIRECT = "direct"
    PUNCHED = "punched"
    RELAYED = "relayed"
    LOCAL = "local"
    """Not a path to the other side: between a command and the agent on the same computer."""


class Receiver(Protocol):
    """Who is told what comes out of a link."""

    def on_record(
        self,
        link: Link,
        kind: RecordKind,
        stream: int,
        offset: int,
        body: memoryview,
        owner: RecordBuffer | None,
    ) -> bool:
        """One record. True if the receiver keeps ``owner`` (then it gives it back to the pool itself)."""

    def on_link_ended(self, link: Link, cause: GimmalError | None) -> None:
        """The link is over; ``cause`` is None after LEAVE or CLOSE. Called exactly once."""


class Cipher(Protocol):
    """What seals and opens the records of a link: LinkCipher, or PlainCipher inside one computer."""

    def seal_into(
        self, kind: int, stream: int, offset: int, plaintext: memoryview, body_length: int, out: memoryview
    ) -> int: ...
    def seal(self, kind: int, stream: int, offset: int, body: bytes | memoryview) -> bytes: ...
    def check_length(self, prefix: memoryview) -> int: ...
    def open_into(self, prefix: memoryview, ciphertext: memoryview, out: memoryview) -> tuple[int, int, int, int]: ...
    def close(self) -> None: ...


class Link:
    """A sealed connection.

    Args:
        connection: connected, non-blocking socket; the link owns it from now on.
        cipher: sealing and opening state from the handshake.
        dialler: whether this side dialled.
        greeted: HELLO and JOIN are not used on this link (inside one computer).
        path: how the connection travels.
        pool: where record buffers come from.

    ``start`` begins reading; ``ended`` completes once, when the link is over.
    """

    def __init__(
        self,
        connection: socket.socket,
        cipher: Cipher,
        *,
        dialler: bool,
        path: PathKind,
        pool: BufferPool,
        greeted: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._descriptor = connection.fileno()
        self._cipher = cipher
        self._pool = pool
        self._order = LinkOrder(from_dialler=not dialler)
        if greeted:
            self._order.phase = Phase.OPEN
        self._receiver: Receiver | None = None
        self._buffer = pool.take()
        self._at = 0
        self._have = 0
        self._want = LENGTH_SIZE
        self._reading = False
        self._line = LineWatch(connection, relayed=path is PathKind.RELAYED)
        self._outbox = Outbox(connection, pool, self._on_written, self._on_unwritable)
        self._held: deque[tuple[RecordKind, int, int, bytes]] = deque()
        self._held_bytes = 0
        self._renewing: LinkCipher | None = None
        self._renewal_begun: float | None = None
        self._renewed: asyncio.Future[None] | None = None
        self._material: Callable[[], RenewalMaterial] | None = None
        self._ending = False
        self._drain = False
        self._over = False
        self._expiry: asyncio.TimerHandle | None = None
        self.dialler = dialler
        self.path = path
        self.way = ""
        """Of a relayed one: what its leg to the relay travels in (relay_ways.LegWay); empty where not known."""
        self.number = 0
        self.bulk = False
        self.bytes_received = 0
        """On the wire, handshake excluded."""
        self.last_received = self._loop.time()
        self.outstanding = 0
        """Requests asked on it that wait for their answers."""
        self.asked_bytes = 0
        """Of bulk, how many bytes those requests move."""
        self.streams = 0
        """Of those requests, how many bring a stream of ours."""
        self.retiring = False
        """Whether nothing more is to be asked on it."""
        self.suspect = False
        """Whether it is silent where another link would answer: nothing is asked on it while there is one."""
        self.opened_at = self.last_received
        self.pings = 0
        self.pinged_at = 0.0
        self.proved_at = 0.0
        """When the last PING was sent whose PONG came."""
        self.round_trip: float | None = None
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def __repr__(self) -> str:
        return f"<Link {self.number} {self.path.value}{' over' if self._over else ''}>"

    @property
    def over(self) -> bool:
        """Whether nothing more can be sent."""
        return self._over or self._ending

    @property
    def queued(self) -> int:
        """Bytes that wait to be written to the socket."""
        return self._outbox.queued

    @property
    def bytes_sent(self) -> int:
        """On the wire, handshake excluded."""
        return self._outbox.sent

    def line(self) -> TcpInfo | None:
        """What the system knows of the connection now; None where it does not say."""
        return None if self._over else tcp_info(self._socket)

    @property
    def pace(self) -> Pace:
        """Of the line for what is sent on it, against that of packing."""
        return self._line.pace(self.round_trip)

    def start(self, receiver: Receiver) -> None:
        """Hand records to ``receiver`` from now on; a link that is over already tells it nothing."""
        if not self._over:
            self._receiver = receiver
            self.resume()

    # Receiving -----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop reading; the other side's TCP window fills."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        """Read again after ``pause``."""
        if not self._reading and not self._over and self._receiver is not None:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._on_readable)
            if self._have - self._at >= LENGTH_SIZE:
                self._loop.call_soon(self._continue)

    def _continue(self) -> None:
        """Hand out what was received before a pause."""
        if self._reading and not self._over:
            try:
                self._take_records()
            except GimmalError as exc:
                self.fail(exc)
            except BaseException:
                self.fail(InternalError("a record could not be worked on", "report this"))
                raise

    def _on_readable(self) -> None:
        taken = 0
        try:
            while self._reading and taken < READ_BUDGET:
                count = self._socket.recv_into(self._buffer.view[self._have : self._receive_limit()])
                if count == 0:
                    self._on_end_of_file()
                    break
                taken += count
                if self._ending:
                    continue
                self._have += count
                self._take_records()
        except BlockingIOError:
            pass
        except GimmalError as exc:
            self.fail(exc)
        except OSError as exc:
            self.fail(_cut(exc))
        except BaseException:
            self.fail(InternalError("a record could not be worked on", "report this"))
            raise
        if taken:
            self.bytes_received += taken
            self.last_received = self._loop.time()

    def _on_end_of_file(self) -> None:
        if self._ending:
            self._finish(None)
        else:
            self.fail(Interrupted("the connection to the other side was cut", "run the command again"))

    def _receive_limit(self) -> int:
        """Where in the buffer to stop receiving: behind a bulk record only the next length is wanted."""
        if self._want >= BULK_RECORD:
            return self._at + self._want + LENGTH_SIZE
        return min(self._have + SLACK, len(self._buffer.view))  # never empty: _take_records keeps SLACK free

    def _take_records(self) -> None:
        while self._reading:
            available = self._have - self._at
            if available < LENGTH_SIZE:
                self._want = LENGTH_SIZE
                break
            view = self._buffer.view
            start = self._at + LENGTH_SIZE
            length = self._cipher.check_length(view[self._at : start])
            self._want = LENGTH_SIZE + length
            if available < self._want:
                break
            if self._want >= BULK_RECORD and self._at:
                self._move_to_front()
                continue
            self._take_one(view, start, length)
        if self._at == self._have:
            self._at = self._have = 0
        elif self._at and (self._want >= BULK_RECORD or self._at + self._want + SLACK > len(self._buffer.view)):
            self._move_to_front()

    def _take_one(self, view: memoryview, start: int, length: int) -> None:
        end = start + length
        kind, stream, offset, body_length = self._cipher.open_into(
            view[self._at : start], view[start:end], view[start : end - TAG_SIZE]
        )
        body = view[start + HEADER_SIZE : start + HEADER_SIZE + body_length]
        owner = self._buffer if self._at == 0 and self._want >= BULK_RECORD else None
        self._at = end
        known = self._order.next(kind)
        if known is None:
            return
        if RecordKind.RENEW <= known <= RecordKind.RENEW_DONE:
            self._continue_renewal()
            return
        assert self._receiver is not None
        kept = self._receiver.on_record(self, known, stream, offset, body, owner)
        if kept and owner is not None:
            surplus = bytes(view[self._at : self._have])
            self._buffer = self._pool.take()
            self._buffer.view[: len(surplus)] = surplus
            self._at, self._have = 0, len(surplus)
        if self._order.phase is Phase.ENDED:
            self._finish(None)

    def _move_to_front(self) -> None:
        available = self._have - self._at
        view = self._buffer.view
        view[:available] = bytes(view[self._at : self._have])
        self._at, self._have = 0, available

    # Sending -------------------------------------------------------------------------------------------------------

    def post(self, kind: RecordKind, stream: int = 0, offset: int = 0, body: bytes | memoryview = b"") -> None:
        """Queue a record whose body is small; nothing happens on a link that is over."""
        if self.over:
            return
        hold = self._must_hold()
        waiting = self._outbox.queued + self._held_bytes
        if waiting > POST_MAX or len(self._outbox) + len(self._held) >= RECORDS_MAX:
            self.fail(Interrupted("the other side takes nothing more", "run the command again"))
        if self._over:
            return
        if hold:
            self._held.append((kind, stream, offset, bytes(body)))
            self._held_bytes += len(body)
            return
        self._outbox.append(memoryview(self._cipher.seal(kind, stream, offset, body)), None)

    async def send_buffer(self, kind: RecordKind, stream: int, offset: int, buffer: RecordBuffer, length: int) -> None:
        """Queue a record whose body lies in ``buffer.body[:length]``; waits while much is queued.

        The link owns the buffer from the call on and gives it back to the pool.

        Raises:
            Interrupted: the link is over.
        """
        try:
            await self.writable()
        except asyncio.CancelledError:
            self._pool.give(buffer)
            raise
        if self.over:
            self._pool.give(buffer)
            raise Interrupted("the connection to the other side was cut", "run the command again")
        total = self._cipher.seal_into(kind, stream, offset, buffer.view[LENGTH_SIZE:], length, buffer.view)
        self._outbox.append(buffer.view[:total], buffer)

    async def writable(self) -> None:
        """Wait until little is queued and no renewal is due, in the order of asking.

        Returns at once on a link that is over. What is to be sent must be queued before the next await.
        """
        woken = False
        while not self.over:
            if self._must_hold():
                self._renewed = self._renewed or self._loop.create_future()
                await asyncio.shield(self._renewed)
            elif self._outbox.has_room and (woken or not self._outbox.waited_for):
                break
            else:
                await self._outbox.wait_turn()
                woken = True
        if self._outbox.has_room:
            self._outbox.wake_next()

    def leave(self, *, drain: bool = True) -> None:
        """End the link in good order; the session goes on, or ends on another link.

        Args:
            drain: as of ``close``.
        """
        self._end_with(RecordKind.LEAVE, b"", drain=drain)

    def close(self, body: bytes, *, drain: bool) -> None:
        """End the session in good order.

        Args:
            body: an encoded Close.
            drain: read on, discarding, until the other side has closed too: where it may still be sending,
                closing at once would reset the connection and take the CLOSE record with it.
        """
        self._end_with(RecordKind.CLOSE, body, drain=drain)

    def fail(self, cause: GimmalError) -> None:
        """End the link at once because of ``cause``; nothing more is sent, keys are forgotten."""
        self._finish(cause)

    def expire(self) -> None:
        """Be over within ``CLOSE_SECONDS``, whatever the other side does."""
        if self._expiry is None and not self._over:
            self._expiry = self._loop.call_later(CLOSE_SECONDS, self._finish, None)

    def _end_with(self, kind: RecordKind, body: bytes, *, drain: bool) -> None:
        if self.over:
            return
        # Sent also where a renewal is due: what ends the link needs no new key.
        self._outbox.append(memoryview(self._cipher.seal(kind, 0, 0, body)), None)
        self._ending = True
        self._drain = drain
        self.expire()
        self._outbox.flush()

    def _on_unwritable(self, exc: OSError) -> None:
        # What the other side sent last may be unread still, and may be CLOSE. Not from here: a record may be in hand.
        self._loop.call_soon(self._read_the_rest, exc)

    def _read_the_rest(self, exc: OSError) -> None:
        if self._reading:
            self._on_readable()
        self.fail(_cut(exc))

    def _on_written(self) -> None:
        if self._ending:
            self._sent_last()

    def _sent_last(self) -> None:
        if not self._drain:
            self._finish(None)
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self.resume()

    # Renewal -------------------------------------------------------------------------------------------------------

    def enable_renewal(
        self, version: int, pair_id: bytes, side: str, keys: RootKeys, material: Callable[[], RenewalMaterial]
    ) -> None:
        """Renew the link's keys from now on as docs/spec/channel.md says.

        Args:
            version, pair_id, side: of this link and this half.
            keys: of the session root.
            material: the half's keys for one renewal; it does not look for the half, whose watch ends the session.
        """
        assert isinstance(self._cipher, LinkCipher)
        self._material = material
        self._renewing = self._cipher
        self._cipher.enable_renewal(version, pair_id, side, keys, self._loop.time())

    @property
    def renewal_stuck(self) -> bool:
        """Whether a renewal that this side began takes longer than it may."""
        return self._renewal_begun is not None and self._loop.time() - self._renewal_begun > RENEWAL_SECONDS

    def _must_hold(self) -> bool:
        """Start a renewal that is due; True while nothing else may be sent."""
        cipher, now = self._renewing, self._loop.time()
        if cipher is None or self._material is None:
            return False
        if cipher.renewal_due(now):
            try:
                self._outbox.append(memoryview(cipher.start_renewal(self._material())), None)
                self._renewal_begun = now
            except GimmalError as exc:
                self.fail(exc)
        return cipher.must_hold(now)

    def _continue_renewal(self) -> None:
        cipher, now = self._renewing, self._loop.time()
        if cipher is None or self._material is None:
            raise ProtocolViolation("the other side renews keys where there are none")
        owes = cipher.owes
        if owes == RecordKind.RENEW_ANSWER:
            self._outbox.append(memoryview(cipher.answer_renewal(self._material(), now)), None)
        elif owes == RecordKind.RENEW_DONE:
            self._outbox.append(memoryview(cipher.finish_renewal(now)), None)
        if owes is not None:
            self._renewal_begun = None
        if not cipher.must_hold(now):
            self._held_bytes = 0
            while self._held and not self.over:
                kind, stream, offset, body = self._held.popleft()
                self._outbox.append(memoryview(cipher.seal(kind, stream, offset, body)), None)
            self._end_hold()

    def _end_hold(self) -> None:
        if self._renewed is not None:
            self._renewed.set_result(None)
            self._renewed = None

    # End -----------------------------------------------------------------------------------------------------------

    def _finish(self, cause: GimmalError | None) -> None:
        if self._over:
            return
        self._over = True
        logger.debug("link %d %s over: %s", self.number, self.path.value, cause or "ended in order")
        self._loop.remove_reader(self._descriptor)
        self._reading = False
        self._outbox.close()
        self._socket.close()
        self._held.clear()
        self._held_bytes = 0
        self._cipher.close()
        self._end_hold()
        if not self.ended.done():
            self.ended.set_result(None)
        self._material = None
        if self._expiry is not None:
            self._expiry.cancel()
        # Not at once: what this was called from may still look at a record in it.
        self._loop.call_soon(self._give_buffer)
        receiver, self._receiver = self._receiver, None
        if cause is not None:
            forget_frames(cause)
        if receiver is not None:
            receiver.on_link_ended(self, cause)

    def _give_buffer(self) -> None:
        self._pool.give(self._buffer)
        del self._buffer


def _cut(exc: OSError) -> Interrupted:
    cut = Interrupted("the connection to the other side was cut", "run the command again")
    cut.__cause__ = exc
    return cut
