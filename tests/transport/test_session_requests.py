"""Sessions: many requests at once, and the ends that one request may take."""

from __future__ import annotations

import asyncio
import random

import pytest

from gimmal.base.errors import DeadlinePassed, GimmalError, Interrupted
from gimmal.protocol import limits
from gimmal.protocol import session as machines
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    Copy,
    Done,
    Entry,
    Failed,
    Found,
    Kind,
    List,
    MakeDirectories,
    Page,
    RemoveMany,
    Stat,
    Write,
)
from gimmal.transport.exchange import Incoming
from gimmal.transport.session import Session
from tests.transport.helpers import run, until
from tests.transport.sessions import CONTENT, Notes, Pair, collect, write


class TestRequests:
    def test_many_at_once_both_ways_with_answers_out_of_order(self) -> None:
        async def main() -> None:
            chance = random.Random(1)

            async def later(incoming: Incoming) -> Answer:
                await asyncio.sleep(chance.random() * 0.05)
                assert isinstance(incoming.request, Stat)
                size = int(incoming.request.path)
                return Found(Attributes(Kind.FILE, size, 0, 0, size))

            pair = Pair(Notes({Stat: later}), Notes({Stat: later}))
            for _ in range(3):
                pair.link()

            async def ask(session: Session, number: int) -> None:
                answer = await session.call(Stat(str(number)), deadline=None)
                assert isinstance(answer, Found)
                assert answer.attributes.size == number

            await asyncio.gather(*(ask(session, number) for number in range(300) for session in (pair.a, pair.b)))
            assert pair.a._answering.requests.remembered == pair.b._answering.requests.remembered == 0
            await pair.close()

        run(main())

    def test_more_requests_than_may_be_unsettled_wait_for_their_turn(self) -> None:
        async def main() -> None:
            most = 0

            async def later(_incoming: Incoming) -> Answer:
                nonlocal most
                most = max(most, pair.a._asking.numbers.unsettled)
                await asyncio.sleep(0.01)
                return Done()

            pair = Pair(None, Notes({MakeDirectories: later}))
            pair.link()
            calls = [pair.a.call(MakeDirectories(["a"]), deadline=None) for _ in range(limits.REQUESTS_MAX + 100)]
            assert set(await asyncio.gather(*calls)) == {Done()}
            assert most == limits.REQUESTS_MAX
            await pair.close()

        run(main())

    def test_one_slow_request_does_not_end_the_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machines, "REMEMBERED_MAX", 16)

        async def main() -> None:
            finish = asyncio.Event()

            async def copy(_incoming: Incoming) -> Answer:
                await finish.wait()
                return Done()

            pair = Pair(None, Notes({Copy: copy}))
            pair.link()
            slow = asyncio.create_task(pair.a.call(Copy("a", "b"), deadline=None))
            await asyncio.sleep(0.01)
            for _ in range(15):
                assert await pair.a.call(RemoveMany(["a"])) == Done()
            waiting = asyncio.create_task(pair.a.call(RemoveMany(["a"])))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            finish.set()
            assert await slow == await waiting == Done()
            await pair.close()

        run(main())

    def test_without_a_handler_nothing_is_granted(self) -> None:
        async def main() -> None:
            pair = Pair()
            pair.link()
            assert await pair.a.call(Stat("a")) == Failed(Code.NOT_GRANTED)
            await pair.close()

        run(main())

    @pytest.mark.parametrize(
        "failure", [OSError("a disk"), GimmalError("a reason"), Interrupted("elsewhere"), KeyError()]
    )
    def test_a_handler_that_fails_is_answered_so_that_nobody_waits(self, failure: Exception) -> None:
        async def main() -> None:
            async def fail(_incoming: Incoming) -> Answer:
                raise failure

            pair = Pair(None, Notes({Stat: fail, MakeDirectories: fail}))
            pair.link()
            assert await pair.a.call(Stat("a")) == Failed(Code.FAILED)
            assert await pair.a.call(MakeDirectories(["a"])) == Failed(Code.FAILED)
            assert not pair.a.over
            await pair.close()

        run(main())

    def test_an_answer_too_long_for_a_record_is_told(self) -> None:
        async def main() -> None:
            async def long(_incoming: Incoming) -> Answer:
                return Page([Entry("n" * 4096, Attributes(Kind.FILE, 0, 0, 0, 0))] * 300, 0)

            pair = Pair(None, Notes({List: long}))
            pair.link()
            assert await pair.a.call(List("")) == Failed(Code.TOO_LARGE)
            await pair.close()

        run(main())

    def test_a_question_without_an_answer_has_a_deadline_and_is_cancelled_there(self) -> None:
        async def main() -> None:
            cancelled: list[str] = []

            async def never(incoming: Incoming) -> Answer:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled.append(type(incoming.request).__name__)
                    raise
                return Done()

            pair = Pair(None, Notes({Stat: never}))
            pair.link()
            with pytest.raises(DeadlinePassed):
                await pair.a.call(Stat("a"), deadline=1)
            await until(lambda: cancelled == ["Stat"])
            assert pair.a._asking.numbers.unsettled == 0
            assert await pair.a.call(List("")) == Done()
            await pair.close()

        run(main())

    def test_cancel_of_a_changing_request_lets_it_finish_and_its_answer_is_dropped(self) -> None:
        async def main() -> None:
            begun, finish, done = asyncio.Event(), asyncio.Event(), 0

            async def make(_incoming: Incoming) -> Answer:
                nonlocal done
                begun.set()
                await finish.wait()
                done += 1
                return Done()

            pair = Pair(None, Notes({MakeDirectories: make}))
            pair.link()
            asking = asyncio.create_task(pair.a.call(MakeDirectories(["a"])))
            await begun.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert await pair.a.call(Stat("")) == Done()
            finish.set()
            await until(lambda: done == 1)
            assert await pair.a.call(Stat("")) == Done()
            assert pair.b._answering.requests.remembered == 0
            await pair.close()

        run(main())

    def test_cancel_of_a_write_ends_it(self) -> None:
        async def main() -> None:
            begun = asyncio.Event()
            ended: list[BaseException] = []

            async def take(incoming: Incoming) -> Answer:
                begun.set()
                try:
                    await collect(incoming)
                except Interrupted as exc:
                    ended.append(exc)
                    raise
                return Done()

            pair = Pair(None, Notes({Write: take}))
            pair.link()
            writing = asyncio.create_task(write(pair.a, CONTENT, pace=lambda _at: None))
            await begun.wait()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await until(lambda: len(ended) == 1)
            await until(lambda: pair.b._answering.requests.remembered == 0)
            assert pair.b._answering.held == 0
            assert not pair.b.over
            await pair.close()

        run(main())
