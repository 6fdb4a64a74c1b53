"""What a local command leaves in the agent: nothing, however long the session with the other side lives."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

from gimmal.agent.control import CONTROL_VERSION, Question, receive_message
from gimmal.agent.local_commands import LocalCommands, local_session
from gimmal.protocol.messages import CloseReason, Done, Stat
from gimmal.transport.buffers import BufferPool
from gimmal.transport.session import Session
from tests.transport.helpers import run, socket_pair, until
from tests.transport.sessions import Notes, Pair


def sessions() -> int:
    """How many there are, garbage included."""
    return sum(isinstance(one, Session) for one in gc.get_objects())


class OtherAgent(SimpleNamespace):
    """What local commands need of the other side's."""

    pair: Pair

    async def reach(self, _deadline: float) -> Session:
        return self.pair.a


async def command(commands: LocalCommands) -> Session:
    """A command that has asked for a session and got it."""
    ends = socket_pair()
    await commands.answer(ends[0], Question(CONTROL_VERSION, "session"))
    await receive_message(ends[1])
    session = local_session(ends[1], BufferPool(), None, opener=True)
    assert await session.call(Stat("a")) == Done()
    return session


def test_sessions_of_commands_go_with_the_commands() -> None:
    async def main() -> None:
        pair = Pair(None, Notes())
        pair.link()
        agent: Any = SimpleNamespace(
            other_agent=OtherAgent(pair=pair), journal_key=bytes(32), half=SimpleNamespace(lineage_id=bytes(16))
        )
        commands = LocalCommands(agent)
        before = sessions()
        for _ in range(5):
            session = await command(commands)
            session.close(CloseReason.DONE)
            await session.finished()
        del session
        await until(lambda: sessions() == before)
        await pair.close()

    gc.collect()
    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()


def test_a_command_ends_with_the_session_that_it_uses() -> None:
    async def main() -> None:
        pair = Pair(None, Notes())
        pair.link()
        agent: Any = SimpleNamespace(
            other_agent=OtherAgent(pair=pair), journal_key=bytes(32), half=SimpleNamespace(lineage_id=bytes(16))
        )
        session = await command(LocalCommands(agent))
        pair.b.close(CloseReason.UNPLUGGED)
        await session.finished()
        assert session.closed_for is CloseReason.UNPLUGGED
        await asyncio.gather(pair.a.finished(), pair.b.finished())

    run(main())
