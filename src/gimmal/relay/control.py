"""One control connection at the relay: TLS or WebSocket below, the machine in the middle, the reception above."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gimmal.base.primitives import random_bytes
from gimmal.base.side import Side
from gimmal.base.socket_stream import Stream
from gimmal.protocol.relay.control import Ended
from gimmal.protocol.relay.messages import (
    NONCE_SIZE,
    Candidates,
    Code,
    LinkRefused,
    NoAnswerer,
    Offer,
    PeerChanged,
    Prove,
    RequestLink,
    Role,
    Ticket,
)
from gimmal.protocol.relay.server import RelayServerMachine
from gimmal.relay.limits import RelayLimits


class ControlOwner(Protocol):
    """Who decides for control connections."""

    def proved(self, control: ControlConnection, proof: Prove) -> None:
        """A proof was verified; ``welcome`` or ``refuse`` is awaited."""

    def link_requested(self, control: ControlConnection, number: int) -> None:
        """The half wants a link."""

    def candidates_changed(self, control: ControlConnection, candidates: bytes) -> None:
        """The half left other candidates."""

    def control_lost(self, control: ControlConnection, bad_hello: bool) -> None:
        """The connection is over; called exactly once."""


class ControlConnection:
    """Feeds the machine, writes what it returns, hands out its events; decides nothing.

    Args:
        stream: ready; owned from here on.
        source: who.
        since: loop time of the accept.
        pin: of the relay's key.
        limits: numbers of the relay.
        owner: decides.
        seen: see ``Welcome``.
    """

    __slots__ = (
        "_bad_hello",
        "_limits",
        "_loop",
        "_machine",
        "_owner",
        "_pin",
        "_probes",
        "_seen",
        "_stream",
        "counted",
        "instance",
        "pair_id",
        "role",
        "seated",
        "side",
        "since",
        "source",
    )

    def __init__(
        self,
        stream: Stream,
        source: str,
        since: float,
        pin: bytes,
        limits: RelayLimits,
        owner: ControlOwner,
        seen: bytes = b"",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._limits = limits
        self._pin = pin
        self._seen = seen
        self._machine: RelayServerMachine | None = None
        self._probes: list[asyncio.Future[bool]] = []
        self._bad_hello = False
        self._stream = stream
        self.source = source
        self.since = since
        self.pair_id = b""
        self.side = Side.A
        self.role = Role.ASKS
        self.instance = b""
        self.counted = False
        """It counts among the controls of its source."""
        self.seated = False
        """It has a seat at the switchboard."""

    def start(self) -> None:
        """Challenge the half."""
        self._stream.hand_over(self)
        now = self._loop.time()
        deadline = self.since + self._limits.hello_seconds
        self._machine = RelayServerMachine(self._pin, random_bytes(NONCE_SIZE), deadline, self._limits.pace, now)
        self._pump()

    @property
    def is_over(self) -> bool:
        """Nothing more can be said to the half."""
        return self._stream.is_over or (self._machine is not None and self._machine.ended is not None)

    def welcome(self, present: bool, last_seen: int, candidates: bytes) -> None:
        """Grant the connection."""
        assert self._machine is not None
        self._machine.welcome(present, last_seen, candidates, self._loop.time(), self._seen)
        self._pump()

    def refuse(self, code: Code, sentence: str) -> None:
        """Deny the connection."""
        assert self._machine is not None
        self._machine.refuse(code, sentence)
        self._pump()

    def say(self, message: Ticket | Offer | NoAnswerer | LinkRefused | PeerChanged) -> None:
        """Tell the half something."""
        assert self._machine is not None
        self._machine.send(message)
        self._pump()

    def goodbye(self, code: Code, sentence: str) -> None:
        """End a granted connection with a reason."""
        assert self._machine is not None
        self._machine.goodbye(code, sentence)
        self._pump()

    def close(self) -> None:
        """End the connection at once without a word."""
        self._stream.abort()

    async def replies(self, deadline: float) -> bool:
        """Ping the half and wait for any byte.

        Args:
            deadline: seconds.
        """
        if self.is_over or self._machine is None:
            return False
        probe: asyncio.Future[bool] = self._loop.create_future()
        self._probes.append(probe)
        self._machine.ping()
        self._pump()
        try:
            async with asyncio.timeout(deadline):
                return await probe
        except TimeoutError:
            return False

    def handle_timer(self, now: float) -> None:
        """Let the machine do what is due at loop time `now`."""
        machine = self._machine
        if machine is None:
            return
        due = machine.next_deadline
        if due is not None and now >= due:
            machine.handle_timer(now)
            self._pump()

    def stream_ready(self) -> None:
        """See ``StreamOwner``; the stream is ready before it comes here."""

    def stream_data(self, data: bytes) -> None:
        """See ``StreamOwner``."""
        assert self._machine is not None
        self._machine.receive_data(data, self._loop.time())
        self._settle_probes(True)
        self._pump()

    def stream_lost(self, failure: Exception | None) -> None:
        """See ``StreamOwner``."""
        if self._machine is not None:
            self._bad_hello = self._machine.bad_hello
            self._machine.receive_eof()
        self._settle_probes(False)
        self._owner.control_lost(self, self._bad_hello)

    def _settle_probes(self, lives: bool) -> None:
        for probe in self._probes:
            if not probe.done():
                probe.set_result(lives)
        self._probes.clear()

    def _pump(self) -> None:
        machine = self._machine
        assert machine is not None
        for event in machine.events():
            if isinstance(event, Prove):
                self.pair_id, self.side = event.pair_id, event.side
                self.role, self.instance = event.role, event.instance
                self._owner.proved(self, event)
            elif isinstance(event, RequestLink):
                self._owner.link_requested(self, event.number)
            elif isinstance(event, Candidates):
                self._owner.candidates_changed(self, event.candidates)
            else:
                assert isinstance(event, Ended)
        self._stream.write(machine.data_to_send())
        if machine.ended is not None:
            self._stream.close()
