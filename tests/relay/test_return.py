"""A relay that goes and comes back under many sessions; and one that falls silent."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gimmal.base.errors import GimmalError, RelayError
from gimmal.base.primitives import random_bytes
from gimmal.base.tasks import Tasks
from gimmal.noise.channel import RecentHellos
from gimmal.protocol.messages import Done, MakeDirectories, Read, Stat
from gimmal.protocol.relay.proof import RelayIdentity
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport import relay_client
from gimmal.transport.buffers import BufferPool
from gimmal.transport.dial import Dialler, Ways
from gimmal.transport.link import PathKind
from gimmal.transport.opening import Identity, accept
from gimmal.transport.relay_keeper import RelayKeeper, RelayStatus
from gimmal.transport.relay_ways import LegWays
from gimmal.transport.session import Session
from tests.endtoend.wire import Flow, Tamper, Wire
from tests.endtoend.world import RUN, World, new_world
from tests.figures import figure
from tests.patience import PATIENCE, within
from tests.relay.halves import asking, new_pair, running_relay
from tests.transport.helpers import FULL, Keys, identities, until
from tests.transport.sessions import CONTENT, Notes, read, serve_read

MANY_FROM_ONE_SOURCE_RUN = (
    """
import inspect
from gimmal.relay.limits import RelayLimits
names = list(inspect.signature(RelayLimits.__init__).parameters)[1:]
given = {"half_open_per_source": 1000, "controls_per_source": 1000}
defaults = RelayLimits.__init__.__defaults__
RelayLimits.__init__.__defaults__ = tuple(given.get(name, value) for name, value in zip(names, defaults, strict=True))
"""
    + RUN
)
"""A relay that takes as many halves from one address as it would from many."""


@dataclass
class Side:
    """One side of a pair, connected to the relay as an agent is.

    Attributes:
        connected: at which times of the loop it was let in.
    """

    url: RelayUrl
    proof: RelayIdentity
    identity: Identity
    pool: BufferPool
    notes: Notes = field(default_factory=Notes)
    connected: list[float] = field(default_factory=list)
    session: Session | None = None

    def __post_init__(self) -> None:
        self._keys = Keys(self.identity)
        self._sessions: dict[bytes, Session] = {}
        self._recent = RecentHellos(1000)
        self._tasks = Tasks()
        self._was_connected = False
        self.keeper = RelayKeeper(self.url, self.proof, random_bytes(16), "test", b"", self._take, self._on_status)
        self.keeper.start()

    def _on_status(self, status: RelayStatus) -> None:
        if status.connected and not self._was_connected:
            self.connected.append(asyncio.get_running_loop().time())
        self._was_connected = status.connected
        if status.peer_present and self.session is not None:
            self.session.hurry()

    def _take(self, connection: socket.socket, _instance: bytes, _way: object) -> None:
        self._tasks.start(self._greet(connection), "greet")

    async def _greet(self, connection: socket.socket) -> None:
        try:
            accepted = await accept(
                connection, self.identity, self._keys, self._recent, path=PathKind.RELAYED, pool=self.pool
            )
        except GimmalError:
            return
        keys = accepted.session_keys
        if keys is None:
            self._sessions[accepted.key_id].attach(accepted.link)
            return
        session = Session(keys, opener=False, peer=accepted.greeting, pool=self.pool, handler=self.notes)
        self._keys.add(keys)
        self._sessions[keys.key_id] = session
        session.attach(accepted.link)

    # As a relay that is asked for links; see dial.RelaySource.

    async def link(self, deadline: float) -> socket.socket:
        return await self.keeper.request_link(deadline)

    async def candidates(self) -> bytes:
        return self.keeper.peer_candidates

    @property
    def leg_ways(self) -> LegWays | None:
        return self.keeper.leg_ways

    def check(self) -> None:
        self.keeper.check()

    async def close(self) -> None:
        for session in self._sessions.values():
            session.fail(GimmalError("the test is over"))
        await self._tasks.close()
        await self.keeper.close()


@dataclass
class Return:
    """What became of the sessions after their relay had come back.

    Attributes:
        took: seconds until all had been answered.
        times: seconds after its return at which each half was let in.
        done: what the far side of each session did.
        read: bytes that transfers received.
        wrong: blocks of them that were others than expected.
        cut: how many transfers were under way when the relay was killed.
    """

    took: float = 0.0
    times: list[float] = field(default_factory=list)
    done: list[list[object]] = field(default_factory=list)
    read: int = 0
    wrong: int = 0
    cut: int = 0

    @property
    def bins(self) -> list[int]:
        """How many came in each tenth of a second."""
        bins = [0] * (int(max(self.times) * 10) + 1)
        for time in self.times:
            bins[int(time * 10)] += 1
        return bins


@pytest.mark.campaign
@pytest.mark.timeout(1800 if FULL else 300)
def test_all_sessions_are_back_soon_after_their_relay_and_not_all_at_once() -> None:
    """A real relay is killed, and comes back; a tenth of the sessions move bytes all the time."""
    count, away = (100, 20.0) if FULL else (10, 1.0)
    with new_world() as world:
        back = asyncio.run(kill_and_restart(world, count, away))
    at_once = max(sum(first <= time < first + 0.1 for time in back.times) for first in back.times)
    what = f"relay killed for {away:g} s under {count} sessions"
    figure(f"{what}: most of {2 * count} halves that came back within 0.1 s", at_once, f"<= {count}")
    figure(f"{what}: halves back in each 0.1 s from its return", str(back.bins), "reported")
    figure(f"{what}: seconds until the last half was back", round(max(back.times), 2), "reported")
    lost = sum(done != [Stat, MakeDirectories] for done in back.done)
    figure(f"{what}: sessions with something lost or done twice", lost, "0")
    figure(f"{what}: blocks wrong in {back.cut} transfers under way", back.wrong, "0")
    assert lost == back.wrong == 0
    assert len(back.done) == count and len(back.times) == 2 * count
    assert back.cut == max(1, count // 10)
    assert back.read
    assert at_once <= count
    assert within(back.took, 5, f"{what}: until all of them were answered")


async def kill_and_restart(world: World, count: int, away: float) -> Return:
    loop = asyncio.get_running_loop()
    pool, back = BufferPool(), Return()
    relay = await asyncio.to_thread(world.start_relay, driver=MANY_FROM_ONE_SOURCE_RUN)
    url = RelayUrl.parse(relay.url)
    pairs, near, far, sessions = [new_pair() for _ in range(count)], [], [], []
    for number, pair in enumerate(pairs):
        one, other = identities(f"pair {number}")
        far.append(Side(url, pair.a, one, pool, Notes({Read: lambda incoming: serve_read(incoming, pool)})))
        near.append(Side(url, pair.b, other, pool))
    await until(lambda: all(side.keeper.status.peer_present for side in near))
    for side in near:
        ways = Ways(None, [side], bytes(32))
        side.session = await Dialler(side.identity, ways, pool).open_session(None, PATIENCE)
        sessions.append(side.session)
        assert await sessions[-1].call(Stat("")) == Done()
    over = asyncio.Event()

    async def move(session: Session) -> None:
        while not over.is_set():
            back.wrong += await read(session) != CONTENT
            back.read += len(CONTENT)

    moving = [asyncio.create_task(move(session)) for session in sessions[: max(1, count // 10)]]
    await until(lambda: back.read >= len(moving) * len(CONTENT))
    back.cut = sum(session.asks for session in sessions)
    relay.kill()
    # Each session is asked for something meanwhile, that must be done once.
    asking = [asyncio.create_task(session.call(MakeDirectories(["a"]), deadline=None)) for session in sessions]
    await asyncio.sleep(away)
    assert not any(task.done() for task in asking)
    await asyncio.to_thread(world.restart_relay, driver=MANY_FROM_ONE_SOURCE_RUN)
    returned = loop.time()
    assert set(map(str, await asyncio.gather(*asking))) == {str(Done())}
    back.took = loop.time() - returned
    before = back.read
    await until(lambda: back.read > before + len(moving) * len(CONTENT))
    over.set()
    await asyncio.gather(*moving)
    await until(lambda: all(side.keeper.status.connected for side in (*near, *far)))
    for session in sessions:
        session.fail(GimmalError("the test is over"))
        await session._tasks.close()
    back.times = [max(0.0, side.connected[-1] - returned) for side in (*near, *far)]
    await asyncio.gather(*(side.close() for side in (*near, *far)))
    back.done = [[type(request) for request in side.notes.done] for side in far]
    return back


def test_a_relay_that_falls_silent_is_noticed_when_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_client, "CHECK_SECONDS", 0.2)
    passes = threading.Event()
    passes.set()

    def hold(_flow: Flow) -> Tamper:
        def tamper(data: bytes) -> bytes:
            passes.wait(PATIENCE)
            return data

        return tamper

    async def scenario() -> None:
        async with running_relay(tmp_path) as running:
            wire = Wire(running.url.port, hold)
            client = asking(RelayUrl("127.0.0.1", wire.port, running.url.pin), new_pair().b)
            await client.connect(PATIENCE)
            client.check()
            await asyncio.sleep(0.5)
            assert not client.closed.done()
            passes.clear()
            client.check()
            client.check()
            async with asyncio.timeout(PATIENCE):
                failure = await asyncio.shield(client.closed)
            assert isinstance(failure, RelayError)
            assert "does not answer any more" in failure.message
            passes.set()
            await client.close()
            await asyncio.to_thread(wire.close)

    asyncio.run(scenario())


def test_after_a_change_of_the_network_a_relay_that_was_away_is_tried_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            one, _other = identities("changed")
            url = RelayUrl("127.0.0.1", port, bytes(32))
            side = Side(url, new_pair().a, one, BufferPool())
            accepted = await asyncio.to_thread(silent.accept)
            side.keeper.changed()  # while it still waits for the first try, which never ends by itself in time
            again = await asyncio.wait_for(asyncio.to_thread(silent.accept), PATIENCE)
            for connection, _address in (accepted, again):
                connection.close()
            await side.close()

    asyncio.run(scenario())
