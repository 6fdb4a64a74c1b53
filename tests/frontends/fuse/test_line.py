"""The way to the other side is looked for until the half is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from gimmal.base.errors import GimmalError, HalfDisabled, HalfGone, PeerAbsent
from gimmal.frontends.fuse import line
from gimmal.frontends.fuse.line import keep_reaching
from tests.patience import PATIENCE


@dataclass
class Session:
    ended: asyncio.Future[None]


@dataclass
class Reached:
    session: Session
    files: object


@dataclass
class Reach:
    """Gives sessions that are over at once, and says no in between, as told."""

    answers: list[GimmalError | None]
    rests: list[float] = field(default_factory=list)
    gone: bool = False

    async def open(self) -> Reached:
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, ended.set_result, None)
        return Reached(Session(ended), object())

    async def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        if self.gone:
            raise HalfGone("pulled")
        await asyncio.sleep(0)


class View:
    def __init__(self) -> None:
        self.followed: list[object] = []

    def follow(self, files: object) -> None:
        self.followed.append(files)


def kept(reach: Reach) -> tuple[GimmalError, View]:
    async def main() -> tuple[GimmalError, View]:
        view = View()
        async with asyncio.timeout(PATIENCE):
            return await keep_reaching(reach, view), view  # type: ignore[arg-type]

    return asyncio.run(main())


@pytest.mark.parametrize("over", [HalfGone("pulled"), HalfDisabled("disabled")])
def test_only_what_happens_to_the_half_ends_it(over: GimmalError) -> None:
    reach = Reach([None, PeerAbsent("away"), PeerAbsent("away"), None, over])
    reason, view = kept(reach)
    assert reason is over
    assert len(view.followed) == 2
    assert reach.rests == [0.0, line.RETRY_SECONDS, line.RETRY_SECONDS, 0.0]


def test_the_half_is_looked_at_between_two_tries() -> None:
    reason, _view = kept(Reach([PeerAbsent("away")], gone=True))
    assert isinstance(reason, HalfGone)
