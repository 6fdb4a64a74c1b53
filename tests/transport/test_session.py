"""Sessions: many requests over links that come and go, and peers that break the rules."""

from __future__ import annotations

import asyncio
import random
import socket
import tracemalloc
from collections import Counter
from collections.abc import Callable

import pytest
from blake3 import blake3

from gimmal.base.errors import (
    DeadlinePassed,
    GimmalError,
    Interrupted,
    PeerAbsent,
    ProtocolViolation,
)
from gimmal.base.primitives import x25519_public
from gimmal.noise import renewal
from gimmal.noise.keys import RootKeys
from gimmal.noise.renewal import RenewalMaterial
from gimmal.protocol import limits
from gimmal.protocol import session as machines
from gimmal.protocol.codec import decode_answer, decode_request, encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    Close,
    CloseReason,
    Copy,
    Done,
    Entry,
    Failed,
    Found,
    Kind,
    List,
    MakeDirectories,
    Page,
    Read,
    RemoveMany,
    Results,
    Stat,
    StreamEnd,
    Write,
    WriteBundle,
)
from gimmal.transport import link as link_room
from gimmal.transport import session as session_room
from gimmal.transport.answering import Handler
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import AnswerSink, BundleSink, Incoming, RangeSink
from gimmal.transport.link import Link
from gimmal.transport.session import Session, SessionLost
from tests.figures import figure
from tests.transport.helpers import (
    HELLO,
    Notes,
    Pair,
    Raw,
    ciphers,
    fixed,
    link_over,
    run,
    socket_pair,
    tcp_pair,
    until,
)

CONTENT = random.Random(4).randbytes(limits.BLOCK_SIZE)


def cut(link: Link) -> None:
    link.fail(Interrupted("the test cut the link"))


async def serve_read(incoming: Incoming, pool: BufferPool, piece: int = BODY_MAX) -> None:
    request = incoming.request
    assert isinstance(request, Read)
    content = CONTENT[request.offset : request.offset + request.length]
    for at in range(0, len(content), piece):
        buffer = pool.take()
        part = content[at : at + piece]
        buffer.body[: len(part)] = part
        await incoming.link.send_buffer(RecordKind.DATA, incoming.number, request.offset + at, buffer, len(part))
    end = encode(StreamEnd(blake3(content).digest()))
    incoming.link.post(RecordKind.END, incoming.number, len(content), end)


async def read(session: Session, offset: int = 0, length: int = limits.BLOCK_SIZE) -> bytes:
    def make_sink(done: asyncio.Future[None]) -> RangeSink:
        return RangeSink(done, session.pool, offset, length)

    sink = await session.exchange(Read("a", offset, length), make_sink, bulk=True)
    assert sink.answer is None
    content = b"".join(piece.body for piece in sink.pieces)
    assert blake3(content).digest() == sink.digest
    sink.give_back()
    return content


async def collect(incoming: Incoming) -> bytes:
    """What a Write brings."""
    got = b""
    while True:
        for kind, _offset, piece in await incoming.records():
            if kind is RecordKind.END:
                return got
            got += piece.body
            incoming.give(piece)


async def write(session: Session, content: bytes, *, pace: Callable[[int], object] | None = None) -> Answer:
    async def send(link: Link, number: int) -> None:
        for at in range(0, len(content), BODY_MAX):
            buffer = session.pool.take()
            part = content[at : at + BODY_MAX]
            buffer.body[: len(part)] = part
            await link.send_buffer(RecordKind.DATA, number, at, buffer, len(part))
            if pace is not None:
                pace(at)
                await asyncio.sleep(0.005)
        link.post(RecordKind.END, number, len(content), encode(StreamEnd(blake3(content).digest())))

    sink = await session.exchange(Write(1, 0, len(content)), AnswerSink, send_more=send, bulk=True)
    assert sink.answer is not None
    return sink.answer


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
                answer = await session.call(Stat(str(number)))
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
            calls = [pair.a.call(MakeDirectories(["a"])) for _ in range(limits.REQUESTS_MAX + 100)]
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
                await pair.a.call(Stat("a"), deadline=0.05)
            await until(lambda: cancelled == ["Stat"])
            assert pair.a._asking.numbers.unsettled == 0
            assert await pair.a.call(List("")) == Done()
            await pair.close()

        run(main())

    def test_cancel_of_a_changing_request_lets_it_finish_and_its_answer_is_dropped(self) -> None:
        async def main() -> None:
            finish, done = asyncio.Event(), 0

            async def make(_incoming: Incoming) -> Answer:
                nonlocal done
                await finish.wait()
                done += 1
                return Done()

            pair = Pair(None, Notes({MakeDirectories: make}))
            pair.link()
            asking = asyncio.create_task(pair.a.call(MakeDirectories(["a"])))
            await asyncio.sleep(0.01)
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
            ended: list[BaseException] = []

            async def take(incoming: Incoming) -> Answer:
                try:
                    await collect(incoming)
                except Interrupted as exc:
                    ended.append(exc)
                    raise
                return Done()

            pair = Pair(None, Notes({Write: take}))
            pair.link()
            writing = asyncio.create_task(write(pair.a, CONTENT, pace=lambda _at: None))
            await asyncio.sleep(0.01)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await until(lambda: len(ended) == 1)
            await until(lambda: pair.b._answering.requests.remembered == 0)
            assert pair.b._answering.held == 0
            assert not pair.b.over
            await pair.close()

        run(main())


class TestLostLinks:
    def test_a_change_is_done_once_where_the_link_goes_while_it_is_being_done(self) -> None:
        async def main() -> None:
            finish, done = asyncio.Event(), Counter[str]()

            async def make(incoming: Incoming) -> Answer:
                assert isinstance(incoming.request, MakeDirectories)
                done[incoming.request.paths[0]] += 1
                await finish.wait()
                return Results([0])

            pair = Pair(None, Notes({MakeDirectories: make}))
            left, _ = pair.link()
            asking = [asyncio.create_task(pair.a.call(MakeDirectories([str(index)]))) for index in range(20)]
            await until(lambda: len(done) == 20)
            cut(left)
            pair.link()
            await asyncio.sleep(0.02)
            finish.set()
            assert set(map(str, await asyncio.gather(*asking))) == {str(Results([0]))}
            assert set(done.values()) == {1}
            await pair.close()

        run(main())

    def test_a_change_is_done_once_where_the_answer_was_lost(self) -> None:
        async def main() -> None:
            notes = Notes()
            pair = Pair(None, notes)
            left, _ = pair.link()
            left.pause()  # the answer never gets through
            asking = asyncio.create_task(pair.a.call(MakeDirectories(["a"])))
            await until(lambda: len(notes.done) == 1)
            cut(left)
            pair.link()
            assert await asking == Done()
            assert len(notes.done) == 1
            await pair.close()

        run(main())

    def test_a_late_request_from_a_lost_link_is_not_done_again(self) -> None:
        async def main() -> None:
            notes = Notes()
            pair = Pair(None, notes)
            left, right = pair.link()
            right.pause()  # the request waits there, in the socket
            asking = asyncio.create_task(pair.a.call(MakeDirectories(["a"])))
            await asyncio.sleep(0.01)
            cut(left)
            pair.link()
            assert await asking == Done()
            assert await pair.a.call(Stat("")) == Done()  # its mark tells that the first is settled
            right.resume()
            await right.ended
            assert [type(request).__name__ for request in notes.done] == ["MakeDirectories", "Stat"]
            await pair.close()

        run(main())

    def test_a_question_is_asked_again_under_another_number_and_the_old_work_is_dropped(self) -> None:
        async def main() -> None:
            begun: list[int] = []
            dropped: list[int] = []
            finish = asyncio.Event()

            async def look(incoming: Incoming) -> Answer:
                begun.append(incoming.number)
                try:
                    await finish.wait()
                except asyncio.CancelledError:
                    dropped.append(incoming.number)
                    raise
                return Done()

            pair = Pair(None, Notes({Stat: look}))
            left, _ = pair.link()
            asking = asyncio.create_task(pair.a.call(Stat("a")))
            await until(lambda: len(begun) == 1)
            cut(left)
            await until(lambda: dropped == [1])
            pair.link()
            await until(lambda: len(begun) == 2)
            finish.set()
            assert await asking == Done()
            assert begun == [1, 3]
            await pair.close()

        run(main())

    @pytest.mark.parametrize("orderly", [True, False])
    @pytest.mark.parametrize("after", [1, 2, 3])
    def test_a_read_moves_to_another_link_in_the_middle(self, orderly: bool, after: int) -> None:
        async def main() -> None:
            tries = 0

            async def serve(incoming: Incoming) -> None:
                nonlocal tries
                tries += 1
                await serve_read(incoming, pair.pools[1], piece=100_000)

            pair = Pair(None, Notes({Read: serve}), wires=tcp_pair)
            left, _ = pair.link(bulk=True)
            pair.link()
            reading = asyncio.create_task(read(pair.a))
            await until(lambda: left.bytes_received > after * 1_000_000)
            if orderly:
                left.leave()
            else:
                cut(left)
            assert await reading == CONTENT
            assert tries == 2
            await pair.close()

        run(main())

    def test_a_session_moves_from_link_to_link_under_load(self) -> None:
        async def main() -> int:
            async def serve(incoming: Incoming) -> None:
                await serve_read(incoming, pair.pools[1], piece=300_000)

            async def take(incoming: Incoming) -> Answer:
                got = await collect(incoming)
                assert got == CONTENT[: len(got)]
                written[len(got)] += 1
                return Done()

            async def make(incoming: Incoming) -> Answer:
                assert isinstance(incoming.request, MakeDirectories)
                made[incoming.request.paths[0]] += 1
                await asyncio.sleep(0.001)
                return Done()

            made, written = Counter[str](), Counter[int]()
            pair = Pair(None, Notes({Read: serve, Write: take, MakeDirectories: make}), wires=tcp_pair)
            pair.link()
            moving = True
            moves = 0

            async def move() -> None:
                nonlocal moves
                chance = random.Random(3)
                while moving:
                    old = list(pair.a.links)
                    pair.link(bulk=chance.random() < 0.5)
                    await asyncio.sleep(0.01)
                    for link in old:
                        (cut if chance.random() < 0.5 else Link.leave)(link)
                    moves += 1
                    await asyncio.sleep(0.05)

            mover = asyncio.create_task(move())
            sizes = range(3_000_000, 3_000_020)
            reads = asyncio.gather(*(read(pair.a, offset, 900_000) for offset in range(0, 3_000_000, 100_000)))
            writes = asyncio.gather(*(write(pair.a, CONTENT[:size]) for size in sizes))
            makes = asyncio.gather(*(pair.a.call(MakeDirectories([str(index)]), deadline=None) for index in range(300)))
            for offset, content in zip(range(0, 3_000_000, 100_000), await reads, strict=True):
                assert content == CONTENT[offset : offset + 900_000]
            assert set(await writes) == {Done()}
            assert set(await makes) == {Done()}
            assert made == Counter({str(index): 1 for index in range(300)})
            assert written == Counter(dict.fromkeys(sizes, 1))
            moving = False
            await mover
            await pair.close()
            return moves

        moves = run(main())
        figure("a session moved between links under load", f"{moves} moves", "nothing done twice, wrong bytes 0")
        assert moves >= 3

    @pytest.mark.parametrize("noticed", [True, False])
    def test_a_write_is_repeated_on_another_link_and_done_once(self, noticed: bool) -> None:
        async def main() -> None:
            done: list[bytes] = []
            tries = 0

            async def take(incoming: Incoming) -> Answer:
                nonlocal tries
                tries += 1
                done.append(await collect(incoming))
                return Done()

            pair = Pair(None, Notes({Write: take}))
            left, right = pair.link(bulk=True)
            pair.link()

            def pace(at: int) -> None:
                if at == BODY_MAX and not left.over:
                    if not noticed:
                        right.pause()  # the other side does not see that the link is lost
                    cut(left)

            assert await write(pair.a, CONTENT, pace=pace) == Done()
            assert done == [CONTENT]
            assert tries == 2
            right.resume()
            await right.ended
            assert pair.b._answering.held == 0
            assert await pair.a.call(Stat("")) == Done()
            assert pair.b._answering.requests.remembered == 0
            await pair.close()

        run(main())

    def test_without_links_requests_wait_for_one(self) -> None:
        async def main() -> None:
            pair = Pair(None, Notes())
            asking = asyncio.create_task(pair.a.call(Stat("a")))
            await asyncio.sleep(0.01)
            pair.link()
            assert await asking == Done()
            await pair.close()

        run(main())

    def test_a_link_that_is_over_is_not_attached(self) -> None:
        async def main() -> None:
            pair = Pair()
            left, right = pair.unattached()
            cut(left)
            with pytest.raises(Interrupted):
                pair.a.attach(left)
            assert not pair.a.links
            await right.ended
            await pair.close()

        run(main())

    def test_a_session_has_only_so_many_links(self) -> None:
        async def main() -> None:
            pair = Pair()
            for _ in range(limits.LINKS_MAX):
                pair.link()
            one, two = socket_pair()
            extra = link_over(one, ciphers()[0], dialler=True)
            with pytest.raises(ProtocolViolation):
                pair.a.attach(extra)
            cut(extra)
            two.close()
            await pair.close()

        run(main())

    def test_handlers_hear_whether_there_are_links(self) -> None:
        async def main() -> None:
            notes = Notes()
            pair = Pair(None, notes)
            left, right = pair.link()
            cut(left)
            await right.ended
            pair.link()
            assert notes.links == [True, False, True]
            await pair.close()
            assert notes.ended == 1

        run(main())


class TestRedial:
    def test_the_side_that_can_dial_does_when_all_links_are_lost(self) -> None:
        async def main() -> None:
            notes = Notes()
            pair = Pair(None, notes, redial=True)
            left, _ = pair.link()
            for _ in range(3):
                cut(left)
                assert await pair.a.call(Stat("a")) == Done()
                (left,) = pair.a.links
            await pair.close()

        run(main())

    def test_a_session_the_other_side_forgot_is_lost(self) -> None:
        async def main() -> None:
            pair = Pair(None, Notes(), redial=True)
            left, _ = pair.link()
            pair.may_dial = False
            asking = asyncio.create_task(pair.a.call(Stat("a")))
            cut(left)
            with pytest.raises(SessionLost):
                await asking
            assert isinstance(pair.a.cause, SessionLost)
            with pytest.raises(SessionLost):
                await pair.a.call(Stat("a"))
            await pair.close()

        run(main())


class TestCloseAndCut:
    @pytest.mark.parametrize("reason", CloseReason)
    def test_close_is_told_with_its_reason(self, reason: CloseReason) -> None:
        async def main() -> None:
            notes = Notes({Stat: _never})
            pair = Pair(None, notes)
            for _ in range(3):
                pair.link()
            links = [*pair.a.links, *pair.b.links]
            asking = asyncio.create_task(pair.a.call(Stat("a")))
            await asyncio.sleep(0.01)
            pair.b.close(reason)
            with pytest.raises(GimmalError) as raised:
                await asking
            assert pair.a.closed_for is reason
            assert pair.a.cause is None
            assert isinstance(raised.value, PeerAbsent) is (reason in (CloseReason.UNPLUGGED, CloseReason.LIMIT))
            await asyncio.gather(pair.a.finished(), pair.b.finished())
            await asyncio.gather(*(link.ended for link in links))
            assert notes.ended == 1
            await pair.close()

        run(main())

    def test_a_reason_of_the_future_reads_as_done(self) -> None:
        async def main() -> None:
            raw, session = raw_session()
            await raw.put(RecordKind.CLOSE, 0, 0, encode(Close(200)))
            await session.finished()
            assert session.closed_for is CloseReason.DONE
            raw.close()

        run(main())

    def test_a_cut_is_no_close(self) -> None:
        async def main() -> None:
            raw, session = raw_session()
            raw.close()
            await until(lambda: not session.links)
            assert not session.over
            with pytest.raises(DeadlinePassed):
                await session.call(Stat("a"), deadline=0.02)
            session.fail(GimmalError("the test is over"))
            await session._tasks.close()

        run(main())

    def test_requests_that_come_behind_close_on_other_links_are_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(link_room, "CLOSE_SECONDS", 0.1)

        async def main() -> None:
            notes = Notes()
            raw, session = raw_session(notes)
            other, more = raw_for(session, "more")
            await raw.put(RecordKind.CLOSE, 0, 0, encode(Close(0)))
            await session.ended
            await other.put(RecordKind.REQUEST, 1, 1, encode(Stat("a")))
            await more.ended
            assert not notes.done
            raw.close()
            other.close()

        run(main())


async def _never(_incoming: Incoming) -> Answer:
    await asyncio.sleep(3600)
    return Done()


# Peers that break the rules -----------------------------------------------------------------------------------------


Ends = Callable[[], tuple[socket.socket, socket.socket]]


def raw_for(session: Session, seed: str = "link", ends: Ends = tcp_pair) -> tuple[Raw, Link]:
    left, right = ends()
    one, two = ciphers(seed)
    link = link_over(right, two, dialler=False, pool=session.pool)
    session.attach(link)
    return Raw(left, one), link


def raw_session(handler: Handler | None = None, ends: Ends = tcp_pair) -> tuple[Raw, Session]:
    """A session that the raw peer opened: the peer's requests are odd."""
    session = Session(
        RootKeys.from_root(fixed("session")), opener=False, peer=HELLO, pool=BufferPool(), handler=handler
    )
    return raw_for(session, ends=ends)[0], session


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
            raw, session = raw_session(Notes({Stat: _never, Write: _never, WriteBundle: _never}))
            for record in FLAWS[name]:
                await raw.put(*record)
            await asyncio.wait_for(asyncio.shield(session.ended), 5)
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
            raw, session = raw_session(Notes({Stat: _never}))
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
            raw, session = raw_session(Notes({Write: _never}))
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
            for _ in range(100):
                await asyncio.sleep(0.002)
                held = max(held, pair.b._answering.held)
            assert session_room.HELD_BUFFERS_MAX <= held <= session_room.HELD_BUFFERS_MAX + 2
            assert pair.b._answering.paused
            go.set()
            assert [answer.codes for answer in await asyncio.gather(*writes)] == [[1]] * 16  # type: ignore[union-attr]
            assert pair.b._answering.held == 0
            assert not pair.b._answering.paused
            await pair.close()

        run(main())


async def end(session: Session, raw: Raw) -> None:
    links = list(session.links)
    session.fail(GimmalError("the test is over"))
    for link in links:
        await link.ended
    await session._tasks.close()
    raw.close()


class TestKeepAlive:
    def test_silence_is_broken_by_a_ping(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(limits, "PING_SECONDS", 0.03)

        async def main() -> None:
            pair = Pair()
            left, right = pair.link()
            await until(lambda: left.round_trip is not None and right.round_trip is not None)
            assert left.round_trip is not None
            assert 0 <= left.round_trip < 1
            await pair.close()

        run(main())

    def test_a_link_that_stays_silent_is_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(limits, "PING_SECONDS", 0.03)
        monkeypatch.setattr(limits, "SILENCE_SECONDS", 0.1)

        async def main() -> None:
            raw, session = raw_session()
            (link,) = session.links
            await asyncio.wait_for(link.ended, 5)
            assert not session.over
            kinds = set()
            with pytest.raises(EOFError):
                while True:
                    kinds.add((await raw.get())[0])
            assert kinds == {RecordKind.PING}
            await end(session, raw)

        run(main())

    def test_a_peer_that_does_not_renew_loses_the_link(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(link_room, "RENEWAL_SECONDS", 0.1)
        monkeypatch.setattr(renewal, "RENEW_AFTER", 0.0)

        async def main() -> None:
            raw, session = raw_session()
            (link,) = session.links
            keys = RootKeys.from_root(fixed("session"))
            material = RenewalMaterial(fixed("one"), x25519_public(fixed("two")), fixed("three"))
            link.enable_renewal(1, bytes(16), "a", keys, lambda: material)
            link.post(RecordKind.PING)
            begun = asyncio.get_running_loop().time()
            while not link.over:  # it talks on, and never answers RENEW
                await raw.put(RecordKind.PONG)
                await asyncio.sleep(0.01)
            assert 0.1 <= asyncio.get_running_loop().time() - begun < 5
            assert not session.over
            await end(session, raw)

        run(main())

    def test_a_session_without_links_is_kept_for_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.01)
        monkeypatch.setattr(limits, "SESSION_KEPT_SECONDS", 0.1)

        async def main() -> None:
            pair = Pair(None, Notes())
            left, _ = pair.link()
            cut(left)
            await asyncio.sleep(0.03)
            pair.link()
            assert await pair.a.call(Stat("a")) == Done()
            cut(pair.a.links[0])
            await asyncio.wait_for(asyncio.shield(pair.a.ended), 5)
            assert isinstance(pair.a.cause, Interrupted)
            await pair.b.ended
            await pair.close()

        run(main())
