"""Which session of two agents stays, and how often the other one is dialled."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gimmal.agent import other_agent
from gimmal.agent.other_agent import Diallers, OtherAgent, OtherAgentHost
from gimmal.base.errors import UnreachableError
from gimmal.protocol.messages import CloseReason


class FakeSession:
    """What is used of a session."""

    def __init__(self, *, opener: bool, computer: bytes = b"one", links: int = 1) -> None:
        self.opener = opener
        self.peer = SimpleNamespace(computer=computer, name="")
        self.links = [SimpleNamespace(path=SimpleNamespace(value="direct"))] * links
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed_for: CloseReason | None = None

    @property
    def over(self) -> bool:
        return self.ended.done()

    def close(self, reason: CloseReason) -> None:
        if not self.over:
            self.closed_for = reason
            self.ended.set_result(None)


def keeping(side: str, *, address_given: bool = False) -> OtherAgent:
    ignored: Callable[..., None] = lambda *_: None  # noqa: E731
    host: Any = OtherAgentHost(
        side=side,
        address_given=address_given,
        local=SimpleNamespace(asks=False),  # type: ignore[arg-type]
        paths=SimpleNamespace(take=ignored),  # type: ignore[arg-type]
        ways=SimpleNamespace(on_connected=ignored, on_dial=ignored),  # type: ignore[arg-type]
        say=ignored,
        on_replaced=ignored,
    )
    sessions: Any = SimpleNamespace(register=ignored, serving=lambda: None)
    return OtherAgent(host, sessions)


@pytest.mark.parametrize(
    ("side", "there", "stays"),
    [
        ("a", {"opener": True}, True),
        ("b", {"opener": True}, False),
        ("a", {"opener": False}, False),
        ("a", {"opener": True, "links": 0}, False),
        ("a", {"opener": True, "computer": b"another"}, False),
    ],
    ids=["both dialled", "on the other side", "it had dialled before", "without links", "from another computer"],
)
def test_which_of_two_sessions_stays(side: str, there: dict[str, Any], stays: bool) -> None:
    async def main() -> None:
        agent: Any = keeping(side)
        old, new = FakeSession(**there), FakeSession(opener=False)
        agent._adopt(old)
        agent.take(new)
        assert (old.closed_for, new.closed_for) == ((None, CloseReason.DUPLICATE), (CloseReason.DUPLICATE, None))[
            not stays
        ]
        assert agent.session is (old if stays else new)

    asyncio.run(main())


def test_whoever_asks_while_the_agent_stops_is_told_so() -> None:
    """Mounts ask again and again, also between the end of the session and that of the control socket."""

    async def main() -> None:
        agent: Any = keeping("a")
        session = FakeSession(opener=True)
        agent._adopt(session)
        agent.close()
        session.close(CloseReason.UNPLUGGED)
        with pytest.raises(UnreachableError, match="the agent is stopping"):
            await agent.reach(1.0)

    asyncio.run(main())


def test_one_that_comes_long_after_takes_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other agent dials only without a session: the one at hand leads nowhere, though nothing says so yet."""

    async def main() -> None:
        agent: Any = keeping("a")
        old, new = FakeSession(opener=True), FakeSession(opener=False)
        agent._adopt(old)
        monkeypatch.setattr(other_agent, "OPEN_SECONDS", 0.0)
        agent.take(new)
        assert agent.session is new
        assert old.closed_for is CloseReason.DUPLICATE

    asyncio.run(main())


def test_a_session_that_is_closed_at_once_is_dialled_again_after_longer_and_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(other_agent, "REDIAL_FIRST", 0.1)
    dials: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        fourth = asyncio.Event()

        async def open_session(*_: object, **__: object) -> FakeSession:
            dials.append(loop.time())
            if len(dials) == 4:
                fourth.set()
            session = FakeSession(opener=True)
            loop.call_soon(session.close, CloseReason.LIMIT)
            return session

        agent: Any = keeping("b", address_given=True)
        agent.start(Diallers(every_way=SimpleNamespace(open_session=open_session), near=SimpleNamespace()), [])
        async with asyncio.timeout(60):
            await fourth.wait()
        agent.close()

    asyncio.run(main())
    pauses = [after - before for before, after in itertools.pairwise(dials)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True)), pauses
