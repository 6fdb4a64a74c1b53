"""Sessions: requests and their answers over links that come and go."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from gimmal.base.errors import Interrupted, ProtocolViolation
from gimmal.protocol import limits
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import Answer, Done, MakeDirectories, Read, Results, Stat, Write
from gimmal.transport.exchange import Incoming
from gimmal.transport.link import Link
from gimmal.transport.session import SessionLost
from tests.figures import figure
from tests.patience import PATIENCE
from tests.transport.helpers import ciphers, link_over, run, socket_pair, tcp_pair, until
from tests.transport.sessions import CONTENT, Notes, Pair, collect, cut, read, serve_read, write


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
                nonlocal served
                await serve_read(incoming, pair.pools[1], piece=300_000)
                served += 1

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
            served = moves = 0

            async def move() -> None:
                """Again and again in the course of 30 reads and 20 writes, however long they take."""
                nonlocal moves
                chance = random.Random(3)
                for finished in range(0, 48, 4):
                    await until(lambda: served + written.total() >= finished)  # noqa: B023 - called in this round
                    old = list(pair.a.links)
                    pair.link(bulk=chance.random() < 0.5)
                    await asyncio.sleep(0.01)
                    for link in old:
                        (cut if chance.random() < 0.5 else Link.leave)(link)
                    moves += 1

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
            await mover
            await pair.close()
            return moves

        moves = run(main())
        figure("a session moved between links under load", f"{moves} moves", "nothing done twice, wrong bytes 0")
        assert moves == 12

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


def test_a_session_hears_its_peer_or_says_that_it_does_not() -> None:
    async def main() -> None:
        pair = Pair()
        left, right = pair.link()
        assert await pair.a.hears(PATIENCE)
        assert all(await asyncio.gather(*(pair.b.hears(PATIENCE) for _ in range(5))))
        right.pause()  # it reads no more, as a computer that is off
        assert not await pair.a.hears(0.2)
        right.resume()
        assert await pair.a.hears(PATIENCE)
        cut(left)
        assert not await pair.a.hears(0.1)
        await pair.close()

    run(main())
