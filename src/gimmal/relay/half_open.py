"""The connections that have not shown yet what they are. No I/O, no clock.

At a limit the oldest of the source that holds most is given up; a new one is never refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

ConnectionT = TypeVar("ConnectionT")


class HalfOpen(Generic[ConnectionT]):
    """A bounded set of connections by source, oldest first.

    Args:
        in_all: how many may wait.
        per_source: how many of one source.
    """

    def __init__(self, in_all: int, per_source: int) -> None:
        self._in_all = in_all
        self._per_source = per_source
        self._sources: dict[ConnectionT, str] = {}
        self._held: dict[str, dict[ConnectionT, None]] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[ConnectionT]:
        """Oldest first."""
        return iter(self._sources)

    def add(self, connection: ConnectionT, source: str) -> ConnectionT | None:
        """Take a connection in.

        Returns:
            The one to close in its place, already taken out, or None.
        """
        victim: ConnectionT | None = None
        held = self._held.get(source)
        if held is not None and len(held) >= self._per_source:
            victim = next(iter(held))
        elif len(self._sources) >= self._in_all:
            victim = next(iter(self._held[max(self._held, key=lambda name: len(self._held[name]))]))
        if victim is not None:
            self.remove(victim)
        self._sources[connection] = source
        self._held.setdefault(source, {})[connection] = None
        return victim

    def remove(self, connection: ConnectionT) -> bool:
        """Take a connection out; False if it was not in."""
        source = self._sources.pop(connection, None)
        if source is None:
            return False
        held = self._held[source]
        del held[connection]
        if not held:
            del self._held[source]
        return True
