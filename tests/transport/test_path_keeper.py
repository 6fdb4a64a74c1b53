"""A session moves to the best path by itself, and nothing that runs in it notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from gimmal.base.errors import PeerAbsent
from gimmal.protocol.messages import Answer, Done, MakeDirectories, Read, Stat
from gimmal.transport import path_keeper, path_policy
from gimmal.transport.exchange import Incoming
from gimmal.transport.link import Link, PathKind
from gimmal.transport.path_keeper import PathKeeper
from gimmal.transport.path_policy import rank
from gimmal.transport.session import Session
from tests.patience import within
from tests.transport.helpers import run, socket_pair, tcp_pair, until
from tests.transport.sessions import CONTENT, Notes, Pair, cut, read, serve_read

DIRECT, RELAYED = PathKind.DIRECT, PathKind.RELAYED


class Lines:
    """Wires whose connections pass a middle that can drop everything, without a word to either end."""

    def __init__(self) -> None:
        self.passes: list[asyncio.Event] = []
        """Of each connection, in order: cleared, nothing passes."""
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: list[socket.socket] = []

    def __call__(self) -> tuple[socket.socket, socket.socket]:
        (near, one), (two, far) = socket_pair(), socket_pair()
        self._ends += one, two
        passes = asyncio.Event()
        passes.set()
        self.passes.append(passes)
        for source, sink in ((one, two), (two, one)):
            self._tasks.append(asyncio.create_task(_pump(passes, source, sink)))
        return near, far

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            end.close()


async def _pump(passes: asyncio.Event, source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(source, 1 << 16):
            await passes.wait()
            await loop.sock_sendall(sink, data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Ways:
    """A dialler for one side of a pair; see path_keeper.PathDialler."""

    pair: Pair
    lines: Lines | None
    works: set[PathKind] = field(default_factory=lambda: {RELAYED})
    dialable: frozenset[PathKind] = frozenset((DIRECT, RELAYED))
    asked: list[frozenset[PathKind] | None] = field(default_factory=list)
    checks: int = 0
    moves: list[tuple[PathKind, PathKind]] = field(default_factory=list)

    async def probe(self, session: Session, paths: frozenset[PathKind] | None) -> Link:
        assert session is self.pair.a
        self.asked.append(paths)
        await asyncio.sleep(0)
        path = min(self.works & (paths or self.works), key=rank, default=None)
        if path is None:
            raise PeerAbsent("there is no such path")
        return self.link(path)

    def link(self, path: PathKind, *, bulk: bool = False, attach: bool = False) -> Link:
        left, right = self.pair.unattached(bulk=bulk)
        left.path = right.path = path
        if attach:
            self.pair.a.attach(left)
        return left

    def drop(self, link: Link, *, drop: bool = True) -> None:
        """From now on all that travels on a link is lost, or arrives again."""
        assert self.lines is not None
        passes = self.lines.passes[link.number]
        (passes.clear if drop else passes.set)()

    def check_relays(self) -> None:
        self.checks += 1

    def keep(self) -> PathKeeper:
        def moved(path: PathKind, _round_trip: float | None, before: PathKind) -> None:
            self.moves.append((before, path))

        return PathKeeper(self.pair.a, self, moved)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_policy, "PROBE_FIRST_SECONDS", 0.02)
    monkeypatch.setattr(path_policy, "PROBE_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(path_policy, "PROBE_LEAST_SECONDS", 0.02)
    monkeypatch.setattr(path_policy, "LEAVING_SECONDS", 0.01)
    monkeypatch.setattr(path_keeper, "TELL_AFTER_SECONDS", 0.0)


def scenario(work: Callable[[Pair, Ways, list[int]], Awaitable[None]], *, holes: bool = False) -> None:
    """A session that began over a relay, with a copy's links; reads are served, and counted.

    Args:
        work: the test.
        holes: what travels on a link can be dropped.
    """

    async def main() -> None:
        tries: list[int] = []

        async def serve(incoming: Incoming) -> Answer | None:
            tries.append(incoming.number)
            await serve_read(incoming, pair.pools[1], piece=300_000)
            return None

        lines = Lines() if holes else None
        pair = Pair(None, Notes({Read: serve}), wires=lines or tcp_pair)
        ways = Ways(pair, lines)
        ways.link(RELAYED, attach=True)
        await work(pair, ways, tries)
        await pair.close()
        if lines is not None:
            await lines.close()

    run(main())


async def copy(pair: Pair, count: int, at_once: int = 4) -> None:
    """Read so many ranges, a few at a time, as a copy does."""
    turns = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with turns:
            assert await read(pair.a) == CONTENT

    await asyncio.gather(*(one() for _ in range(count)))


def test_a_copy_moves_to_a_better_path_and_nothing_is_sent_twice() -> None:
    async def work(pair: Pair, ways: Ways, tries: list[int]) -> None:
        for _ in range(3):
            ways.link(RELAYED, bulk=True, attach=True)
        relayed = list(pair.a.links)
        keeper = ways.keep()
        copying = asyncio.create_task(copy(pair, 60))
        await until(lambda: len(tries) >= 12)
        assert keeper.path is RELAYED
        ways.works.add(DIRECT)
        await copying
        await until(lambda: [link.path for link in pair.a.links] == [RELAYED, DIRECT])
        assert len(tries) == 60
        assert relayed[0] in pair.a.links  # in reserve
        assert all(link.over for link in relayed[1:])
        (direct,) = [link for link in pair.a.links if link.path is DIRECT]
        before = relayed[0].bytes_received, direct.bytes_received
        await copy(pair, 3)
        assert relayed[0].bytes_received - before[0] < 1000
        assert direct.bytes_received - before[1] > 3 * len(CONTENT)
        assert keeper.path is DIRECT
        await until(lambda: ways.moves == [(RELAYED, DIRECT)])

    scenario(work)


def test_changes_are_done_once_while_the_session_moves() -> None:
    async def work(pair: Pair, ways: Ways, _tries: list[int]) -> None:
        assert isinstance(pair.b.handler, Notes)
        ways.keep()
        ways.works.add(DIRECT)
        names = [str(number) for number in range(200)]
        for name in names:
            assert await pair.a.call(MakeDirectories([name])) == Done()
            await asyncio.sleep(0.001)
        assert [request.paths[0] for request in pair.b.handler.done] == names  # type: ignore[attr-defined]
        assert DIRECT in {link.path for link in pair.a.links}

    scenario(work)


def test_a_path_without_an_end_is_left_within_seconds_and_the_copy_goes_on_over_the_reserve() -> None:
    async def work(pair: Pair, ways: Ways, tries: list[int]) -> None:
        keeper = ways.keep()
        ways.works.add(DIRECT)
        await until(lambda: keeper.path is DIRECT)
        copying = asyncio.create_task(copy(pair, 400))
        await until(lambda: len(tries) > 10)
        ways.works.discard(DIRECT)
        (direct,) = [link for link in pair.a.links if link.path is DIRECT]
        ways.drop(direct)
        begun, served = asyncio.get_running_loop().time(), len(tries)
        await until(lambda: len(tries) > served + 8)
        assert within(asyncio.get_running_loop().time() - begun, 3, "a path without an end: a copy goes on")
        await copying
        assert direct.over
        await until(lambda: keeper.path is RELAYED)
        await until(lambda: ways.moves[-1] == (DIRECT, RELAYED))

    scenario(work, holes=True)


def test_where_the_only_link_is_silent_another_is_dialled_and_the_first_kept_until_that_answers() -> None:
    async def work(pair: Pair, ways: Ways, _tries: list[int]) -> None:
        ways.works.clear()
        keeper = ways.keep()
        (only,) = pair.a.links
        ways.drop(only)
        asking = asyncio.create_task(pair.a.call(Stat("a"), deadline=None))
        await until(lambda: None in ways.asked)
        assert ways.checks
        assert only.suspect and not only.over
        ways.works.add(RELAYED)
        assert await asking == Done()
        await until(lambda: only.over)
        assert keeper.path is RELAYED
        assert ways.moves == []

    scenario(work, holes=True)


def test_a_silent_link_that_answers_in_the_end_is_kept_and_trusted_again() -> None:
    async def work(pair: Pair, ways: Ways, _tries: list[int]) -> None:
        ways.works.clear()
        ways.keep()
        (only,) = pair.a.links
        ways.drop(only)
        asking = asyncio.create_task(pair.a.call(Stat("a"), deadline=None))
        await until(lambda: only.suspect)
        ways.drop(only, drop=False)
        assert await asking == Done()
        await until(lambda: not only.suspect)
        assert pair.a.links == [only]

    scenario(work, holes=True)


def test_a_doubted_session_asks_all_its_links_at_once() -> None:
    async def work(pair: Pair, ways: Ways, _tries: list[int]) -> None:
        keeper = ways.keep()
        (link,) = pair.a.links
        pair.a.bulk.measure()
        await until(lambda: link.round_trip is not None)
        before = link.pings
        keeper.doubt()
        assert link.pings == before + 1
        assert ways.checks == 1
        await until(lambda: not link.suspect and len(ways.asked) > 0)

    scenario(work)


def test_a_path_that_is_cut_is_moved_from_and_found_again() -> None:
    async def work(pair: Pair, ways: Ways, _tries: list[int]) -> None:
        keeper = ways.keep()
        ways.works.add(DIRECT)
        await until(lambda: keeper.path is DIRECT)
        (direct,) = [link for link in pair.a.links if link.path is DIRECT]
        direct.opened_at -= path_policy.YOUNG_SECONDS
        cut(direct)
        await copy(pair, 2)
        await until(lambda: keeper.path is DIRECT and len(pair.a.links) == 2)

    scenario(work)


def test_a_session_that_ends_takes_its_keeper_along() -> None:
    async def work(pair: Pair, ways: Ways, _tries: list[int]) -> None:
        ways.keep()
        pair.a.fail(PeerAbsent("the test ends it"))
        assert pair.a.watcher is None

    scenario(work)
