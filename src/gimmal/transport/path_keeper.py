"""Keeps a session on the best path there is (docs/spec/paths.md, section 4).

Begins on whatever answered first, dials further links over better paths, and lets go those that are worse. What is
asked goes over the new links from then on; what was asked before is answered where it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import Protocol

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.transport.link import Link, PathKind
from gimmal.transport.path_policy import LinkView, PathPolicy
from gimmal.transport.session import FORGOTTEN_TRIES, Session, SessionLost

logger = logging.getLogger("gimmal.transport")

TELL_SECONDS = 2.0
"""How long a move waits to be told for the round trip of the new path."""

TELL_AFTER_SECONDS = 0.5
"""How long a session must have moved before that is told: a link may fall silent for a moment."""

TELL_LOOK_SECONDS = 0.1


class PathDialler(Protocol):
    """What dials further links of a session: dial.Dialler."""

    @property
    def dialable(self) -> frozenset[PathKind]:
        """The paths it knows how to dial."""

    async def probe(self, session: Session, paths: frozenset[PathKind] | None) -> Link:
        """A further link over one of ``paths``, or over any; not attached.

        Raises:
            SessionLost: where any path might be taken, and the other side does not know the session any more.
            GimmalError: there is none.
        """

    def check_relays(self) -> None:
        """See at once whether each relay still answers."""


MoveTold = Callable[[PathKind, float | None, PathKind], None]
"""Told of a move: the path now, its round trip in seconds where known, the path before."""


class PathKeeper:
    """Moves one session to better paths for as long as it lives.

    Args:
        session: that this side can dial links of.
        dialler: dials them.
        on_moved: told of each move, where given.
    """

    def __init__(self, session: Session, dialler: PathDialler, on_moved: MoveTold | None = None) -> None:
        self._session = session
        self._dialler = dialler
        self._on_moved = on_moved
        self._loop = asyncio.get_running_loop()
        self._policy = PathPolicy(dialler.dialable, random.random, self._loop.time())
        self._tasks = Tasks()
        self._stirred = asyncio.Event()
        self._probing = self._rescuing = False
        self._forgotten = 0
        """How often in a row the other side met the session with silence."""
        self._untold: tuple[PathKind, float] | None = None
        """The path before a move that is not told yet, and when the session moved."""
        self._told: PathKind | None = None
        self.path: PathKind | None = None
        """Of what is asked now; None before the first link."""
        self.since = time.time()
        """Second since 1970 since when it is."""
        session.watcher = self
        session.ended.add_done_callback(self._on_session_ended)
        self._tasks.start(self._keep(), "keep the best path")

    def on_links(self) -> None:
        """See session.LinkWatcher."""
        self._stirred.set()

    def on_link_lost(self, link: Link) -> None:
        """See session.LinkWatcher."""
        if not link.bulk:  # those are many, and come and go with what is copied
            now = self._loop.time()
            self._policy.lost(now, link.path, now - link.opened_at)
        self._stirred.set()

    def changed(self) -> None:
        """The network may have changed, or the other side has other addresses: look for better paths at once."""
        self._policy.changed(self._loop.time())
        self._stirred.set()

    def doubt(self) -> None:
        """As ``changed``, and each link and relay has to show that it still answers."""
        self._session.doubt()
        self._dialler.check_relays()
        self.changed()

    def _on_session_ended(self, _ended: asyncio.Future[None]) -> None:
        self._tasks.cancel()

    async def _keep(self) -> None:
        session = self._session
        while not session.over:
            self._stirred.clear()
            now = self._loop.time()
            self._note_path(now)
            links = list(session.links)
            used = now if any(link.outstanding for link in links) else session.used_at
            views = [_view(link) for link in links]
            plan = self._policy.look(now, views, used, probing=self._probing, rescuing=self._rescuing)
            for place in plan.retire:
                links[place].retiring = True
            session.bulk.leave_retired()
            if plan.probe:
                self._probing = True
                self._tasks.start(self._probe(plan.probe), "dial a better path")
            if plan.rescue:
                self._rescuing = True
                self._dialler.check_relays()
                self._tasks.start(self._rescue(), "dial any path")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_LOOK_SECONDS if self._untold is not None else plan.wait):
                    await self._stirred.wait()

    async def _probe(self, paths: frozenset[PathKind]) -> None:
        try:
            await self._dial(paths)
        finally:
            self._probing = False
            self._policy.probed(self._loop.time())
            self._stirred.set()

    async def _rescue(self) -> None:
        try:
            await self._dial(None)
        finally:
            self._rescuing = False
            self._stirred.set()

    async def _dial(self, paths: frozenset[PathKind] | None) -> None:
        try:
            link = await self._dialler.probe(self._session, paths)
            try:
                self._session.attach(link)
            except GimmalError:
                link.leave()
                raise
            self._session.ping(link)
            self._forgotten = 0
        except SessionLost as exc:
            self._forgotten += 1
            if self._forgotten >= FORGOTTEN_TRIES:
                self._session.fail(exc)
        except GimmalError as exc:
            self._forgotten = 0
            logger.debug("no other path: %s", exc)

    def _note_path(self, now: float) -> None:
        best = self._session.bulk.pick(bulk=False)
        if best is None:
            return
        if best.round_trip is None and not best.pings:
            self._session.ping(best)
        if best.path is not self.path:
            if self.path is not None:
                self._session.bulk.moved()
            self.path, self.since = best.path, time.time()
            if self._told is None:
                self._told = best.path
            self._untold = self._told, now
        if self._untold is None:
            return
        was, moved_at = self._untold
        if best.path is was:
            self._untold = None
        elif now - moved_at >= (TELL_AFTER_SECONDS if best.round_trip is not None else TELL_SECONDS):
            self._untold, self._told = None, best.path
            logger.debug("the session moved from %s to %s", was.value, best.path.value)
            if self._on_moved is not None:
                self._on_moved(best.path, best.round_trip, was)


def _view(link: Link) -> LinkView:
    return LinkView(link.path, link.bulk, link.dialler, link.suspect, link.retiring or link.over)
