"""Who is connected: the answerer and the askers of each side of each pair (docs/spec/relay.md, section 5).

No I/O and no clock of its own; wall-clock seconds are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gimmal.base.side import Side
from gimmal.protocol.relay.messages import Role


class Seated(Protocol):
    """What the switchboard needs of a control connection."""

    @property
    def pair_id(self) -> bytes:
        """Whose connection it is."""

    @property
    def side(self) -> Side:
        """Which half."""

    @property
    def role(self) -> Role:
        """Answers or asks."""


SeatT = TypeVar("SeatT", bound=Seated)


@dataclass(frozen=True, slots=True)
class PeerView:
    """What one side is told of the other's answerer."""

    present: bool
    last_seen: int
    candidates: bytes = field(repr=False)


@dataclass(slots=True)
class _SideSeats:
    answerer: Seated | None = None
    askers: dict[Seated, None] = field(default_factory=dict)
    candidates: bytes = b""
    last_seen: int = 0


class Switchboard:
    """Seats of all pairs that have at least one control connection."""

    def __init__(self) -> None:
        self._pairs: dict[bytes, dict[Side, _SideSeats]] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def answerer(self, pair_id: bytes, side: Side) -> Seated | None:
        """The one that takes links for a side."""
        sides = self._pairs.get(pair_id)
        return sides[side].answerer if sides else None

    def askers(self, pair_id: bytes, side: Side) -> int:
        """How many commands of a side are connected."""
        sides = self._pairs.get(pair_id)
        return len(sides[side].askers) if sides else 0

    def controls(self, pair_id: bytes, side: Side) -> list[Seated]:
        """Every control of a side."""
        sides = self._pairs.get(pair_id)
        if not sides:
            return []
        seats = sides[side]
        return ([seats.answerer] if seats.answerer else []) + list(seats.askers)

    def view(self, pair_id: bytes, side: Side) -> PeerView:
        """What may be told of the answerer of `side`."""
        sides = self._pairs.get(pair_id)
        if not sides:
            return PeerView(False, 0, b"")
        seats = sides[side]
        return PeerView(seats.answerer is not None, seats.last_seen, seats.candidates)

    def join(self, control: Seated, candidates: bytes, known: dict[Side, int], second: int) -> None:
        """Seat a control; an answerer's seat must be free.

        Args:
            control: proved and admitted.
            candidates: its sealed candidates; kept for an answerer only.
            known: when each side's answerer was last seen, from the ledger.
            second: wall-clock now.
        """
        sides = self._pairs.get(control.pair_id)
        if sides is None:
            sides = self._pairs[control.pair_id] = {side: _SideSeats(last_seen=known.get(side, 0)) for side in Side}
        seats = sides[control.side]
        if control.role is Role.ANSWERS:
            assert seats.answerer is None
            seats.answerer = control
            seats.candidates = candidates
            seats.last_seen = second
        else:
            seats.askers[control] = None

    def set_candidates(self, control: Seated, candidates: bytes) -> bool:
        """Replace an answerer's candidates; False if nothing changed."""
        sides = self._pairs.get(control.pair_id)
        if sides is None or sides[control.side].answerer is not control:
            return False
        changed = sides[control.side].candidates != candidates
        sides[control.side].candidates = candidates
        return changed

    def leave(self, control: Seated, second: int) -> bool:
        """Unseat a control; True if it was the answerer of its side."""
        sides = self._pairs.get(control.pair_id)
        if sides is None:
            return False
        seats = sides[control.side]
        was_answerer = seats.answerer is control
        if was_answerer:
            seats.answerer = None
            seats.candidates = b""
            seats.last_seen = second
        else:
            seats.askers.pop(control, None)
        if not any(seats.answerer or seats.askers for seats in sides.values()):
            del self._pairs[control.pair_id]
        return was_answerer
