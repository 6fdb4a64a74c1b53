"""A half's connection to one relay: control, and the data legs it asks for or is offered (docs/spec/relay.md)."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from gimmal.base.display import displayable
from gimmal.base.errors import DeadlinePassed, GimmalError, PeerAbsent, RelayError
from gimmal.base.moments import clock_text
from gimmal.base.socket_stream import Stream
from gimmal.base.tasks import Tasks
from gimmal.protocol.places import parse_place, place_of
from gimmal.protocol.relay.client import RelayClientMachine
from gimmal.protocol.relay.control import Ended
from gimmal.protocol.relay.messages import (
    Code,
    LinkRefused,
    NoAnswerer,
    Offer,
    PeerChanged,
    Role,
    Ticket,
    Welcome,
)
from gimmal.protocol.relay.proof import RelayIdentity
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.punching.places import View
from gimmal.transport.relay_contest import Contest, Won
from gimmal.transport.relay_legs import LegDialler
from gimmal.transport.relay_tls import tls_failure
from gimmal.transport.relay_ways import LegWay, LegWays, RelayWays
from gimmal.transport.tcp_connect import reason_of

_log = logging.getLogger("gimmal.transport")

_ANSWERING_MAX = 64
_LEG_SECONDS = 10.0

CHECK_SECONDS = 2.0
"""What a relay that is asked for a sign of life has for one."""

OfferTaken = Callable[[socket.socket, bytes, LegWay], None]


class RelayClient:
    """One control connection; used once, from one event loop. ``RelayKeeper`` keeps one connected for ever.

    Args:
        url: of the relay.
        identity: this half.
        role: ``answers`` or ``asks``.
        instance: 16 random bytes, the same for all connections of this program run.
        program: version of this program.
        candidates: sealed, may be empty.
        on_link: takes a connected, non-blocking data leg that the peer asked for, the asker's instance, and what the
            leg travels in. Without it offers are let pass.
        on_peer: called when what is known of the peer has changed.
        ways: what this process has learned of the way to this relay; None where it is new to it.
        family: of the only addresses to connect to, and directly alone; any way without one.
    """

    def __init__(
        self,
        url: RelayUrl,
        identity: RelayIdentity,
        role: Role,
        instance: bytes,
        program: str,
        candidates: bytes = b"",
        on_link: OfferTaken | None = None,
        on_peer: Callable[[], None] | None = None,
        ways: RelayWays | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> None:
        self.url = url
        self._identity = identity
        self._role = role
        self._instance = instance
        self._program = program
        self._candidates = candidates
        self._on_link = on_link
        self._on_peer = on_peer
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._machine: RelayClientMachine | None = None
        self._ways = ways or RelayWays()
        self._family = family
        self._contest: Contest | None = None
        self._contending: asyncio.Timeout | None = None
        self._stream: Stream | None = None
        self._first = b""
        self._own: tuple[str, int] | None = None
        self.view: View | None = None
        """How the relay sees this side; None where it does not say, or a proxy is in between."""
        self._timer: asyncio.TimerHandle | None = None
        self._legs: LegDialler | None = None
        self._welcome: asyncio.Future[Welcome] = self._loop.create_future()
        self._links: dict[int, asyncio.Future[bytes]] = {}
        self._next_number = 0
        self._heard = 0
        """How often something came from the relay."""
        self._checking = False
        self._answering = 0
        self.closed: asyncio.Future[GimmalError] = self._loop.create_future()
        """Done when the connection is over; the result says why. ``close`` counts as a RelayError too."""
        self.peer_present = False
        """The peer's answerer is connected to this relay."""
        self.peer_candidates = b""
        """What the peer's answerer left, sealed; empty if none."""
        self.by_web = False
        """The connection is a WebSocket."""
        self.proxy = ""
        """Displayable address of the proxy that it goes through; empty without one."""
        self.last_seen = 0
        """Second since 1970 at which the peer's answerer was last connected; 0 if unknown."""

    async def connect(self, deadline: float) -> Welcome:
        """Connect, prove, and hear what the relay knows of the peer.

        Args:
            deadline: seconds from now.

        Raises:
            RelayError: the relay is absent, shows another key, or refuses; the message names it.
        """
        try:
            async with asyncio.timeout(deadline):
                await self._open()
                self._begin()
                return await asyncio.shield(self._welcome)
        except asyncio.CancelledError:
            self.give_up()
            raise
        except TimeoutError:
            failure = self._late(deadline)
            self._lose(failure)
            raise failure from None

    async def welcomed(self) -> Welcome:
        """What the relay knew of the peer when it let this connection in; waits for it.

        Raises:
            RelayError: the connection ended before.
        """
        return await asyncio.shield(self._welcome)

    async def request_link(self, deadline: float) -> socket.socket:
        """A link to the peer's answerer: a connected, non-blocking socket behind its ticket.

        Args:
            deadline: seconds from now.

        Raises:
            PeerAbsent: nobody answers for the peer; the message says when it was last seen.
            RelayError: the relay refuses, or the connection is over.
            DeadlinePassed: no answer in time.
        """
        number, waiting = self._ask()
        return await self._finish_link(number, waiting, deadline)

    async def dial_link(self, deadline: float) -> socket.socket:
        """``connect`` and ``request_link`` in one: the request travels directly behind the proof.

        Args:
            deadline: seconds from now, for both.

        Raises:
            PeerAbsent, RelayError, DeadlinePassed: as those two.
        """
        until = self._loop.time() + deadline
        try:
            async with asyncio.timeout(deadline):
                await self._open()
        except asyncio.CancelledError:
            self.give_up()
            raise
        except TimeoutError:
            failure = self._late(deadline)
            self._lose(failure)
            raise failure from None
        number, waiting = self._ask()
        self._begin()
        return await self._finish_link(number, waiting, until - self._loop.time())

    def set_candidates(self, sealed: bytes) -> None:
        """Leave other sealed candidates with the relay."""
        self._candidates = sealed
        if self._machine is not None:
            self._machine.set_candidates(sealed)
            self._pump()

    def check(self) -> None:
        """See at once whether the relay still answers: a connection that brings nothing in time is lost."""
        if self._machine is None or not self._welcome.done() or self.closed.done() or self._checking:
            return
        self._checking = True
        self._machine.ping()
        self._pump()
        self._tasks.start(self._check(self._heard), "relay check")

    async def _check(self, before: int) -> None:
        await asyncio.sleep(CHECK_SECONDS)
        self._checking = False
        if self._heard == before:
            self._lose(RelayError(f"the relay {self.url.address} does not answer any more", "check the network"))

    async def close(self) -> None:
        """Say Goodbye and end; legs already handed out live on. Harmless twice."""
        if self._machine is not None and self._stream is not None and not self.closed.done():
            self._machine.goodbye(Code.STOPPING, "the program ends")
            self._stream.write(self._machine.data_to_send())
        self._lose(RelayError("the connection to the relay was closed here"))
        await self._tasks.close()

    @property
    def answering(self) -> bool:
        """Whether a link that the peer asked for is being taken."""
        return bool(self._answering)

    @property
    def leg_ways(self) -> LegWays | None:
        """The ways of legs; None before the connection came."""
        return self._legs.ways if self._legs is not None else None

    def stream_ready(self) -> None:
        """See ``StreamOwner``; the stream is ready before it comes here."""

    def stream_data(self, data: bytes) -> None:
        """See ``StreamOwner``."""
        assert self._machine is not None
        self._heard += 1
        self._machine.receive_data(data, self._loop.time())
        self._pump()

    def stream_lost(self, failure: Exception | None) -> None:
        """See ``StreamOwner``."""
        if self._welcome.done():
            self._lose(
                RelayError(f"the connection to the relay {self.url.address} was lost", "check the network; try again")
            )
        else:
            self._lose(tls_failure(self.url, failure))

    async def _open(self) -> None:
        """Connect by whichever way brings the relay's first byte; nothing is said to it yet."""
        assert self._contest is None, "a client connects once"
        self._contest = Contest(self.url, self._ways.web_first(self._loop.time()), self._family)
        try:
            won = await self._contend(self._contest)
        except RelayError as exc:
            self._lose(exc)
            raise
        dialled, stream = won.dialled, won.dialled.stream
        assert stream is not None
        if self.closed.done():
            stream.abort()
            raise self.closed.result()
        self.by_web, self.proxy = won.web, won.proxy.address if won.proxy is not None else ""
        ways = self._ways.connected(dialled.own[0], won.web, self._loop.time())
        self._legs = LegDialler(self.url, dialled.address, won.proxy, ways)
        self._stream, self._first = stream, dialled.received
        self._own = None if won.proxy is not None else dialled.own
        self._machine = RelayClientMachine(
            self._identity,
            dialled.pin,
            self._role,
            self._instance,
            self._program,
            self._candidates,
            self._loop.time(),
        )
        for number in self._links:
            self._machine.request_link(number)
        self._arm()

    async def _contend(self, contest: Contest) -> Won:
        """Run a contest for as long as this connection is wanted."""
        try:
            async with asyncio.timeout(None) as self._contending:
                return await contest.run()
        except TimeoutError:
            # Nobody sets a time for this but ``_lose``.
            raise self.closed.result() from None
        finally:
            self._contending = None

    def _begin(self) -> None:
        """Answer the relay's first bytes, with all that was asked meanwhile directly behind."""
        stream, first = self._stream, self._first
        assert stream is not None
        stream.hand_over(self)
        if stream.is_over:
            self.stream_lost(None)
            return
        self.stream_data(first)
        stream.resume()

    def _late(self, deadline: float) -> RelayError:
        failed = self._contest.failure() if self._contest is not None else None
        late = f"the relay {self.url.address} did not answer within {deadline:g} s"
        if failed is None:
            return RelayError(late, "check the network and the relay's URL")
        return RelayError(f"{late}; {failed.message}", failed.hint)

    def give_up(self) -> None:
        """Nobody waits any more: a connection whose welcome has not come by now must not be waited for again."""
        if not self._welcome.done():
            self._lose(RelayError("the connection to the relay was given up"))

    def _leave(self) -> None:
        """Nobody waits for a link any more; whoever answers stays connected without one."""
        if self._role is Role.ASKS:
            self.give_up()

    def _ask(self) -> tuple[int, asyncio.Future[bytes]]:
        number = self._next_number
        self._next_number += 1
        waiting: asyncio.Future[bytes] = self._loop.create_future()
        if self.closed.done():
            waiting.set_exception(self.closed.result())
            return number, waiting
        self._links[number] = waiting
        if self._machine is not None:
            self._machine.request_link(number)
            self._pump()
        return number, waiting

    async def _finish_link(self, number: int, waiting: asyncio.Future[bytes], deadline: float) -> socket.socket:
        try:
            async with asyncio.timeout(deadline):
                ticket = await waiting
                assert self._legs is not None
                return await self._legs.open(ticket)
        except asyncio.CancelledError:
            self._leave()
            raise
        except TimeoutError:
            self._leave()
            raise DeadlinePassed(
                f"the relay {self.url.address} gave no link in time", "check the network; try again"
            ) from None
        except OSError as exc:
            raise RelayError(
                f"the relay {self.url.address} took no data connection: {reason_of(exc)}",
                "try again in a moment",
            ) from exc
        finally:
            self._links.pop(number, None)

    async def _answer(self, offer: Offer) -> None:
        assert self._on_link is not None
        assert self._legs is not None
        try:
            async with asyncio.timeout(_LEG_SECONDS):
                sock = await self._legs.answer(offer.ticket)
        except (OSError, TimeoutError, RelayError) as exc:
            # The asker notices by its own deadline; there is nobody else to tell.
            _log.debug("a link offered by the relay could not be taken: %s", type(exc).__name__)
            return
        finally:
            self._answering -= 1
        if sock is not None:
            self._on_link(sock, offer.instance, self._legs.ways.current(self._loop.time()))

    def _pump(self) -> None:
        machine, stream = self._machine, self._stream
        if machine is None or stream is None:
            return
        events = machine.events()
        stream.write(machine.data_to_send())
        for event in events:
            if isinstance(event, Ended):
                self._lose(self._end_reason(event))
            elif isinstance(event, Welcome):
                self._note_peer(event)
                if event.seen and self._own is not None:
                    self.view = View(place_of(*self._own), parse_place(event.seen))
                if not self._welcome.done():
                    self._welcome.set_result(event)
            elif isinstance(event, PeerChanged):
                self._note_peer(event)
                if self._on_peer is not None:
                    self._on_peer()
            elif isinstance(event, Offer):
                if self._on_link is not None and len(self._tasks) < _ANSWERING_MAX:
                    self._answering += 1
                    self._tasks.start(self._answer(event), "relay leg")
            else:
                self._settle_link(event)

    def _settle_link(self, event: Ticket | NoAnswerer | LinkRefused) -> None:
        waiting = self._links.get(event.number)
        if waiting is None or waiting.done():
            return
        if isinstance(event, Ticket):
            waiting.set_result(event.ticket)
        elif isinstance(event, NoAnswerer):
            self.last_seen = event.last_seen or self.last_seen
            waiting.set_exception(peer_absent(self.last_seen))
        else:
            reason = displayable(event.sentence)
            waiting.set_exception(
                RelayError(f"the relay {self.url.address} refuses a link: {reason}", "try again in a moment")
            )

    def _note_peer(self, event: Welcome | PeerChanged) -> None:
        self.peer_present = event.present
        self.peer_candidates = event.candidates
        self.last_seen = event.last_seen or self.last_seen

    def _end_reason(self, event: Ended) -> RelayError:
        says = displayable(event.sentence)
        if not self._welcome.done() and event.code != Code.SILENT:
            return RelayRefusedError(self.url, event.code, f"the relay {self.url.address} refuses: {says}")
        return RelayRefusedError(self.url, event.code, f"the relay {self.url.address} ended the connection: {says}")

    def _arm(self) -> None:
        if self._machine is not None and (due := self._machine.next_deadline) is not None:
            self._timer = self._loop.call_at(due, self._due)

    def _due(self) -> None:
        assert self._machine is not None
        self._machine.handle_timer(self._loop.time())
        self._pump()
        if not self.closed.done():
            self._arm()

    def _lose(self, failure: GimmalError) -> None:
        if self.closed.done():
            return
        self.closed.set_result(failure)
        self.peer_present = False
        if self._contending is not None:
            # A way that hangs would hold up the next try for as long as this one was given.
            self._contending.reschedule(self._loop.time())
        if self._timer is not None:
            self._timer.cancel()
        waiters: list[asyncio.Future[Any]] = [self._welcome, *self._links.values()]
        for waiting in waiters:
            if not waiting.done():
                waiting.set_exception(failure)
                # Whoever waits gets it; nobody has to.
                waiting.exception()
        if self._stream is not None:
            # What was written is on its way already; nothing that still comes is of interest.
            self._stream.abort()


class RelayRefusedError(RelayError):
    """The relay said no, or ended the connection.

    Args:
        url: of the relay.
        code: of docs/spec/relay.md, section 10; may be one of a later version.
        message: displayable.
    """

    def __init__(self, url: RelayUrl, code: str, message: str) -> None:
        super().__init__(message, _HINTS.get(code, "try again in a moment"), hopeless=code in _HOPELESS)
        self.url = url
        self.code = code


_HOPELESS = frozenset((Code.DISABLED, Code.NOT_ADMITTED, Code.PROOF, Code.VERSION))

_HINTS: dict[str, str] = {
    Code.VERSION: "update gimmal on the older side",
    Code.PROOF: "the half may be damaged, or of an older joining: join the two again",
    Code.DISABLED: "join this half with another to make a new pair",
    Code.NOT_ADMITTED: "ask the relay's operator, or join again with another --relay",
    Code.ANSWERER_PRESENT: "end it on the other computer that serves this half; if there is none, "
    "somebody has a copy of it: join the pair again",
    Code.TOO_MANY_ASKERS: "let some of the running commands end first",
}


def peer_absent(last_seen: int) -> PeerAbsent:
    """The error for a peer that is not connected.

    Args:
        last_seen: second since 1970; 0 if unknown.
    """
    when = f"last seen {clock_text(last_seen, time.time())}" if last_seen else "never seen by this relay"
    absent = PeerAbsent(
        f"the other side is not connected ({when})",
        "plug in the other half where gimmal runs; if the pair was joined again, this half is dead",
    )
    absent.last_seen = last_seen
    return absent
