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
from gimmal.protocol.messages import Done, MakeDirectories, Stat
from gimmal.protocol.relay.proof import RelayIdentity
from gimmal.protocol.relay.url import RelayUrl
from gimmal.relay.limits import RelayLimits
from gimmal.transport import relay_client
from gimmal.transport.buffers import BufferPool
from gimmal.transport.dial import Dialler, Ways
from gimmal.transport.link import PathKind
from gimmal.transport.opening import Identity, accept
from gimmal.transport.relay_keeper import RelayKeeper, RelayStatus
from gimmal.transport.relay_ways import LegWays
from gimmal.transport.session import Session
from tests.endtoend.wire import Flow, Tamper, Wire
from tests.figures import figure
from tests.patience import PATIENCE, within
from tests.relay.halves import asking, new_pair, running_relay
from tests.transport.helpers import FULL, Keys, identities, until
from tests.transport.sessions import Notes

MANY_FROM_ONE_SOURCE = RelayLimits(half_open_per_source=1000, controls_per_source=1000)


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


@pytest.mark.campaign
def test_all_sessions_are_back_soon_after_their_relay_and_not_all_at_once(tmp_path: Path) -> None:
    count, away = (100, 20.0) if FULL else (10, 1.0)

    async def scenario() -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        pool = BufferPool()
        async with running_relay(tmp_path, MANY_FROM_ONE_SOURCE) as running:
            url = running.url
            pairs, near, far, sessions = [new_pair() for _ in range(count)], [], [], []
            for number, pair in enumerate(pairs):
                one, other = identities(f"pair {number}")
                far.append(Side(url, pair.a, one, pool))
                near.append(Side(url, pair.b, other, pool))
            await until(lambda: all(side.keeper.status.peer_present for side in near))
            for side in near:
                ways = Ways(None, [side], bytes(32))
                side.session = await Dialler(side.identity, ways, pool).open_session(None, PATIENCE)
                sessions.append(side.session)
                assert await sessions[-1].call(Stat("")) == Done()
        # The relay is gone; each session is asked for something meanwhile.
        asking = [asyncio.create_task(session.call(MakeDirectories(["a"]), deadline=None)) for session in sessions]
        await asyncio.sleep(away)
        async with running_relay(tmp_path, MANY_FROM_ONE_SOURCE, port=url.port):
            back = loop.time()
            assert set(map(str, await asyncio.gather(*asking))) == {str(Done())}
            took = loop.time() - back
            for session in sessions:
                session.fail(GimmalError("the test is over"))
                await session._tasks.close()
            times = sorted(side.connected[-1] for side in (*near, *far))
            await asyncio.gather(*(side.close() for side in (*near, *far)))
        done = [[type(request) for request in side.notes.done] for side in far]
        assert done == [[Stat, MakeDirectories]] * count
        at_once = max(sum(first <= time < first + 0.1 for time in times) for first in times)
        return took, at_once

    took, at_once = asyncio.run(scenario())
    figure(f"of {2 * count} halves that lost their relay, most that came back within 0.1 s", at_once, f"<= {count}")
    assert at_once <= count
    assert within(took, 5, f"relay back after {away:g} s under {count} sessions: all of them answered")


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
