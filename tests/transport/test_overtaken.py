"""A request whose link was lost arrives all the same, after its repeat: the path is back, and the system sends on."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import Answer, Done, MakeDirectories, Stat, Write
from gimmal.transport.exchange import Incoming
from tests.patience import PATIENCE
from tests.transport.helpers import run, until
from tests.transport.sessions import CONTENT, Notes, Pair, collect, cut, end, raw_for, raw_session, write

OVERTAKEN = CONTENT[: 3 * BODY_MAX]


def test_an_overtaken_upload_does_not_end_its_repeat() -> None:
    async def main() -> None:
        came: list[bytes] = []

        async def take(incoming: Incoming) -> Answer:
            came.append(await collect(incoming))
            return Done()

        pair = Pair(None, Notes({Write: take}))
        left, right = pair.link()
        right.pause()  # what is sent lies in the system
        halfway = asyncio.Event()

        def on_record(at: int) -> None:
            if at and second:
                halfway.set()

        second: list[bool] = []
        asking = asyncio.create_task(write(pair.a, OVERTAKEN, pace=on_record))
        await until(lambda: left.bytes_sent > 0)
        cut(left)
        second.append(True)
        pair.link()
        await asyncio.wait_for(halfway.wait(), PATIENCE)
        right.resume()
        await right.ended
        assert await asyncio.wait_for(asking, PATIENCE) == Done()
        assert came == [OVERTAKEN]
        await pair.close()

    run(main())


@pytest.mark.parametrize("first", [0, 1])
def test_the_answer_goes_to_the_link_of_the_newest_try(first: int) -> None:
    """Both links live as far as this side knows; the other side waits on one of them only."""

    async def main() -> None:
        finish = asyncio.Event()

        async def make(_incoming: Incoming) -> Answer:
            await finish.wait()
            return Done()

        one, session = raw_session(Notes({MakeDirectories: make}))
        other, _ = raw_for(session, "another")
        body = encode(MakeDirectories(["a"]))
        tries = [(one, 0), (other, 1)]
        for raw, sent in tries[first:] + tries[:first]:
            if sent:
                await raw.put(RecordKind.REPEAT, 1, sent)
            await raw.put(RecordKind.REQUEST, 1, 1, body)
            await raw.put(RecordKind.REQUEST, 3 + 2 * sent, 1, encode(Stat("")))  # its answer says that both were read
            assert (await raw.get())[:2] == (RecordKind.ANSWER, 3 + 2 * sent)
        finish.set()
        assert (await other.get())[:2] == (RecordKind.ANSWER, 1)
        one.close()
        await end(session, other)

    run(main())


def test_a_repeat_announced_for_another_request_says_nothing_of_this_one() -> None:
    async def main() -> None:
        raw, session = raw_session(Notes())
        await raw.put(RecordKind.REPEAT, 5, 9)
        await raw.put(RecordKind.REQUEST, 1, 1, encode(MakeDirectories(["a"])))
        assert (await raw.get())[:2] == (RecordKind.ANSWER, 1)
        await end(session, raw)

    run(main())


def test_every_try_of_a_change_says_how_many_there_were() -> None:
    async def main() -> None:
        raw, session = raw_session()
        asking = asyncio.create_task(session.call(MakeDirectories(["a"]), deadline=None))
        assert (await raw.get())[:2] == (RecordKind.REQUEST, 2)
        for tries in (1, 2):
            cut(session.links[0])
            raw.close()
            raw, _ = raw_for(session, f"link {tries}")
            assert (await raw.get())[:3] == (RecordKind.REPEAT, 2, tries)
            assert (await raw.get())[:2] == (RecordKind.REQUEST, 2)
        await raw.put(RecordKind.ANSWER, 2, 0, encode(Done()))
        assert await asking == Done()
        await end(session, raw)

    run(main())
