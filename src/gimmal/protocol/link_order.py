"""Which record may come when on one link (docs/spec/protocol.md, section 2)."""

from __future__ import annotations

from enum import Enum

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.kinds import SKIPPABLE, RecordKind


class Phase(Enum):
    """Where one direction of a link stands."""

    HELLO = "the next record must be HELLO"
    JOIN = "the next record must be JOIN"
    OPEN = "any record but HELLO and JOIN"
    ENDED = "no record may follow"


_ENDING = (RecordKind.LEAVE, RecordKind.CLOSE)
_KNOWN = frozenset(RecordKind)


class LinkOrder:
    """One direction of a link.

    Args:
        from_dialler: whether the records of this direction come from the side that dialled the link.
    """

    def __init__(self, *, from_dialler: bool) -> None:
        self._from_dialler = from_dialler
        self.phase = Phase.HELLO

    def next(self, kind: int) -> RecordKind | None:
        """The type of the next record of this direction, or None where it is to be skipped.

        Raises:
            ProtocolViolation: this record may not come now, or is unknown and not skippable.
        """
        if kind not in _KNOWN:
            if self.phase is Phase.OPEN and kind & SKIPPABLE:
                return None
            raise ProtocolViolation(
                f"the other side sent a record of unknown type {kind}", "update gimmal on this computer"
            )
        known = RecordKind(kind)
        if self.phase is Phase.OPEN:
            if known is RecordKind.HELLO or known is RecordKind.JOIN:
                raise ProtocolViolation(f"the other side sent a second {known.name}")
            if known in _ENDING:
                self.phase = Phase.ENDED
            return known
        if self.phase is Phase.HELLO and known is RecordKind.HELLO:
            self.phase = Phase.JOIN if self._from_dialler else Phase.OPEN
        elif self.phase is Phase.JOIN and known is RecordKind.JOIN:
            self.phase = Phase.OPEN
        elif self.phase is not Phase.ENDED and known is RecordKind.CLOSE:
            self.phase = Phase.ENDED
        else:
            raise ProtocolViolation(f"the other side sent {known.name} where it may not come")
        return known
