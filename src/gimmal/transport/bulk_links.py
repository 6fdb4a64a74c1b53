"""The links that carry a session's bulk: which one, and how many (docs/decisions/0053-growing-links.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.limits import BLOCK_SIZE, LINKS_MAX
from gimmal.transport.link import Link, PathKind
from gimmal.transport.link_growth import BULK_MAX, BULK_RELAYED_MAX, Advice, LinkGrowth, Sample, first_links
from gimmal.transport.path_policy import rank

logger = logging.getLogger("gimmal.transport")

BULK_AFTER = 3
BULK_AFTER_BYTES = 2 * BLOCK_SIZE
"""Exchanges of bulk, or bytes, after which a session without a link for it dials; over a relay the first is enough."""

BULK_AGAIN_SECONDS = 30.0
"""How long to wait after a link for bulk could not be had."""

ASIDES_MAX = 2
"""Few bytes that may be asked for beside questions at a time; copies ask for few bytes too, then for very many."""

LOOK_SECONDS = 0.1
QUIET_SECONDS = 2.0
"""Without bulk for so long, nothing is measured any more."""

UNUSED_SECONDS = 60.0
"""Without bulk for so long, all links for it but one are let go."""

ROUND_TRIP_SECONDS = 1.0
"""What the first links for bulk wait for the round trip to be known."""


class BulkLinks:
    """Dials links for bulk while they help and lets go those that do not.

    Args:
        links: of the session, always as they are.
        tasks: of the session.
        add_link: dials and attaches a link for bulk; raises GimmalError.
        ping: makes a link measure its round trip.
        is_unanswered: whether something that was asked on a link waits for its answer.
    """

    def __init__(
        self,
        links: list[Link],
        tasks: Tasks,
        add_link: Callable[[], Awaitable[Link]],
        ping: Callable[[Link], None],
        is_unanswered: Callable[[Link], bool],
    ) -> None:
        self._links = links
        self._tasks = tasks
        self._add_link: Callable[[], Awaitable[Link]] | None = add_link
        self._ping = ping
        self._is_unanswered = is_unanswered
        self._growth = LinkGrowth()
        self._exchanges = 0
        self._wanted_bytes = 0
        self._not_before = 0.0
        self._watching = False
        self._dialling = 0
        self._moved_by_gone = 0
        self._last_wanted = 0.0
        self._round_trip: float | None = None
        self._pinged = False
        self._ponged = asyncio.Event()
        self._asides = 0

    @property
    def count(self) -> int:
        """Links that carry bulk and nothing else."""
        return len(self._serving())

    @property
    def rate(self) -> float | None:
        """Bytes a second of all links when last measured; None before."""
        return self._growth.rate

    def pick(self, *, bulk: bool) -> Link | None:
        """The link for the next request: on the best path, of its kind where there is one, with fewest bytes asked."""
        best = self._best()
        preferred = [link for link in best if link.bulk is bulk] or best
        return min(preferred, key=_load, default=None)

    @contextlib.contextmanager
    def aside(self) -> Iterator[bool]:
        """Whether few bytes are to be asked for beside questions, and not behind bulk; the place is held meanwhile."""
        may = self.count > 0 and self._asides < ASIDES_MAX
        self._asides += may
        try:
            yield may
        finally:
            self._asides -= may

    def wanted(self, now: float, size: int) -> None:
        """Bulk is asked for: see that there are links for it.

        Args:
            now: the event loop's time.
            size: bytes.
        """
        self._last_wanted = now
        self._exchanges += 1
        self._wanted_bytes += size
        if self._watching or self._dialling or self._add_link is None:
            return
        self.measure()
        enough = (
            self._exchanges >= BULK_AFTER or self._wanted_bytes >= BULK_AFTER_BYTES or self._is_relayed(self._best())
        )
        if not self._serving() and (now < self._not_before or not enough):
            return
        self._watching = True
        self._tasks.start(self._watch(), "links for bulk")

    def moved(self) -> None:
        """The session has another best path: what was measured on the one before says nothing of it."""
        self._round_trip, self._pinged = None, False
        self._ponged.clear()
        self._not_before = 0.0
        self.measure()

    def measure(self) -> None:
        """Learn the round trip, best before bulk is under way: then it shows how busy this process is."""
        link = self.pick(bulk=False)
        if self._round_trip is None and not self._pinged and link is not None:
            self._pinged = True
            self._ping(link)

    def ponged(self, round_trip: float) -> None:
        """A link has measured its round trip."""
        self._round_trip = min(self._round_trip or round_trip, round_trip)
        self._pinged = False
        self._ponged.set()

    def gone(self, link: Link) -> None:
        """A link is over."""
        self._moved_by_gone += link.bytes_sent + link.bytes_received
        if not link.bulk:
            self._round_trip, self._pinged = None, False  # the next one may travel another way

    def end(self) -> None:
        """The session is over; nothing here leads to it any more."""
        self._add_link, self._ping, self._is_unanswered = None, _nothing, _never

    def _serving(self) -> list[Link]:
        return [link for link in self._links if link.bulk and not link.over and not link.retiring]

    def _most(self) -> int:
        serving = self._serving()
        most = BULK_RELAYED_MAX if self._is_relayed(serving or self._best()) else BULK_MAX
        return min(most, LINKS_MAX - len(self._links) + len(serving))

    def _best(self) -> list[Link]:
        """The links on the best path that is trusted; all there are where none is."""
        usable = [link for link in self._links if not link.over]
        kept = [link for link in usable if not link.retiring] or usable
        trusted = [link for link in kept if not link.suspect] or kept
        best = min((rank(link.path) for link in trusted), default=0)
        return [link for link in trusted if rank(link.path) == best]

    def _is_relayed(self, links: list[Link]) -> bool:
        return any(link.path is PathKind.RELAYED for link in links)

    # Watching --------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_TRIP_SECONDS):
                    if self._round_trip is None:
                        await self._ponged.wait()
            if not self._serving():
                await self._dial(first_links(self._round_trip, self._most(), relayed=self._is_relayed(self._best())))
            looked, used = loop.time(), time.thread_time()
            quiet = False
            while self._serving() and loop.time() - self._last_wanted < UNUSED_SECONDS:
                await asyncio.sleep(LOOK_SECONDS)
                now, using = loop.time(), time.thread_time()
                busy = (using - used) / max(now - looked, LOOK_SECONDS / 2)
                looked, used = now, using
                self.leave_retired()
                if self._asked():
                    self._last_wanted, quiet = now, False
                    self._follow(self._growth.look(now, self._sample(busy)))
                elif not quiet and now - self._last_wanted > QUIET_SECONDS:
                    self._growth.paused()
                    quiet = True
            self._retire(len(self._serving()) - 1)
            self.leave_retired()
        finally:
            self._watching = False

    def _asked(self) -> int:
        return sum(link.outstanding for link in self._links if link.bulk)

    def _sample(self, busy: float) -> Sample:
        serving = self._serving()
        return Sample(
            links=len(serving),
            dialling=self._dialling,
            most=self._most(),
            moved=self._moved_by_gone + sum(link.bytes_sent + link.bytes_received for link in self._links),
            asked=self._asked(),
            idle=sum(link.outstanding == 0 for link in serving),
            round_trip=self._round_trip,
            busy=busy,
            relayed=self._is_relayed(serving),
        )

    def _follow(self, advice: Advice) -> None:
        if advice.add:
            self._dialling += advice.add
            for _ in range(advice.add):
                self._tasks.start(self._dial_one(), "dial for bulk")
        elif advice.drop:
            self._retire(advice.drop)
        if advice.add or advice.drop:
            logger.debug("links for bulk: %d, %+d", self.count, advice.add - advice.drop)

    async def _dial(self, count: int) -> None:
        self._dialling += count
        # One that is slow to come holds up no other.
        dials = [self._tasks.start(self._dial_one(), "dial for bulk") for _ in range(count)]
        if dials:
            await asyncio.wait(dials, return_when=asyncio.FIRST_COMPLETED)

    async def _dial_one(self) -> None:
        try:
            if self._add_link is not None:
                # Before bulk is under way on it, for it may be quicker than the link that was asked before.
                self._ping(await self._add_link())
        except GimmalError as exc:
            self._not_before = asyncio.get_running_loop().time() + BULK_AGAIN_SECONDS
            logger.debug("no link for bulk: %s", exc)
        finally:
            self._dialling -= 1

    def _retire(self, count: int) -> None:
        """Ask nothing more of the links dialled last; only the side that dialled a link lets it go."""
        for link in [link for link in reversed(self._serving()) if link.dialler][: max(count, 0)]:
            link.retiring = True

    def leave_retired(self) -> None:
        """Let go each link that is to be let go and on which nothing waits for an answer."""
        for link in list(self._links):
            if link.retiring and not self._is_unanswered(link):
                link.leave()


def _load(link: Link) -> tuple[int, int, int, float]:
    return link.asked_bytes, link.outstanding, link.queued, link.round_trip or 0.0


def _nothing(_link: Link) -> None:
    """For a session that is over."""


def _never(_link: Link) -> bool:
    """For a session that is over."""
    return False
