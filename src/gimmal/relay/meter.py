"""Adding up forwarded bytes per pair and UTC day until they are written (docs/spec/relay.md, section 9)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime


class Meter:
    """Bytes not yet in the ledger."""

    def __init__(self) -> None:
        self._amounts: Counter[tuple[bytes, date]] = Counter()

    def count(self, pair_id: bytes, amount: int, second: float) -> None:
        """Add bytes passed on at the wall-clock second `second`."""
        if amount:
            self._amounts[pair_id, datetime.fromtimestamp(second, UTC).date()] += amount

    def take(self) -> dict[tuple[bytes, date], int]:
        """What is to be written; the meter is empty afterwards."""
        amounts, self._amounts = self._amounts, Counter()
        return dict(amounts)

    def give_back(self, amounts: dict[tuple[bytes, date], int]) -> None:
        """Writing failed: keep them for the next time."""
        self._amounts.update(amounts)
