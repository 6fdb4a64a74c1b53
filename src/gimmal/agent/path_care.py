"""Keeps the agent's session with the other side on the best path, and says how it travels."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gimmal.base.workers import Workers
from gimmal.transport.dial import Dialler
from gimmal.transport.link import PathKind
from gimmal.transport.network_watch import NetworkWatch
from gimmal.transport.path_keeper import MoveTold, PathKeeper
from gimmal.transport.path_policy import rank
from gimmal.transport.session import Session


@dataclass(frozen=True)
class PathStatus:
    """How a session travels.

    Attributes:
        path: of what is asked now; empty where there is no link.
        round_trip: seconds; None while not known.
        since: second since 1970 since when it is that path; 0 where there is no link.
        sent_rate, received_rate: bytes a second.
        links: how many links there are of each path.
        failures: of each better path, why it could not be had when it was tried last.
        way: of a relayed path: what it travels in to the relay (relay_ways.LegWay); empty where not known.
        silent: there are links, and the other side answers on none.
    """

    path: str = ""
    round_trip: float | None = None
    since: float = 0.0
    sent_rate: float = 0.0
    received_rate: float = 0.0
    links: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    way: str = ""
    silent: bool = False


class PathCare:
    """One for each agent.

    Args:
        workers: threads.
        on_moved: told of each move of a session.
        on_network: called when the network of this computer changed, or it woke.
    """

    def __init__(self, workers: Workers, on_moved: MoveTold, on_network: Callable[[], None]) -> None:
        self._on_moved = on_moved
        self._watch = NetworkWatch(workers, on_network)
        self._keepers: dict[Session, PathKeeper] = {}
        self._dialler: Dialler | None = None
        self._known: frozenset[bytes] = frozenset()

    def start(self, dialler: Dialler) -> None:
        """Begin; ``dialler`` dials all further links."""
        self._dialler = dialler
        self._watch.start()

    def close(self) -> None:
        """Watch the network no more; what keeps a session ends with it."""
        self._watch.close()

    def take(self, session: Session) -> None:
        """Keep a session on the best path from now on; one that is kept already stays so."""
        if self._dialler is None or session.dial is None or session in self._keepers:
            return
        self._keepers[session] = PathKeeper(session, self._dialler, self._on_moved)

        def forget(_ended: asyncio.Future[None]) -> None:
            self._keepers.pop(session, None)

        session.ended.add_done_callback(forget)

    def changed(self) -> None:
        """The network changed: look for better paths at once."""
        for keeper in list(self._keepers.values()):
            keeper.changed()

    def heard(self, candidates: list[bytes]) -> None:
        """What the other side left with each relay; where that is new, better paths are looked for at once."""
        left = frozenset(sealed for sealed in candidates if sealed)
        if left - self._known:
            self._known = left
            self.changed()

    def status(self, session: Session | None) -> PathStatus:
        """How a session travels; an empty status where there is none, or it has no link."""
        link = session.bulk.pick(bulk=False) if session is not None else None
        if session is None or link is None:
            return PathStatus()
        keeper = self._keepers.get(session)
        sent, received = session.rates
        round_trips = [one.round_trip for one in session.links if one.path is link.path and one.round_trip is not None]
        links: dict[str, int] = {}
        for one in session.links:
            links[one.path.value] = links.get(one.path.value, 0) + 1
        return PathStatus(
            link.path.value,
            min(round_trips, default=None),
            keeper.since if keeper is not None else time.time(),
            sent,
            received,
            links,
            self._better_failures(link.path),
            link.way,
            not session.leads_there,
        )

    def _better_failures(self, path: PathKind) -> dict[str, str]:
        failures = self._dialler.failures if self._dialler is not None else {}
        return {one.value: failures[one] for one in sorted(failures, key=rank) if rank(one) < rank(path)}
