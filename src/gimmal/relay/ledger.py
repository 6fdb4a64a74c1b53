"""What relay and portal share: which pairs are admitted or disabled, and bytes per pair and UTC day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from gimmal.base.side import Side


@dataclass(frozen=True, slots=True)
class PairKeys:
    """What a pair shows at admission; they hash to its id, so that its code alone finds it."""

    pair_id: bytes
    lock: bytes = field(repr=False)
    sign_a: bytes = field(repr=False)
    sign_b: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Admission:
    """The ledger's word on a pair.

    Args:
        admitted: this relay serves it.
        disabled: its code was shown.
        last_seen: second at which each side's answerer was last connected, where known.
    """

    admitted: bool
    disabled: bool
    last_seen: dict[Side, int]


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes forwarded for a pair on a UTC day."""

    pair_id: bytes
    day: date
    bytes: int


class Ledger(Protocol):
    """One thread calls it at a time, never the event loop. All raise LocalError when the store fails."""

    def admit(self, keys: PairKeys, second: int) -> Admission:
        """Ask for a pair and remember it where it is served.

        Args:
            keys: already checked to hash to the pair id.
            second: wall-clock now.
        """

    def is_disabled(self, pair_id: bytes) -> bool:
        """Whether the pair's code was shown."""

    def add_bytes(self, amounts: Mapping[tuple[bytes, date], int]) -> None:
        """Add bytes by pair and UTC day; durable on return."""

    def saw(self, sightings: Iterable[tuple[bytes, Side, int]]) -> None:
        """Remember when answerers were connected last."""

    def usage(self, pair_id: bytes | None = None) -> list[Usage]:
        """Bytes by pair and day, of one pair or of all, oldest day first."""

    def close(self) -> None:
        """Let the store go."""
