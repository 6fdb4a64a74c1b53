"""Watches the links of a session for silence, and acts on it (docs/spec/paths.md, section 5)."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection

from gimmal.base.errors import Interrupted
from gimmal.base.tcp_info import TcpInfo
from gimmal.protocol import limits
from gimmal.transport.link import Link, PathKind
from gimmal.transport.liveness import ASK_SECONDS, SUSPECT_SECONDS, Liveness, Sight, Verdict

WATCH_SECONDS = 0.25
"""Between two looks while something waits for the other side."""

LITTLE = 4096
"""Bytes between two looks that are no stream: some answers, and the signs of life themselves."""

ROUND_TRIP_MOST = 1.0
"""Of a link's round trip, so many seconds count: a busy line or process makes each measurement longer than it is."""


class LinkCare:
    """Asks links that fall silent for a sign of life, and gives up those that lead nowhere.

    Args:
        links: of the session, always as they are.
        paused: those of them that this side does not read.
        ping: makes a link send PING.
        doubted: told when links fell under suspicion, or are trusted again.
    """

    def __init__(
        self,
        links: Collection[Link],
        paused: Collection[Link],
        ping: Callable[[Link], None],
        doubted: Callable[[], None],
    ) -> None:
        self._links = links
        self._paused = paused
        self._ping = ping
        self._doubted = doubted
        self._liveness = Liveness()
        self._watches: weakref.WeakKeyDictionary[Link, _Watch] = weakref.WeakKeyDictionary()
        self.waits = False
        """Whether, at the last look, something waited for the other side."""

    def doubt(self, now: float) -> None:
        """The network may have changed: every link has to show that it still leads there.

        Args:
            now: the event loop's time.
        """
        for link in list(self._links):
            watch = self._watch(link)
            watch.waiting, watch.doubted = now, now
            self._ask(link, watch, now)
        self.waits = bool(self._links)

    def look(self, now: float, due: float) -> None:
        """Look at all links: quickly where something waits, slowly at the others.

        Args:
            now: the event loop's time.
            due: when this look was to be.
        """
        links = [link for link in self._links if not link.over]
        sights = [self._sight(link, now) for link in links]
        before = [link.suspect for link in links]
        for link, verdict in zip(links, self._liveness.look(now, due, sights), strict=True):
            link.suspect = verdict is Verdict.SUSPECT
            if verdict is Verdict.ASK or (link.suspect and self._watch(link).asked is None):
                self._ask(link, self._watch(link), now)
            elif verdict is Verdict.LOST:
                link.fail(Interrupted("the other side fell silent", "run the command again"))
        self.waits = any(sight.waiting is not None or sight.asked is not None for sight in sights)
        if [link.suspect for link in links] != before:
            self._doubted()

    def look_slowly(self, now: float) -> None:
        """What holds for links on which nothing waits, too; every few seconds."""
        for link in list(self._links):
            silent = now - link.last_received
            if silent > limits.SILENCE_SECONDS and link not in self._paused:
                link.fail(Interrupted("the other side fell silent", "run the command again"))
            elif link.renewal_stuck:
                link.fail(Interrupted("the other side does not renew the keys", "run the command again"))
            elif silent > limits.PING_SECONDS:
                self._ping(link)

    def is_silent(self, link: Link, now: float) -> bool:
        """Whether a link is suspect, or owes a sign of life for so long that it would be if anything waited on it.

        Args:
            link: of the session.
            now: the event loop's time.
        """
        asked = self._watch(link).asked
        if asked is not None and link.last_received > asked:
            asked = None  # the next look will take note of it, too
        return link.suspect or (asked is not None and now - asked >= SUSPECT_SECONDS)

    def end(self) -> None:
        """The session is over; nothing here leads to it any more."""
        self._ping, self._doubted = _nothing, _nothing

    def _sight(self, link: Link, now: float) -> Sight:
        watch = self._watch(link)
        heard = link.last_received
        if watch.asked is not None and heard > watch.asked:
            watch.asked = None
        if watch.doubted is not None and heard > watch.doubted:
            watch.doubted = None
        sends, watch.sent = link.bytes_sent - watch.sent > LITTLE, link.bytes_sent
        if link in self._paused or not (link.outstanding or link.queued or sends or watch.doubted is not None):
            watch.waiting = None
        elif watch.waiting is None:
            watch.waiting = now
        if watch.asked is None and (watch.waiting is None or now - max(heard, watch.waiting) < ASK_SECONDS):
            return Sight(heard, watch.waiting, pinged=link.pinged_at, proved=link.proved_at, path=link.path)
        line = link.line()
        return Sight(
            heard=heard,
            waiting=watch.waiting,
            asked=watch.asked,
            round_trip=_round_trip(link, line),
            in_flight=None if line is None else line.in_flight > 0,
            silent=None if line is None else line.silent,
            pinged=link.pinged_at,
            proved=link.proved_at,
            streaming=link.streams > 0,
            relayed=link.path is PathKind.RELAYED,
            path=link.path,
        )

    def _ask(self, link: Link, watch: _Watch, now: float) -> None:
        if watch.asked is None:
            watch.asked = now
        self._ping(link)

    def _watch(self, link: Link) -> _Watch:
        return self._watches.setdefault(link, _Watch(link.bytes_sent))


def _round_trip(link: Link, line: TcpInfo | None) -> float:
    if line is not None and line.round_trip is not None and link.path is not PathKind.RELAYED:
        return min(line.round_trip, ROUND_TRIP_MOST)
    return min(link.round_trip or 0.0, ROUND_TRIP_MOST)


def _nothing(*_: object) -> None:
    """For a session that is over."""


class _Watch:
    """What is remembered of one link between two looks.

    Attributes:
        sent: bytes of it at the last look.
        waiting: see Sight.
        asked: see Sight.
        doubted: since when it has to show that it lives; None where it need not.
    """

    __slots__ = ("asked", "doubted", "sent", "waiting")

    def __init__(self, sent: int) -> None:
        self.sent = sent
        self.waiting: float | None = None
        self.asked: float | None = None
        self.doubted: float | None = None
