"""What misbehaviour before the proof costs a source (docs/spec/relay.md, section 8). No I/O, no clock."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from gimmal.relay.limits import RelayLimits


@dataclass(slots=True)
class _Record:
    offences: float
    last: float
    until: float


class Penalties:
    """Which sources are shut out, and until when. Held in memory only."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def is_blocked(self, source: str, now: float) -> bool:
        """Whether new connections of `source` are closed at accept."""
        record = self._records.get(source)
        return record is not None and now < record.until

    def offend(self, source: str, seconds: float, now: float) -> None:
        """Note an offence.

        Args:
            source: who.
            seconds: what its kind costs the first time.
            now: monotonic seconds.
        """
        limits = self._limits
        record = self._records.pop(source, None) or _Record(0.0, now, 0.0)
        record.offences = record.offences * 0.5 ** ((now - record.last) / limits.offences_halved) + 1.0
        record.last = now
        beyond = record.offences - limits.free_offences
        if beyond > 0:
            # The exponent is bounded before the power is taken: an attacker chooses it.
            record.until = now + min(limits.penalty_max, seconds * 2.0 ** min(beyond - 1.0, 32.0))
        self._records[source] = record
        if len(self._records) > limits.sources_remembered:
            self._records.popitem(last=False)

    def forget(self, before: float) -> None:
        """Drop what happened before the monotonic second `before`."""
        while self._records:
            source, record = next(iter(self._records.items()))
            if record.last >= before:
                return
            del self._records[source]
