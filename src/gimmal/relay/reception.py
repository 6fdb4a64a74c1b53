"""What is granted to a proved half: its seat, links, news of the peer (docs/spec/relay.md, sections 4 and 5)."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import cast

from gimmal.base.errors import LocalError
from gimmal.base.primitives import random_bytes
from gimmal.base.side import Side
from gimmal.base.tasks import Tasks
from gimmal.protocol.relay.messages import (
    TICKET_SIZE,
    Code,
    LinkRefused,
    NoAnswerer,
    Offer,
    PeerChanged,
    Prove,
    Role,
    Ticket,
)
from gimmal.relay.control import ControlConnection
from gimmal.relay.ledger import Admission, PairKeys
from gimmal.relay.ledger_thread import LedgerThread
from gimmal.relay.limits import RelayLimits
from gimmal.relay.switchboard import Switchboard
from gimmal.relay.tickets import TicketOffice

_log = logging.getLogger("gimmal.relay")

_KNOWN_SECONDS = 30.0


class Reception:
    """Decides for all control connections; an owner of theirs.

    Args:
        limits: numbers of the relay.
        ledger: admits pairs.
        office: draws tickets.
        tasks: own what has to wait.
        now: monotonic seconds.
        clock: seconds since 1970.
        on_lost: a control is over; told last, with whether it had sent what no half sends.
        on_proved: a control has shown that it is a half.
    """

    def __init__(
        self,
        limits: RelayLimits,
        ledger: LedgerThread,
        office: TicketOffice[socket.socket],
        tasks: Tasks,
        now: Callable[[], float],
        clock: Callable[[], float],
        on_proved: Callable[[ControlConnection], None],
        on_lost: Callable[[ControlConnection, bool], None],
    ) -> None:
        self._limits = limits
        self._ledger = ledger
        self._office = office
        self._tasks = tasks
        self._now = now
        self._clock = clock
        self._on_proved = on_proved
        self._on_lost = on_lost
        self._by_source: Counter[str] = Counter()
        self._left: dict[str, float] = {}
        """Sources whose last half has left, and when; in that order."""
        self.board = Switchboard()
        self.seated: dict[ControlConnection, None] = {}
        self._sightings: dict[tuple[bytes, Side], int] = {}

    def proved(self, control: ControlConnection, proof: Prove) -> None:
        """See ``ControlOwner``."""
        self._on_proved(control)
        if self._by_source[control.source] >= self._limits.controls_per_source:
            control.refuse(Code.TOO_MANY_CONTROLS, "too many connections come from this address")
            return
        self._by_source[control.source] += 1
        control.counted = True
        self._tasks.start(self._admit(control, proof), "relay admission")

    def link_requested(self, control: ControlConnection, number: int) -> None:
        """See ``ControlOwner``."""
        other = control.side.other
        answerer = self.board.answerer(control.pair_id, other)
        if answerer is None:
            control.say(NoAnswerer(number, self.board.view(control.pair_id, other).last_seen))
            return
        asker_ticket, answerer_ticket = random_bytes(TICKET_SIZE), random_bytes(TICKET_SIZE)
        if not self._office.issue(control.pair_id, other, asker_ticket, answerer_ticket, self._now()):
            sentence = f"this pair has {self._limits.links_per_pair} links through the relay already"
            control.say(LinkRefused(number, Code.TOO_MANY_LINKS, sentence))
            return
        # The answerer first: its leg is the longer way round.
        cast(ControlConnection, answerer).say(Offer(answerer_ticket, control.instance))
        control.say(Ticket(number, asker_ticket))

    def candidates_changed(self, control: ControlConnection, candidates: bytes) -> None:
        """See ``ControlOwner``."""
        if self.board.set_candidates(control, candidates):
            self._tell_peer(control)

    def control_lost(self, control: ControlConnection, bad_hello: bool) -> None:
        """See ``ControlOwner``."""
        if control.counted:
            self._by_source[control.source] -= 1
            if not self._by_source[control.source]:
                del self._by_source[control.source]
                self._left.pop(control.source, None)
                self._left[control.source] = self._now()
        self._unseat(control)
        self._on_lost(control, bad_hello)

    def knows(self, source: str) -> bool:
        """Whether a half has proved itself from there, and is connected or was a moment ago."""
        return source in self._by_source or source in self._left

    def forget(self, now: float) -> None:
        """Drop the sources whose halves left longer than a moment ago."""
        while self._left:
            source, left = next(iter(self._left.items()))
            if now - left < _KNOWN_SECONDS and len(self._left) <= self._limits.sources_remembered:
                return
            del self._left[source]

    def take_sightings(self) -> list[tuple[bytes, Side, int]]:
        """When answerers were connected last, as far as the ledger was not told yet."""
        sightings, self._sightings = self._sightings, {}
        return [(pair_id, side, second) for (pair_id, side), second in sightings.items()]

    def farewell(self) -> None:
        """The relay stops: Goodbye to every control."""
        for control in list(self.seated):
            control.goodbye(Code.STOPPING, "the relay is stopping")

    async def _admit(self, control: ControlConnection, proof: Prove) -> None:
        keys = PairKeys(proof.pair_id, proof.lock, proof.sign_a, proof.sign_b)
        second = int(self._clock())
        try:
            admission = await self._ledger.call(lambda: self._ledger.ledger.admit(keys, second))
        except LocalError as exc:
            _log.error("admission failed: %s", exc.message)
            control.refuse(Code.FULL, "the relay has trouble with its disk")
            return
        refusal = await self._find_seat(control, admission)
        if control.is_over:
            return
        if refusal is not None:
            control.refuse(*refusal)
            return
        self._seat(control, proof.candidates, admission)

    async def _find_seat(self, control: ControlConnection, admission: Admission) -> tuple[Code, str] | None:
        if admission.disabled:
            return Code.DISABLED, "this pair was disabled with its code"
        if not admission.admitted:
            return Code.NOT_ADMITTED, "this relay does not serve this pair"
        if control.role is Role.ASKS:
            if self.board.askers(control.pair_id, control.side) >= self._limits.askers_per_side:
                return Code.TOO_MANY_ASKERS, "too many commands run on this half at the same time"
            return None
        while (seat := self.board.answerer(control.pair_id, control.side)) is not None:
            first = cast(ControlConnection, seat)
            if first.instance != control.instance and await first.replies(self._limits.probe_seconds):
                return Code.ANSWERER_PRESENT, "another program already answers for this half"
            if control.is_over:
                return None
            self._unseat(first)
            first.goodbye(Code.REPLACED, "the same half connected anew")
        return None

    def _seat(self, control: ControlConnection, candidates: bytes, admission: Admission) -> None:
        second = int(self._clock())
        # What was seen since the ledger was last written counts too.
        known = {
            side: max(admission.last_seen.get(side, 0), self._sightings.get((control.pair_id, side), 0))
            for side in Side
        }
        self.board.join(control, candidates, known, second)
        self.seated[control] = None
        control.seated = True
        view = self.board.view(control.pair_id, control.side.other)
        if control.role is Role.ANSWERS:
            self._sightings[control.pair_id, control.side] = second
            self._tell_peer(control)
        control.welcome(view.present, view.last_seen, view.candidates)

    def _unseat(self, control: ControlConnection) -> None:
        if not control.seated:
            return
        del self.seated[control]
        second = int(self._clock())
        was_answerer = self.board.leave(control, second)
        if was_answerer:
            self._sightings[control.pair_id, control.side] = second
            self._tell_peer(control)
            for leg in self._office.give_up(control.pair_id, control.side):
                leg.close()
        control.seated = False

    def _tell_peer(self, control: ControlConnection) -> None:
        view = self.board.view(control.pair_id, control.side)
        message = PeerChanged(view.present, view.last_seen, view.candidates)
        for seat in self.board.controls(control.pair_id, control.side.other):
            cast(ControlConnection, seat).say(message)
