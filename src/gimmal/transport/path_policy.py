"""Which paths of a session to look for, and which links to let go (docs/spec/paths.md, section 4).

No I/O, no clock and no randomness of its own: whoever owns the links says what there is, and is told what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gimmal.transport.link import PathKind

_RANKS = {path: rank for rank, path in enumerate((PathKind.LAN, PathKind.DIRECT, PathKind.PUNCHED, PathKind.RELAYED))}

PROBE_FIRST_SECONDS = 0.25
"""From a session's start to the first probe: most single questions are over by then, and the race has just tried."""

PROBE_AGAIN_SECONDS, PROBE_MOST_SECONDS = 2.0, 300.0
"""Between two probes that find nothing better; doubled each time."""

PROBE_CHANGED_SECONDS = 0.2
"""Of this, a part is drawn before the probe that follows a change of the network: the other side saw it, too."""

PROBE_LEAST_SECONDS = 1.0
"""Between two probes, whatever happens: a relay could tell of new addresses again and again."""

YOUNG_SECONDS = 30.0
"""A path that is lost before it was used for so long counts as one that does not hold."""

BAR_FIRST_SECONDS, BAR_MOST_SECONDS = 5.0, 600.0
"""For so long a path that does not hold is not looked for; doubled each time."""

RESERVE_SECONDS = 60.0
"""One worse link is kept for so long after the session was last used."""

RESCUE_SECONDS = 1.0
"""Between two tries to find any way while each link is suspect."""

LEAVING_SECONDS = 0.2
"""Between two looks at links that are let go once nothing on them is unanswered."""


def rank(path: PathKind) -> int:
    """How good a path is: 0 is the best."""
    return _RANKS.get(path, 0)


@dataclass(frozen=True)
class LinkView:
    """What counts of one link.

    Attributes:
        path: how it travels.
        bulk: it carries bulk and nothing else.
        mine: this side dialled it, and alone may let it go.
        suspect: it may lead nowhere.
        retiring: it is being let go.
    """

    path: PathKind
    bulk: bool = False
    mine: bool = True
    suspect: bool = False
    retiring: bool = False


@dataclass(frozen=True)
class Plan:
    """What to do now.

    Attributes:
        probe: paths to look for; empty for none.
        rescue: dial whatever answers.
        retire: which links to let go, by their places in what was shown.
        wait: seconds after which to look again, where nothing happens before.
    """

    probe: frozenset[PathKind]
    rescue: bool
    retire: tuple[int, ...]
    wait: float


def _is_spare(link: LinkView, best: int) -> bool:
    return rank(link.path) == best and link.mine and not (link.bulk or link.suspect or link.retiring)


class PathPolicy:
    """Looks for better paths, and settles on the best.

    Args:
        dialable: paths this side knows how to dial.
        draw: a number from 0 to 1, another one each time.
        now: seconds; this and all later times are of one clock.
    """

    def __init__(self, dialable: frozenset[PathKind], draw: Callable[[], float], now: float) -> None:
        self._dialable = dialable
        self._draw = draw
        self._pause = PROBE_AGAIN_SECONDS
        self._next_probe = now + PROBE_FIRST_SECONDS
        self._not_before = now
        self._next_rescue = 0.0
        self._strikes: dict[PathKind, int] = {}
        self._barred: dict[PathKind, float] = {}

    def look(
        self, now: float, links: Sequence[LinkView], used: float, *, probing: bool = False, rescuing: bool = False
    ) -> Plan:
        """What to do now.

        Args:
            now: the time, never less than before.
            links: of the session.
            used: when the session was last used.
            probing, rescuing: what was planned before is still being dialled.
        """
        trusted = [link for link in links if not link.suspect and not link.retiring]
        asked_on = any(not link.bulk for link in trusted)
        best = min((rank(link.path) for link in trusted), default=None)
        wait = PROBE_MOST_SECONDS
        probe: frozenset[PathKind] = frozenset()
        rescue = False
        if not asked_on:
            # Questions would wait behind bulk, or for nothing. Without any link the session dials by itself.
            rescue = bool(links) and not rescuing and now >= self._next_rescue
            if rescue:
                self._next_rescue = now + RESCUE_SECONDS * (0.75 + self._draw() / 2)
            wait = RESCUE_SECONDS
        if best is not None:
            # Where only links for bulk are left on the best path, one for questions is wanted there, too.
            lacking = not any(not link.bulk and rank(link.path) == best for link in trusted)
            better = frozenset(path for path in self._dialable if rank(path) < best + lacking)
            open_ones = frozenset(path for path in better if now >= self._barred.get(path, now))
            if open_ones and not probing and now >= self._next_probe:
                probe = open_ones
            if better and not probing:
                barred = min((self._barred.get(path, now) for path in better), default=now)
                wait = min(wait, max(self._next_probe, barred) - now)
        retire = self._retire(now, links, best, used)
        if retire or any(link.retiring for link in links):
            wait = min(wait, LEAVING_SECONDS)
        elif best is not None and any(rank(link.path) > best and link.mine for link in links):
            wait = min(wait, used + RESERVE_SECONDS - now)
        return Plan(probe, rescue, retire, max(wait, LEAVING_SECONDS))

    def _retire(self, now: float, links: Sequence[LinkView], best: int | None, used: float) -> tuple[int, ...]:
        if best is None:
            return ()
        worse = [
            index for index, link in enumerate(links) if rank(link.path) > best and link.mine and not link.retiring
        ]
        # Of those that a rescue left over, where the links before came to life again, one is enough.
        same = [index for index, link in enumerate(links) if _is_spare(link, best)]
        if now - used < RESERVE_SECONDS:
            reserves = [index for index in worse if not links[index].bulk and not links[index].suspect]
            reserve = min(reserves, key=lambda index: rank(links[index].path), default=None)
            worse = [index for index in worse if index != reserve]
        return tuple(sorted(worse + same[1:]))

    def probed(self, now: float) -> None:
        """A probe has ended, whatever it found; while something is better than what there is, another will follow."""
        self._not_before = now + PROBE_LEAST_SECONDS
        self._next_probe = now + self._pause * (0.75 + self._draw() / 2)
        self._pause = min(2 * self._pause, PROBE_MOST_SECONDS)

    def lost(self, now: float, path: PathKind, lasted: float) -> None:
        """A link was lost.

        Args:
            now: the time.
            path: of the link.
            lasted: seconds that it had been there for.
        """
        if lasted >= YOUNG_SECONDS:
            self._strikes.pop(path, None)
            self._soon(now)
            return
        if now < self._barred.get(path, now):
            return
        strikes = self._strikes[path] = self._strikes.get(path, 0) + 1
        pause = min(BAR_FIRST_SECONDS * 2.0 ** min(strikes - 1, 16), BAR_MOST_SECONDS)
        self._barred[path] = now + pause
        self._next_probe = min(self._next_probe, now + pause)

    def changed(self, now: float) -> None:
        """The network changed, this computer woke, or the other side has other addresses: look again at once."""
        self._strikes.clear()
        self._barred.clear()
        self._soon(now)

    def _soon(self, now: float) -> None:
        self._pause = PROBE_AGAIN_SECONDS
        soon = max(now + PROBE_CHANGED_SECONDS * self._draw(), self._not_before)
        self._next_probe = min(self._next_probe, soon)
