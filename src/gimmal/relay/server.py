"""The relay server: one port, controls and data legs (docs/spec/relay.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address

from gimmal.base.congestion import prefer_bbr
from gimmal.base.errors import LocalError
from gimmal.base.half_open import HalfOpen
from gimmal.base.socket_stream import SocketStream, Stream
from gimmal.base.sources import source_of
from gimmal.base.tasks import Tasks
from gimmal.base.tls_stream import TlsStream
from gimmal.protocol.places import pack_place, place_of
from gimmal.relay.chunks import Chunks
from gimmal.relay.control import ControlConnection
from gimmal.relay.doorstep import Doorstep, Shown
from gimmal.relay.forwarding import ForwardedLink
from gimmal.relay.inner_doorstep import InnerDoorstep
from gimmal.relay.ledger_thread import LedgerThread
from gimmal.relay.limits import RelayLimits
from gimmal.relay.meter import Meter
from gimmal.relay.penalties import Penalties
from gimmal.relay.reception import Reception
from gimmal.relay.tickets import TicketOffice
from gimmal.relay.wrapped_legs import WrappedLegs

_log = logging.getLogger("gimmal.relay")

_SWEEP_SECONDS = 0.25
_ACCEPTS_A_TURN = 64
_DESCRIPTORS_ASIDE = 128
_ADDRESSES_KEPT_SECONDS = 12 * 3600.0


class RelayServer:
    """A running relay. Made inside a running event loop.

    Args:
        listeners: bound and listening sockets; owned from here on.
        context: TLS of the relay.
        pin: SHA-256 of the key of the certificate in `context`.
        ledger: on its thread.
        limits: numbers.
        clock: seconds since 1970; decides under which day bytes are counted.
        splice: False forces the plain way of forwarding.
        behind: sources of reverse proxies, which are believed where they say for whom they ask, and are never shut out.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        context: ssl.SSLContext,
        pin: bytes,
        ledger: LedgerThread,
        limits: RelayLimits | None = None,
        clock: Callable[[], float] = time.time,
        splice: bool | None = None,
        behind: frozenset[str] = frozenset(),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners = listeners
        self._context = context
        self._pin = pin
        self._ledger = ledger
        self._clock = clock
        self._behind = behind
        self.limits = limits = limits or RelayLimits()
        self._connections_max = min(limits.connections, _descriptors() - _DESCRIPTORS_ASIDE)
        self._tasks = Tasks()
        self._half_open: HalfOpen[Doorstep | InnerDoorstep | ControlConnection] = HalfOpen(
            limits.half_open, limits.half_open_per_source
        )
        self._penalties = Penalties(limits)
        self._office: TicketOffice[socket.socket] = TicketOffice(limits.links_per_pair, limits.ticket_seconds)
        self._links: dict[ForwardedLink, None] = {}
        self._wrapped = WrappedLegs(self._redeem)
        self._chunks = Chunks(limits, splice)
        self._meter = Meter()
        self._reception = Reception(
            limits,
            ledger,
            self._office,
            self._tasks,
            self._loop.time,
            clock,
            on_proved=self._proved,
            on_lost=self._control_lost,
        )
        self._controls: dict[ControlConnection, None] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._flushed_at = self._loop.time()
        self._flush_task: asyncio.Task[None] | None = None
        self._stopping = False
        self._all_lost = asyncio.Event()

    def start(self) -> None:
        """Begin to accept."""
        for listener in self._listeners:
            listener.setblocking(False)
            self._loop.add_reader(listener, self._accept, listener)
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    @property
    def connections(self) -> int:
        """Connections of every kind, at most: a control counts twice until its proof, a waiting leg for two.

        A leg inside TLS or WebSocket needs two descriptors more, and counts for them.
        """
        legs = len(self._links) + len(self._office) + len(self._wrapped)
        return len(self._half_open) + len(self._controls) + 2 * legs

    @property
    def links(self) -> int:
        """Links that are joined now."""
        return len(self._links)

    async def stop(self) -> None:
        """Say Goodbye, end every connection and task, write what was counted, close the ledger."""
        if self._stopping:
            return
        self._stopping = True
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._reception.farewell()
        for control in list(self._controls):
            if not control.seated:
                control.close()
        for entry in list(self._half_open):
            entry.close()
        for link in list(self._links):
            link.close()
        for waiting in self._office.expire(float("inf")):
            _close_all(waiting.legs)
        self._wrapped.close()
        if self._controls:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.stop_seconds):
                    await self._all_lost.wait()
        for control in list(self._controls):
            control.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._flush_task is not None:
            await asyncio.wait([self._flush_task])
        await self._tasks.close()
        await self._flush()
        await self._ledger.close()
        self._chunks.close()

    def _accept(self, listener: socket.socket) -> None:
        now = self._loop.time()
        for _ in range(_ACCEPTS_A_TURN):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:
                # Out of descriptors: the kernel keeps the connection waiting, so look away for a moment.
                _log.error("cannot accept: %s", exc.strerror)
                self._loop.remove_reader(listener)
                self._loop.call_later(0.5, self._accept_again, listener)
                return
            source = source_of(address[0])
            if self._is_shut_out(source, now) or self.connections >= self._connections_max:
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            prefer_bbr(sock)
            doorstep = Doorstep(sock, source, self._shown)
            self._add_half_open(doorstep, source)
            doorstep.start()

    def _accept_again(self, listener: socket.socket) -> None:
        if not self._stopping:
            self._loop.add_reader(listener, self._accept, listener)

    def _add_half_open(self, entry: Doorstep | InnerDoorstep | ControlConnection, source: str) -> None:
        victim = self._half_open.add(entry, source)
        if victim is not None:
            victim.close()

    def _shown(self, doorstep: Doorstep, shown: Shown, data: bytes) -> None:
        self._half_open.remove(doorstep)
        limits, sock, source = self.limits, doorstep.sock, doorstep.source
        if shown in (Shown.TLS, Shown.HTTP, Shown.LEG):
            _keep_alive(sock)
        if shown is Shown.TLS or shown is Shown.HTTP:
            own_tls = shown is Shown.TLS and source not in self._behind
            inner = InnerDoorstep(source, doorstep.since, self, _seen(sock) if own_tls else b"")
            stream = (
                TlsStream(sock, self._context, inner, waiting_max=limits.control_waiting)
                if shown is Shown.TLS
                else SocketStream(sock, inner, waiting_max=limits.control_waiting)
            )
            self._add_half_open(inner, source)
            inner.start(stream, data)
        elif shown is Shown.LEG:
            if not self._redeem(data[1:], sock):
                self._offend(source, limits.bad_hello_penalty, self._loop.time())
        else:
            sock.close()
            if not self._is_excused(doorstep):
                penalty = limits.no_hello_penalty if shown is Shown.NOTHING else limits.bad_hello_penalty
                self._offend(source, penalty, self._loop.time())

    def inner_control(self, doorstep: InnerDoorstep, stream: Stream) -> None:
        """See ``InnerOwner``."""
        self._half_open.remove(doorstep)
        source, since = doorstep.source, doorstep.since
        reception = self._reception
        control = ControlConnection(stream, source, since, self._pin, self.limits, reception, doorstep.seen)
        self._controls[control] = None
        self._add_half_open(control, doorstep.source)
        control.start()

    def inner_forwarded(self, doorstep: InnerDoorstep, address: str) -> None:
        """See ``InnerOwner``."""
        if doorstep.source not in self._behind:
            return
        try:
            source = source_of(str(ip_address(address)))
        except ValueError:
            return
        self._half_open.remove(doorstep)
        doorstep.source = source
        if self._is_shut_out(source, self._loop.time()):
            doorstep.close()
        else:
            self._add_half_open(doorstep, source)

    def inner_leg(self, doorstep: InnerDoorstep, stream: Stream, ticket: bytes, first: bytes) -> None:
        """See ``InnerOwner``."""
        self._half_open.remove(doorstep)
        if not self._wrapped.take(stream, ticket, first):
            self._offend(doorstep.source, self.limits.bad_hello_penalty, self._loop.time())

    def inner_lost(self, doorstep: InnerDoorstep, bad_hello: bool) -> None:
        """See ``InnerOwner``."""
        if self._half_open.remove(doorstep) and not self._stopping:
            penalty = self.limits.bad_hello_penalty if bad_hello else self.limits.no_hello_penalty
            self._offend(doorstep.source, penalty, self._loop.time())

    def _redeem(self, ticket: bytes, leg: socket.socket) -> bool:
        """Join a leg to the link of its ticket; False where the ticket is not good. The leg is owned from here on."""
        now = self._loop.time()
        link = self._office.redeem(ticket, leg, now)
        if link is None or link.hopeless:
            leg.close()
            return link is not None or self._office.was_used(ticket, now)
        if len(link.legs) == 2:
            first, second = link.legs
            joined = ForwardedLink(link.pair_id, (first, second), self._chunks, self.limits, self._link_closed)
            self._links[joined] = None
            joined.start()
        return True

    def _link_closed(self, link: ForwardedLink) -> None:
        del self._links[link]
        self._office.release(link.pair_id)
        self._meter.count(link.pair_id, link.take_forwarded(), self._clock())

    def _proved(self, control: ControlConnection) -> None:
        self._half_open.remove(control)

    def _control_lost(self, control: ControlConnection, bad_hello: bool) -> None:
        self._controls.pop(control, None)
        if not self._controls and self._stopping:
            self._all_lost.set()
        was_half_open = self._half_open.remove(control)
        if bad_hello:
            self._offend(control.source, self.limits.bad_hello_penalty, self._loop.time())
        elif was_half_open and not self._stopping:
            self._offend(control.source, self.limits.no_hello_penalty, self._loop.time())

    def _sweep(self) -> None:
        now = self._loop.time()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        self._close_late(now)
        for control in list(self._controls):
            control.handle_timer(now)
        for waiting in self._office.expire(now):
            _close_all(waiting.legs)
        second = self._clock()
        for link in list(self._links):
            self._meter.count(link.pair_id, link.take_forwarded(), second)
            link.close_if_stuck(now)
        self._penalties.forget(now - _ADDRESSES_KEPT_SECONDS)
        self._reception.forget(now)
        if now - self._flushed_at >= self.limits.flush_seconds - 2 * _SWEEP_SECONDS and not (
            self._flush_task and not self._flush_task.done()
        ):
            self._flushed_at = now
            self._flush_task = self._tasks.start(self._flush(), "relay ledger")

    def _close_late(self, now: float) -> None:
        late = [entry for entry in self._half_open if now - entry.since >= self.limits.hello_seconds]
        for entry in late:
            self._half_open.remove(entry)
            if not self._is_excused(entry):
                self._offend(entry.source, self.limits.deadline_penalty, now)
            entry.close()

    def _is_shut_out(self, source: str, now: float) -> bool:
        return source not in self._behind and self._penalties.is_blocked(source, now)

    def _offend(self, source: str, seconds: float, now: float) -> None:
        if source not in self._behind:
            self._penalties.offend(source, seconds, now)

    def _is_excused(self, entry: Doorstep | InnerDoorstep | ControlConnection) -> bool:
        """A half whose network lets no raw leg pass: what it dials looks like silence from here."""
        return isinstance(entry, Doorstep) and entry.silent and self._reception.knows(entry.source)

    async def _flush(self) -> None:
        amounts, sightings = self._meter.take(), self._reception.take_sightings()
        ledger = self._ledger.ledger
        try:
            if amounts:
                await self._ledger.call(lambda: ledger.add_bytes(amounts))
                amounts = {}
            if sightings:
                await self._ledger.call(lambda: ledger.saw(sightings))
        except LocalError as exc:
            self._meter.give_back(amounts)
            _log.error("cannot write the ledger: %s", exc.message)


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 20


def _keep_alive(sock: socket.socket) -> None:
    """A peer that vanished without a word is noticed by the kernel."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)


def _close_all(legs: list[socket.socket]) -> None:
    for leg in legs:
        with contextlib.suppress(OSError):
            leg.close()


def _seen(sock: socket.socket) -> bytes:
    """Where a connection comes from; empty where it is gone again."""
    try:
        host, port = sock.getpeername()[:2]
        return pack_place(place_of(host, port))
    except (OSError, ValueError):
        return b""
