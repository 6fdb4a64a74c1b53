"""Sessions: peers that break the rules."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from gimmal.base.errors import GimmalError, ProtocolViolation
from gimmal.protocol import limits
from gimmal.protocol.codec import decode_answer, decode_request, encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    Done,
    Entry,
    Failed,
    Kind,
    List,
    MakeDirectories,
    Page,
    Read,
    Results,
    Stat,
    StreamEnd,
    Write,
    WriteBundle,
)
from gimmal.transport import session as session_room
from gimmal.transport.exchange import AnswerSink, BundleSink, Incoming
from tests.figures import figure
from tests.patience import PATIENCE
from tests.transport.helpers import run, socket_pair, tcp_pair, until
from tests.transport.sessions import CONTENT, HELLO, Notes, Pair, collect, end, never, raw_session, read, write


def flaw(*records: tuple[int, int, int, bytes]) -> list[tuple[int, int, int, bytes]]:
    return list(records)


WRITE = encode(Write(1, 0, 200_000))
HALF_WRITE = (RecordKind.DATA, 1, 0, bytes(100_000))
FLAWS = {
    "a number of the other parity": flaw((RecordKind.REQUEST, 2, 1, encode(Stat("a")))),
    "number 0": flaw((RecordKind.REQUEST, 0, 0, encode(Stat("a")))),
    "a mark above the number": flaw((RecordKind.REQUEST, 1, 3, encode(Stat("a")))),
    "a number too far above the mark": flaw((RecordKind.REQUEST, (1 << 32) - 1, 1, encode(Stat("a")))),
    "a second hello": flaw((RecordKind.HELLO, 0, 0, encode(HELLO))),
    "a close that cannot be read": flaw((RecordKind.CLOSE, 0, 0, b"\xff")),
    "data for a request that takes none": flaw(
        (RecordKind.REQUEST, 1, 1, encode(Stat("a"))), (RecordKind.DATA, 1, 0, b"x")
    ),
    "data out of place": flaw((RecordKind.REQUEST, 1, 1, WRITE), (RecordKind.DATA, 1, 5, bytes(100_000))),
    "data twice": flaw((RecordKind.REQUEST, 1, 1, WRITE), HALF_WRITE, HALF_WRITE),
    "empty data": flaw((RecordKind.REQUEST, 1, 1, WRITE), (RecordKind.DATA, 1, 0, b"")),
    "data behind a short record": flaw(
        (RecordKind.REQUEST, 1, 1, WRITE), (RecordKind.DATA, 1, 0, b"x"), (RecordKind.DATA, 1, 1, b"x")
    ),
    "more data than announced": flaw((RecordKind.REQUEST, 1, 1, WRITE), (RecordKind.DATA, 1, 0, bytes(200_001))),
    "an early end": flaw((RecordKind.REQUEST, 1, 1, WRITE), HALF_WRITE, (RecordKind.END, 1, 100_000, b"")),
    "an end that lies about the length": flaw(
        (RecordKind.REQUEST, 1, 1, WRITE), HALF_WRITE, (RecordKind.END, 1, 7, b"")
    ),
    "a bundle inside a write": flaw((RecordKind.REQUEST, 1, 1, WRITE), (RecordKind.BUNDLE, 1, 0, b"")),
    "data inside a bundle": flaw((RecordKind.REQUEST, 1, 1, encode(WriteBundle("a"))), (RecordKind.DATA, 1, 0, b"x")),
    "two bundles": flaw((RecordKind.REQUEST, 1, 1, encode(WriteBundle("a"))), *[(RecordKind.BUNDLE, 1, 0, b"x")] * 2),
}


class TestHostilePeers:
    @pytest.mark.parametrize("name", FLAWS)
    def test_a_rule_broken_ends_the_session_with_its_cause(self, name: str) -> None:
        async def main() -> None:
            raw, session = raw_session(Notes({Stat: never, Write: never, WriteBundle: never}))
            for record in FLAWS[name]:
                await raw.put(*record)
            await asyncio.wait_for(asyncio.shield(session.ended), PATIENCE)
            assert isinstance(session.cause, ProtocolViolation)
            with pytest.raises(EOFError):
                while True:
                    await raw.get()
            with pytest.raises(ProtocolViolation):
                await session.call(Stat("a"))
            raw.close()

        run(main())

    def test_a_request_of_the_future_is_answered_unsupported_under_its_number(self) -> None:
        async def main() -> None:
            notes = Notes()
            raw, session = raw_session(notes)
            for number, body in ((1, b"\x92\x3c\xa1a"), (3, b""), (5, b"\xff" * 100), (7, encode(Stat("a")))):
                await raw.put(RecordKind.REQUEST, number, 1, body)
                kind, stream, _offset, answer = await raw.get()
                assert (kind, stream) == (RecordKind.ANSWER, number)
                assert decode_answer(answer) == (Done() if number == 7 else Failed(Code.UNSUPPORTED))
            assert session._answering.requests.remembered == 0
            await raw.put(RecordKind.DATA, 1, 0, b"what followed the request of the future")
            await raw.put(RecordKind.PING, 0, 9)
            assert (await raw.get())[:3] == (RecordKind.PONG, 0, 9)
            await end(session, raw)

        run(main())

    def test_records_of_streams_nobody_knows_are_ignored(self) -> None:
        async def main() -> None:
            raw, session = raw_session()
            for kind in (RecordKind.ANSWER, RecordKind.DATA, RecordKind.END, RecordKind.BUNDLE, RecordKind.CANCEL):
                await raw.put(kind, 4, 0, b"body")
                await raw.put(kind, 5, 0, b"body")
            await raw.put(RecordKind.CREDIT, 4, 1 << 40)
            await raw.put(RecordKind.PONG, 0, 77)
            await raw.put(RecordKind.PING, 0, 1)
            assert (await raw.get())[0] == RecordKind.PONG
            assert session.links[0].round_trip is None
            await end(session, raw)

        run(main())

    @pytest.mark.parametrize(
        "records",
        [
            [(RecordKind.DATA, 0, bytes(200_001))],
            [(RecordKind.DATA, 1, bytes(100_000))],
            [(RecordKind.DATA, 0, b"")],
            [(RecordKind.DATA, 0, b"short"), (RecordKind.DATA, 5, b"more")],
            [(RecordKind.DATA, 0, bytes(100_000)), (RecordKind.END, 99_999, encode(StreamEnd(bytes(32))))],
            [(RecordKind.END, 0, b"junk")],
            [(RecordKind.BUNDLE, 0, b"")],
            [(RecordKind.ANSWER, 0, b"junk")],
        ],
    )
    def test_a_false_answer_to_a_read_ends_the_session(self, records: list[tuple[RecordKind, int, bytes]]) -> None:
        async def main() -> None:
            raw, session = raw_session()
            reading = asyncio.create_task(read(session, 0, 200_000))
            _kind, number, _offset, body = await raw.get()
            assert decode_request(body) == Read("a", 0, 200_000)
            for kind, offset, answer in records:
                await raw.put(kind, number, offset, answer)
            with pytest.raises(ProtocolViolation):
                await reading
            raw.close()

        run(main())

    @pytest.mark.parametrize("sink", [AnswerSink, BundleSink])
    def test_an_answer_of_the_wrong_kind_ends_the_session(self, sink: type[AnswerSink | BundleSink]) -> None:
        async def main() -> None:
            raw, session = raw_session()
            asking = asyncio.create_task(session.exchange(Stat("a"), sink))
            number = (await raw.get())[1]
            await raw.put(RecordKind.DATA, number, 0, b"x")
            with pytest.raises(ProtocolViolation):
                await asking
            raw.close()

        run(main())

    def test_more_requests_than_allowed_end_the_session(self) -> None:
        async def main() -> None:
            raw, session = raw_session(Notes({Stat: never}))
            count = 2 * limits.REQUESTS_MAX + 1
            await raw.send(
                *(raw.seal(RecordKind.REQUEST, 2 * index + 1, 1, encode(Stat("a"))) for index in range(count))
            )
            await session.ended
            assert isinstance(session.cause, ProtocolViolation)
            await asyncio.sleep(0)
            raw.close()

        run(main())

    def test_more_streams_than_allowed_end_the_session(self) -> None:
        async def main() -> None:
            raw, session = raw_session(Notes({Write: never}))
            count = 2 * limits.WRITES_MAX + 1
            await raw.send(*(raw.seal(RecordKind.REQUEST, 2 * index + 1, 1, WRITE) for index in range(count)))
            await session.ended
            assert isinstance(session.cause, ProtocolViolation)
            raw.close()

        run(main())

    @pytest.mark.parametrize("flood", ["pings", "repeats", "listings"])
    def test_a_peer_that_takes_no_answers_costs_bounded_memory(self, flood: str) -> None:
        async def main() -> int:
            page = Page([Entry("n" * 3000, Attributes(Kind.FILE, 0, 0, 0, 0))] * 250, 0)

            async def large(_incoming: Incoming) -> Answer:
                return page

            raw, session = raw_session(Notes({List: large, MakeDirectories: large}), ends=socket_pair)
            link = session.links[0]
            tracemalloc.start()
            try:
                for index in range(40):
                    if link.over:
                        break
                    if flood == "pings":
                        records = [raw.seal(RecordKind.PING, 0, at) for at in range(5000)]
                    elif flood == "repeats":
                        records = [
                            raw.seal(RecordKind.REQUEST, 1, 1, encode(MakeDirectories(["a"]))) for _ in range(50)
                        ]
                    else:
                        first = 100 * index + 1
                        records = [
                            raw.seal(RecordKind.REQUEST, number, 1, encode(List("")))
                            for number in range(first, first + 100, 2)
                        ]
                    try:
                        await asyncio.wait_for(raw.send(*records), 1)
                    except (TimeoutError, ConnectionError):
                        break
                    await asyncio.sleep(0.01)
                else:
                    assert flood == "listings", "the link should have been given up"
                most = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            raw.close()
            session.fail(GimmalError("the test is over"))
            await session._tasks.close()
            return most

        most = run(main(), debug=False)
        figure(f"memory while a peer floods with {flood} and takes nothing", most, f"<= {32 << 20}")
        assert most <= 32 << 20

    def test_a_peer_that_writes_faster_than_the_disk_is_slowed_down(self) -> None:
        async def main() -> None:
            go = asyncio.Event()

            async def slow(incoming: Incoming) -> Answer:
                await go.wait()
                return Results([int(await collect(incoming) == CONTENT)])

            pair = Pair(None, Notes({Write: slow}), wires=tcp_pair)
            pair.link()
            pair.link(bulk=True)
            writes = [asyncio.create_task(write(pair.a, CONTENT)) for _ in range(16)]
            held = 0
            await until(lambda: pair.b._answering.paused)
            for _ in range(100):
                await asyncio.sleep(0.002)
                held = max(held, pair.b._answering.held)
            assert session_room.HELD_BUFFERS_MAX <= held <= session_room.HELD_BUFFERS_MAX + 2
            assert pair.b._answering.paused
            go.set()
            assert [answer.codes for answer in await asyncio.gather(*writes)] == [[1]] * 16
            assert pair.b._answering.held == 0
            assert not pair.b._answering.paused
            await pair.close()

        run(main())
