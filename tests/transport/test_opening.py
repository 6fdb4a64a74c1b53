"""Opening links from both sides, with friends and with callers that break the order."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable

import pytest

from gimmal.base.errors import (
    AuthenticationFailed,
    GimmalError,
    Interrupted,
    PeerAbsent,
    PeerSilent,
    ProtocolViolation,
    UnreachableError,
    VersionMismatch,
)
from gimmal.noise.channel import ANSWER_SIZE, HELLO_SIZE, NOTICE_SIZE, RecentHellos, parse_hello, respond
from gimmal.noise.keys import RootKeys
from gimmal.noise.link_cipher import LinkCipher
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Close, Join, Stat
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import Link
from gimmal.transport.opening import Identity
from gimmal.transport.session import Session
from tests.transport.helpers import Keys, but, fixed, opened, read_all, run, socket_pair, tcp_pair, until
from tests.transport.openings import ENDED, A, B, accepting, dialling, exactly, first_message, hello, raw_dial
from tests.transport.sessions import Notes


class TestFriends:
    @pytest.mark.parametrize("ends", [socket_pair, tcp_pair])
    @pytest.mark.parametrize(("dialler", "acceptor"), [(A, B), (B, A)])
    def test_both_sides_can_dial_and_agree(
        self, dialler: Identity, acceptor: Identity, ends: Callable[[], tuple[socket.socket, socket.socket]]
    ) -> None:
        async def main() -> None:
            link, keys, accepted = await opened(dialler, acceptor, ends=ends())
            assert accepted.session_keys == keys
            assert accepted.key_id == acceptor.keys().key_id
            assert keys != dialler.keys()
            assert accepted.greeting.computer == dialler.computer
            assert accepted.greeting.agent is dialler.agent
            assert (accepted.join.number, accepted.join.bulk) == (0, False)
            notes = Notes()
            one = Session(keys, opener=True, peer=accepted.greeting, pool=BufferPool())
            two = Session(keys, opener=False, peer=accepted.greeting, pool=BufferPool(), handler=notes)
            one.attach(link)
            two.attach(accepted.link)
            await one.call(Stat("a"))
            assert notes.done == [Stat("a")]
            one.fail(ENDED)
            two.fail(ENDED)

        run(main())

    def test_two_sessions_have_different_keys(self) -> None:
        async def main() -> None:
            seen = set()
            for _ in range(3):
                link, keys, accepted = await opened(A, B)
                seen.add(keys.psk)
                link.fail(ENDED)
                accepted.link.fail(ENDED)
            assert len(seen) == 3

        run(main())

    @pytest.mark.parametrize("bulk", [True, False])
    @pytest.mark.parametrize(("dialler", "acceptor"), [(A, B), (B, A)])
    def test_a_further_link_joins_under_the_session_s_keys(
        self, dialler: Identity, acceptor: Identity, bulk: bool
    ) -> None:
        async def main() -> None:
            first, keys, accepted = await opened(A, B)
            lookup = Keys(acceptor)
            lookup.add(keys)
            left, right = socket_pair()
            prepared, more = dialling(left, dialler, keys), accepting(right, acceptor, lookup)
            link = (await prepared).join(keys, 7, bulk=bulk)
            joined = await more
            assert joined.session_keys is None
            assert joined.key_id == keys.key_id
            assert joined.greeting.random == b""
            for each in (link, joined.link):
                assert (each.number, each.bulk) == (7, bulk)
            for each in (first, accepted.link, link, joined.link):
                each.fail(ENDED)

        run(main())

    def test_a_prepared_link_that_is_not_used_leaves_nothing(self) -> None:
        async def main() -> None:
            left, right = socket_pair()
            prepared, accepted = dialling(left), accepting(right)
            (await prepared).abandon()
            with pytest.raises(UnreachableError):
                await accepted

        run(main())

    def test_a_dial_that_is_cancelled_leaves_nothing(self) -> None:
        async def main() -> None:
            left, right = socket_pair()
            prepared = dialling(left)
            await exactly(right, HELLO_SIZE)
            prepared.cancel()
            await asyncio.gather(prepared, return_exceptions=True)
            assert await read_all(right) == b""
            right.close()

        run(main())


class TestVersions:
    @pytest.mark.parametrize(("ours", "theirs"), [(1, 2), (2, 1), (1, 255)])
    def test_both_sides_hear_of_another_version(self, ours: int, theirs: int) -> None:
        async def main() -> None:
            left, right = socket_pair()
            prepared, accepted = dialling(left, but(A, version=ours)), accepting(right, but(B, version=theirs))
            results = await asyncio.gather(prepared, accepted, return_exceptions=True)
            for result, mine, other in zip(results, (ours, theirs), (theirs, ours), strict=True):
                assert isinstance(result, VersionMismatch)
                assert (result.ours, result.theirs) == (mine, other)

        run(main())

    def test_the_notice_of_a_version_is_17_bytes_and_sent_once(self) -> None:
        async def main() -> None:
            message = first_message(but(A, version=2)).hello
            recent = RecentHellos(4)
            for size in (NOTICE_SIZE, 0):
                left, right = socket_pair()
                accepted = accepting(right, recent=recent)
                await asyncio.get_running_loop().sock_sendall(left, message)
                assert len(await read_all(left)) == size
                with pytest.raises(VersionMismatch if size else GimmalError):
                    await accepted
                left.close()

        run(main())

    def test_a_greeting_of_another_version_than_the_handshake_is_refused(self) -> None:
        async def main() -> None:
            left, right = socket_pair()
            accepted = accepting(right)
            raw = await raw_dial(left)
            await raw.put(RecordKind.HELLO, body=hello(version=2))
            await raw.put(RecordKind.JOIN, body=encode(Join(0, bulk=False)))
            with pytest.raises(ProtocolViolation):
                await accepted
            raw.close()

        run(main())


GREETINGS: dict[str, list[tuple[int, bytes]]] = {
    "join before hello": [(RecordKind.JOIN, encode(Join(0, bulk=False)))],
    "a request before hello": [(RecordKind.REQUEST, encode(Stat("a")))],
    "a request before join": [(RecordKind.HELLO, hello()), (RecordKind.REQUEST, encode(Stat("a")))],
    "an unknown record before hello": [(0x80, b"")],
    "two hellos": [(RecordKind.HELLO, hello()), (RecordKind.HELLO, hello())],
    "a hello that cannot be read": [(RecordKind.HELLO, b"\xff")],
    "a join that cannot be read": [(RecordKind.HELLO, hello()), (RecordKind.JOIN, b"\xff")],
    "no randomness": [(RecordKind.HELLO, hello(random=b"")), (RecordKind.JOIN, encode(Join(0, bulk=False)))],
    "little randomness": [(RecordKind.HELLO, hello(random=bytes(31))), (RecordKind.JOIN, encode(Join(0, bulk=False)))],
    "a first link with a number": [(RecordKind.HELLO, hello()), (RecordKind.JOIN, encode(Join(2, bulk=False)))],
    "a renewal": [(RecordKind.RENEW, bytes(48))],
}


class TestGreetings:
    @pytest.mark.parametrize("name", GREETINGS)
    def test_a_dialler_that_breaks_the_order_is_refused(self, name: str) -> None:
        async def main() -> None:
            left, right = socket_pair()
            accepted = accepting(right)
            raw = await raw_dial(left)
            for kind, body in GREETINGS[name]:
                await raw.put(kind, body=body)
            with pytest.raises(ProtocolViolation):
                await accepted
            raw.close()

        run(main())

    @pytest.mark.parametrize(
        ("random", "number"), [(bytes(32), 2), (b"", 0)], ids=["randomness on a further link", "a second link 0"]
    )
    def test_a_further_link_that_opens_is_refused(self, random: bytes, number: int) -> None:
        async def main() -> None:
            keys, lookup = RootKeys.from_root(fixed("session")), Keys(B)
            lookup.add(keys)
            left, right = socket_pair()
            accepted = accepting(right, lookup=lookup)
            raw = await raw_dial(left, keys=keys)
            await raw.put(RecordKind.HELLO, body=hello(random=random))
            await raw.put(RecordKind.JOIN, body=encode(Join(number, bulk=False)))
            with pytest.raises(ProtocolViolation):
                await accepted
            raw.close()

        run(main())

    @pytest.mark.parametrize("records", [0, 1])
    def test_a_close_instead_of_a_greeting_is_told(self, records: int) -> None:
        async def main() -> None:
            left, right = socket_pair()
            accepted = accepting(right)
            raw = await raw_dial(left)
            if records:
                await raw.put(RecordKind.HELLO, body=hello())
            await raw.put(RecordKind.CLOSE, body=encode(Close(4)))
            with pytest.raises(Interrupted):
                await accepted
            raw.close()

        run(main())

    def test_junk_behind_the_handshake_is_refused(self) -> None:
        async def main() -> None:
            for junk in (os.urandom(500), b"\x00\x00\x00\x40" + os.urandom(64), b"\xff\xff\xff\xff"):
                left, right = socket_pair()
                accepted = accepting(right)
                raw = await raw_dial(left)
                await raw.send(junk)
                with pytest.raises((AuthenticationFailed, ProtocolViolation)):
                    await accepted
                raw.close()

        run(main())

    def test_records_behind_the_greeting_are_not_lost(self) -> None:
        async def main() -> None:
            notes = Notes()
            left, right = socket_pair()
            accepted = accepting(right)
            raw = await raw_dial(left)
            await raw.send(
                raw.seal(RecordKind.HELLO, body=hello()),
                raw.seal(RecordKind.JOIN, body=encode(Join(0, bulk=True))),
                raw.seal(RecordKind.REQUEST, 1, 1, encode(Stat("a"))),
            )
            result = await accepted
            assert result.link.bulk
            assert result.session_keys is not None
            session = Session(result.session_keys, opener=False, peer=result.greeting, pool=BufferPool(), handler=notes)
            session.attach(result.link)
            assert (await raw.get())[0] == RecordKind.HELLO
            assert (await raw.get())[:2] == (RecordKind.ANSWER, 1)
            assert notes.done == [Stat("a")]
            session.fail(ENDED)
            raw.close()

        run(main())


class TestDialling:
    """What the dialler meets."""

    async def meet(self, answer: bytes, *, close: bool = True, deadline: float = 5.0) -> BaseException:
        left, right = socket_pair()
        prepared = dialling(left, deadline=deadline)
        await exactly(right, HELLO_SIZE)
        await asyncio.get_running_loop().sock_sendall(right, answer)
        if close:
            right.close()
        (result,) = await asyncio.gather(prepared, return_exceptions=True)
        right.close()
        assert isinstance(result, BaseException)
        return result

    def test_a_side_that_closes_without_a_byte(self) -> None:
        assert isinstance(run(self.meet(b"")), PeerSilent)

    def test_a_side_that_resets_without_a_byte(self) -> None:
        async def main() -> None:
            left, right = tcp_pair()
            prepared = dialling(left)
            await until(lambda: bool(select.select([right], [], [], 0)[0]))
            right.close()  # unread bytes make this a reset
            with pytest.raises(PeerSilent):
                await prepared

        run(main())

    @pytest.mark.parametrize("size", [1, NOTICE_SIZE, ANSWER_SIZE - 1])
    def test_an_answer_cut_short(self, size: int) -> None:
        failure = run(self.meet(bytes([1]) + os.urandom(size - 1)))
        assert isinstance(failure, PeerAbsent)
        assert not isinstance(failure, PeerSilent)

    @pytest.mark.parametrize("first", [0, 1, 2, 0x16, 255])
    def test_an_answer_of_junk(self, first: int) -> None:
        assert isinstance(run(self.meet(bytes([first]) + os.urandom(200))), AuthenticationFailed)

    def test_no_answer_in_time(self) -> None:
        failure = run(self.meet(b"", close=False, deadline=0.1))
        assert isinstance(failure, PeerAbsent)
        assert not isinstance(failure, PeerSilent)

    def test_one_byte_and_then_silence(self) -> None:
        assert isinstance(run(self.meet(b"\x01", close=False, deadline=0.1)), PeerAbsent)

    @pytest.mark.parametrize("keys", [None, RootKeys.from_root(fixed("session"))], ids=["opening", "joining"])
    def test_a_side_that_greets_with_the_wrong_randomness_is_refused(self, keys: RootKeys | None) -> None:
        async def main() -> None:
            # The acceptor takes the half's root for a session's and the reverse.
            lookup = Keys(B)
            lookup.add(RootKeys.from_root(fixed("session")))
            left, right = socket_pair()
            prepared, accepted = dialling(left, keys=keys), accepting(right, lookup=lookup)
            link = await prepared
            with pytest.raises(ProtocolViolation):
                if keys is None:
                    link.join(B.keys(), 2, bulk=False)
                else:
                    link.open_session()
            with pytest.raises(UnreachableError):
                await accepted

        run(main())

    def test_a_side_that_forgot_the_session_is_silent(self) -> None:
        async def main() -> None:
            left, right = socket_pair()
            prepared, accepted = dialling(left, keys=RootKeys.from_root(fixed("forgotten"))), accepting(right)
            with pytest.raises(PeerSilent):
                await prepared
            with pytest.raises(AuthenticationFailed):
                await accepted

        run(main())

    @pytest.mark.parametrize("greeted", [0, 10])
    def test_a_connection_cut_before_the_greeting_is_through(self, greeted: int) -> None:
        async def main() -> None:
            left, right = socket_pair()
            prepared = dialling(left)
            first = parse_hello(await exactly(right, HELLO_SIZE))
            answer, secrets = respond(
                first, 1, B.pair_id, "b", B.static_private, B.peer_static_public, B.keys(), os.urandom(32)
            )
            record = LinkCipher(secrets).seal(RecordKind.HELLO, 0, 0, hello())
            await asyncio.get_running_loop().sock_sendall(right, answer + record[:greeted])
            right.close()
            with pytest.raises(PeerAbsent) as raised:
                await prepared
            assert not isinstance(raised.value, PeerSilent)

        run(main())


def test_an_identity_shows_no_secret() -> None:
    text = repr(A) + repr(A.keys()) + repr(A.material())
    for secret in (A.static_private, A.root, A.keys().psk, A.keys().gate_key):
        assert secret.hex() not in text
        assert repr(secret) not in text


def test_links_of_two_sessions_do_not_mix() -> None:
    """A record of one link, spliced into another of the same pair, is refused."""

    async def main() -> None:
        one, _, accepted = await opened(A, B)
        left, right = socket_pair()
        other = accepting(right)
        raw = await raw_dial(left)
        await raw.get()
        foreign: bytes = one._cipher.seal(RecordKind.HELLO, 0, 0, hello())
        await raw.send(foreign)
        with pytest.raises(AuthenticationFailed):
            await other
        raw.close()
        for link in (one, accepted.link):
            assert isinstance(link, Link)
            link.fail(ENDED)

    run(main())
