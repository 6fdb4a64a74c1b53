"""One connection carrying sealed records."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import tracemalloc
from collections.abc import Callable

import pytest

from gimmal.base.errors import AuthenticationFailed, GimmalError, Interrupted, ProtocolViolation
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.transport import link as link_room
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import BULK_RECORD, POST_MAX, RECORDS_MAX, Link, PathKind
from gimmal.transport.outbox import QUEUE_HIGH
from gimmal.transport.plain_cipher import PlainCipher
from tests.figures import figure
from tests.patience import PATIENCE
from tests.transport.helpers import (
    FULL,
    Raw,
    Recorder,
    ciphers,
    fixed,
    link_over,
    link_pair,
    raw_and_link,
    run,
    socket_pair,
    tcp_pair,
    until,
)
from tests.transport.links import body_of, end, send

EDGE = BULK_RECORD - 33
"""Smallest body of a bulk record."""
SIZES = [0, 1, 3, 100, 4096, EDGE - 1, EDGE, EDGE + 1, 65_535, 65_536, 65_537, 200_000, BODY_MAX - 1, BODY_MAX]


class TestRecords:
    @pytest.mark.parametrize("ends", [socket_pair, tcp_pair])
    @pytest.mark.parametrize("keep", [True, False])
    @pytest.mark.parametrize("buffered", [True, False])
    def test_records_of_all_sizes_both_ways(
        self, ends: Callable[[], tuple[object, object]], keep: bool, buffered: bool
    ) -> None:
        async def main() -> None:
            left, right = link_pair(ends())
            receivers = Recorder(keep=keep), Recorder(keep=keep)
            left.start(receivers[0])
            right.start(receivers[1])
            sizes = SIZES + random.Random(1).sample(SIZES, len(SIZES))

            async def send_all(link: Link, seed: int) -> None:
                for index, size in enumerate(sizes):
                    await send(link, index, body_of(size, seed), buffered=buffered)

            await asyncio.gather(send_all(left, 1), send_all(right, 2))
            await until(lambda: all(len(receiver.records) == len(sizes) for receiver in receivers))
            for receiver, seed in ((receivers[1], 1), (receivers[0], 2)):
                expected = [(RecordKind.DATA, index, size, body_of(size, seed)) for index, size in enumerate(sizes)]
                assert receiver.records == expected
                bulk = [body for _, _, _, body in expected if len(body) >= EDGE]
                if keep:
                    assert [bytes(body) for body, _owner in receiver.kept] == bulk
            assert left.bytes_sent == right.bytes_received
            await end(left, right)

        run(main())

    @pytest.mark.parametrize("seed", range(300 if FULL else 30))
    def test_records_arrive_whole_however_the_bytes_are_cut(self, seed: int) -> None:
        async def main() -> None:
            chance = random.Random(seed)
            raw, link = raw_and_link()
            receiver = Recorder(keep=chance.random() < 0.5, pause_every=chance.choice([0, 0, 1, 3]))
            link.start(receiver)
            bodies = [
                body_of(chance.choice([0, 1, 50, 3000, 40_000, EDGE, EDGE + 1, 70_000, 300_000]), index)
                for index in range(chance.randint(1, 40))
            ]
            stream = b"".join(raw.seal(RecordKind.DATA, index, 0, body) for index, body in enumerate(bodies))
            at = 0
            while at < len(stream):
                size = chance.choice([1, 2, 3, 5, 37, 1000, 30_000, 65_536, 200_000])
                await raw.send(stream[at : at + size])
                at += size
                if chance.random() < 0.5 or size < 50:
                    await asyncio.sleep(0)
                    if size < 50:
                        at_more = chance.choice([0, 40_000])
                        await raw.send(stream[at : at + at_more])
                        at += at_more
            await until(lambda: len(receiver.records) == len(bodies))
            assert [record[3] for record in receiver.records] == bodies
            assert all(
                bytes(body) == bodies[index]
                for (body, _), index in zip(
                    receiver.kept, (i for i, b in enumerate(bodies) if len(b) >= EDGE), strict=False
                )
            )
            raw.close()
            await link.ended
            assert isinstance(receiver.ended[0], Interrupted)

        run(main())

    def test_every_cut_of_three_records_byte_by_byte(self) -> None:
        async def main() -> None:
            raw, link = raw_and_link()
            receiver = Recorder()
            link.start(receiver)
            for record in (
                raw.seal(RecordKind.PING, 0, 1),
                raw.seal(RecordKind.DATA, 1, 0, b"x" * 40),
                raw.seal(RecordKind.LEAVE),
            ):
                for index in range(len(record)):
                    await raw.send(record[index : index + 1])
                    await asyncio.sleep(0)
            await link.ended
            assert [record[0] for record in receiver.records] == [RecordKind.PING, RecordKind.DATA, RecordKind.LEAVE]
            assert receiver.ended == [None]
            raw.close()

        run(main())

    def test_records_in_clear_inside_one_computer(self) -> None:
        async def main() -> None:
            left, right = (
                Link(connection, PlainCipher(), dialler=dialler, path=PathKind.LOCAL, pool=BufferPool(), greeted=True)
                for connection, dialler in zip(socket_pair(), (True, False), strict=True)
            )
            receiver = Recorder(keep=True)
            left.start(Recorder())
            right.start(receiver)
            for size in SIZES:
                await send(left, 1, body_of(size), buffered=size % 2 == 0)
            await until(lambda: len(receiver.records) == len(SIZES))
            assert [record[3] for record in receiver.records] == [body_of(size) for size in SIZES]
            left.post(RecordKind.RENEW, body=bytes(48))
            await right.ended
            assert isinstance(receiver.ended[0], ProtocolViolation)
            await left.ended

        run(main())


class TestBackPressure:
    def test_a_receiver_that_does_not_read_bounds_the_sender_s_queue(self) -> None:
        async def main() -> int:
            left, right = link_pair(tcp_pair())
            left.start(Recorder())  # right reads nothing
            sent = 0

            async def sender(stream: int) -> None:
                nonlocal sent
                while True:
                    await send(left, stream, bytes(BODY_MAX), buffered=True)
                    sent += 1

            senders = [asyncio.create_task(sender(stream)) for stream in range(8)]
            most = previous = 0
            while not previous or sent != previous:
                previous = sent
                for _ in range(50):
                    await asyncio.sleep(0.001)
                    most = max(most, left.queued)
            assert most <= QUEUE_HIGH + BODY_MAX + 64
            receiver = Recorder()
            right.start(receiver)  # and reading sets it free
            await until(lambda: len(receiver.records) > previous + 16)
            for task in senders:
                task.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            await end(left, right)
            return most

        figure("bytes queued for a frozen reader", run(main()), f"<= {QUEUE_HIGH + BODY_MAX + 64}")

    @pytest.mark.parametrize("size", [0, 100_000])
    def test_small_records_that_nobody_takes_end_the_link(self, size: int) -> None:
        async def main() -> None:
            left, right = link_pair()
            receiver = Recorder()
            left.start(receiver)
            count = 0
            while not left.over:
                left.post(RecordKind.PONG, body=bytes(size))
                count += 1
            assert count <= RECORDS_MAX + 1
            assert count * (size + 33) <= POST_MAX + QUEUE_HIGH + size + 1_000_000
            assert isinstance(receiver.ended[0], Interrupted)
            await end(right)

        run(main())

    def test_senders_get_their_turn_in_the_order_of_asking(self) -> None:
        async def main() -> None:
            left, right = link_pair()
            left.start(Recorder())
            while left.queued < QUEUE_HIGH:
                await send(left, 0, bytes(BODY_MAX), buffered=True)
            order: list[int] = []

            async def wait(index: int) -> None:
                await left.writable()
                order.append(index)

            waiting = [asyncio.create_task(wait(index)) for index in range(5)]
            await asyncio.sleep(0)
            waiting[1].cancel()
            right.start(Recorder())
            await asyncio.gather(*waiting, return_exceptions=True)
            assert order == [0, 2, 3, 4]
            await end(left, right)

        run(main())

    def test_a_turn_given_to_a_sender_that_is_cancelled_goes_to_the_next(self) -> None:
        async def main() -> None:
            left, right = link_pair()
            left.start(Recorder())
            while left.queued < QUEUE_HIGH:
                await send(left, 0, bytes(BODY_MAX), buffered=True)
            first, second = (asyncio.create_task(left.writable()) for _ in range(2))
            await asyncio.sleep(0)
            left._outbox.queued, queued = 0, left._outbox.queued
            left._outbox.wake_next()  # first has the turn, and is cancelled before it can use it
            first.cancel()
            await asyncio.wait_for(second, PATIENCE)
            assert first.cancelled()
            left._outbox.queued = queued
            await end(left, right)

        run(main())

    def test_whoever_waits_hears_of_the_end(self) -> None:
        async def main() -> None:
            left, right = link_pair()
            left.start(Recorder())
            while left.queued < QUEUE_HIGH:
                await send(left, 0, bytes(BODY_MAX), buffered=True)
            waiting = asyncio.create_task(send(left, 0, b"", buffered=True))
            await asyncio.sleep(0)
            right.fail(GimmalError("gone"))
            with pytest.raises(Interrupted):
                await waiting
            await left.writable()
            left.post(RecordKind.PING)
            await left.ended

        run(main())

    def test_pause_stops_reading_and_resume_loses_nothing(self) -> None:
        async def main() -> None:
            left, right = link_pair()
            receiver = Recorder()
            left.start(Recorder())
            right.start(receiver)
            right.pause()
            bodies = [body_of(size) for size in SIZES[:9]] * 3
            for index, body in enumerate(bodies):
                left.post(RecordKind.DATA, index, 0, body)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert not receiver.records
            right.resume()
            right.resume()
            await until(lambda: len(receiver.records) == len(bodies))
            assert [record[3] for record in receiver.records] == bodies
            await end(left, right)

        run(main())


class TestEnds:
    @pytest.mark.parametrize("drain", [True, False])
    @pytest.mark.parametrize("kind", [RecordKind.LEAVE, RecordKind.CLOSE])
    def test_an_end_in_good_order_is_told_without_a_cause(self, kind: RecordKind, drain: bool) -> None:
        async def main() -> None:
            left, right = link_pair()
            receivers = Recorder(), Recorder()
            left.start(receivers[0])
            right.start(receivers[1])
            left.post(RecordKind.DATA, 1, 0, b"before")
            if kind is RecordKind.LEAVE:
                left.leave(drain=drain)
            else:
                left.close(b"body", drain=drain)
            left.post(RecordKind.DATA, 1, 0, b"after")
            left.leave()
            await asyncio.gather(left.ended, right.ended)
            assert [record[0] for record in receivers[1].records] == [RecordKind.DATA, kind]
            assert receivers[0].ended == [None]
            assert receivers[1].ended == [None]

        run(main())

    def test_close_reaches_a_peer_that_is_still_sending(self) -> None:
        async def main() -> None:
            left, right = link_pair(tcp_pair())
            receivers = Recorder(), Recorder()
            left.start(receivers[0])
            right.start(receivers[1])

            async def keep_sending() -> None:
                while True:
                    await send(right, 1, bytes(300_000), buffered=True)

            sending = asyncio.create_task(keep_sending())
            await until(lambda: len(receivers[0].records) > 3)
            left.close(b"body", drain=True)
            with pytest.raises(Interrupted):
                await sending
            await asyncio.gather(left.ended, right.ended)
            assert receivers[1].records[-1] == (RecordKind.CLOSE, 0, 0, b"body")
            assert receivers[1].ended == [None]

        run(main())

    @pytest.mark.parametrize("ends", [socket_pair, tcp_pair])
    def test_close_is_met_also_where_it_shows_first_that_nothing_can_be_sent(
        self, ends: Callable[[], tuple[socket.socket, socket.socket]]
    ) -> None:
        async def main() -> None:
            left, right = ends()
            one, two = ciphers()
            raw, link = Raw(left, one), link_over(right, two, dialler=False)
            receiver = Recorder()
            link.start(receiver)
            await send(link, 1, b"never read: it resets the connection", buffered=False)
            await asyncio.sleep(0)
            raw.connection.send(raw.seal(RecordKind.CLOSE, 0, 0, b"body"))
            raw.close()
            # No await gives the loop a chance to read before this was tried.
            for _ in range(3):
                sending = link.send_buffer(RecordKind.DATA, 1, 0, link._pool.take(), 300_000)
                with contextlib.suppress(StopIteration, Interrupted):
                    sending.send(None)
            await link.ended
            assert receiver.records[-1:] == [(RecordKind.CLOSE, 0, 0, b"body")]
            assert receiver.ended == [None]

        run(main())

    def test_a_peer_that_never_closes_holds_an_ending_link_for_a_moment_only(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(link_room, "CLOSE_SECONDS", 0.05)

        async def main() -> None:
            left, right = link_pair()
            left.start(Recorder())
            left.leave()
            await asyncio.wait_for(left.ended, PATIENCE)
            await end(right)

        run(main())

    @pytest.mark.parametrize("sent", [0, 1, 4, 20])
    def test_a_connection_cut_anywhere_is_told(self, sent: int) -> None:
        async def main() -> None:
            raw, link = raw_and_link()
            receiver = Recorder()
            link.start(receiver)
            await raw.send(raw.seal(RecordKind.DATA, 1, 0, b"x" * 50)[:sent])
            raw.close()
            await link.ended
            assert isinstance(receiver.ended[0], Interrupted)
            assert len(receiver.ended) == 1

        run(main())

    def test_a_broken_pipe_is_told(self) -> None:
        async def main() -> None:
            left, right = link_pair()
            receiver = Recorder()
            left._receiver = receiver  # writes only: nothing is read that could tell first
            right.fail(GimmalError("gone"))
            left.post(RecordKind.PING)
            await left.ended
            assert isinstance(receiver.ended[0], Interrupted)

        run(main())


class TestHostile:
    @pytest.mark.parametrize("prefix", [0, 1, 28, 1_048_606, 1 << 31, (1 << 32) - 1])
    def test_an_impossible_length_is_refused_before_memory_is_taken(self, prefix: int) -> None:
        async def main() -> None:
            raw, link = raw_and_link()
            receiver = Recorder()
            link.start(receiver)
            tracemalloc.start()
            try:
                await raw.send(struct.pack(">I", prefix))
                await link.ended
                assert tracemalloc.get_traced_memory()[1] < 1 << 20
            finally:
                tracemalloc.stop()
            assert isinstance(receiver.ended[0], ProtocolViolation)
            raw.close()

        run(main())

    @pytest.mark.parametrize("at", [4, 5, 17, 40, -1])
    def test_a_changed_byte_ends_the_link_and_what_follows_is_not_read(self, at: int) -> None:
        async def main() -> None:
            raw, link = raw_and_link()
            receiver = Recorder()
            link.start(receiver)
            good, bad, later = (raw.seal(RecordKind.DATA, index, 0, b"x" * 60) for index in range(3))
            damaged = bytearray(bad)
            damaged[at] ^= 1
            await raw.send(good, bytes(damaged), later)
            await link.ended
            assert [record[1] for record in receiver.records] == [0]
            assert isinstance(receiver.ended[0], AuthenticationFailed)
            raw.close()

        run(main())

    def test_unknown_records_are_skipped_with_the_high_bit_only(self) -> None:
        async def main() -> None:
            raw, link = raw_and_link()
            receiver = Recorder()
            link.start(receiver)
            for kind in (0x80, 0xFF, RecordKind.PING):
                await raw.put(kind, 1, 2, b"body")
            await until(lambda: bool(receiver.records))
            await raw.put(0x11)
            await link.ended
            assert [record[0] for record in receiver.records] == [RecordKind.PING]
            assert isinstance(receiver.ended[0], ProtocolViolation)
            raw.close()

        run(main())

    @pytest.mark.parametrize("kind", [RecordKind.RENEW, RecordKind.RENEW_ANSWER, RecordKind.RENEW_DONE])
    def test_renewal_records_that_may_not_come_end_the_link(self, kind: RecordKind) -> None:
        async def main() -> None:
            raw, link = raw_and_link()
            receiver = Recorder()
            link.start(receiver)
            await raw.put(kind, 0, 0, bytes(48))
            await link.ended
            assert isinstance(receiver.ended[0], ProtocolViolation)
            raw.close()

        run(main())

    def test_a_failure_of_the_receiver_ends_the_link(self) -> None:
        class Broken(Recorder):
            def on_record(self, *_arguments: object) -> bool:
                raise KeyError("a bug")

        async def main() -> None:
            told: list[object] = []
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
            raw, link = raw_and_link()
            receiver = Broken()
            link.start(receiver)
            await raw.put(RecordKind.PING)
            await link.ended
            assert len(receiver.ended) == 1
            assert isinstance(told[0], KeyError)
            raw.close()

        run(main())


def test_a_link_names_neither_keys_nor_contents() -> None:
    async def main() -> None:
        left, right = link_pair()
        text = repr(left) + repr(left._cipher)
        assert fixed("link one").hex() not in text
        await end(left, right)

    run(main())


def test_raw_and_link_speak_the_same_records() -> None:
    """The raw peer that other tests rely on is a true one."""

    async def main() -> None:
        ends, (one, two) = socket_pair(), ciphers()
        raw, link = Raw(ends[0], one), link_over(ends[1], two, dialler=False)
        receiver = Recorder()
        link.start(receiver)
        await raw.put(RecordKind.DATA, 1, 2, b"there")
        link.post(RecordKind.ANSWER, 3, 4, b"back")
        assert await raw.get() == (RecordKind.ANSWER, 3, 4, b"back")
        await until(lambda: receiver.records == [(RecordKind.DATA, 1, 2, b"there")])
        await end(link)
        raw.close()

    run(main())
