"""Callers that are no friends: not a byte for them, and no link."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable

import pytest

from gimmal.base.errors import AuthenticationFailed, DeadlinePassed, GimmalError, Interrupted
from gimmal.noise.channel import ANSWER_SIZE, HELLO_SIZE, RecentHellos
from gimmal.noise.keys import RootKeys
from gimmal.noise.link_cipher import LinkCipher
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Join
from tests.figures import figure
from tests.patience import within
from tests.transport.helpers import FULL, Keys, Raw, but, fixed, identities, read_all, run, socket_pair, tcp_pair
from tests.transport.openings import ENDED, A, B, accepting, exactly, first_message, hello, raw_dial

STRANGERS: dict[str, Callable[[], bytes]] = {
    "junk": lambda: os.urandom(HELLO_SIZE),
    "an HTTP request": lambda: b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".ljust(HELLO_SIZE, b" "),
    "keys of another root": lambda: first_message(A, RootKeys.from_root(fixed("other"))).hello,
    "another pair": lambda: first_message(identities("another pair")[0]).hello,
    "a wrong gate tag": lambda: _with(first_message().hello, 30),
    "a changed ephemeral": lambda: _with(first_message().hello, 50),
    "a changed version": lambda: _with(first_message().hello, 0),
    "the wrong static key": lambda: first_message(but(A, static_private=fixed("other"))).hello,
    "our own side": lambda: first_message(but(B, static_private=A.static_private)).hello,
}


def _with(message: bytes, at: int) -> bytes:
    changed = bytearray(message)
    changed[at] ^= 1
    return bytes(changed)


class TestStrangers:
    @pytest.mark.parametrize("ends", [socket_pair, tcp_pair])
    @pytest.mark.parametrize("name", STRANGERS)
    def test_a_stranger_gets_no_byte(self, name: str, ends: Callable[[], tuple[socket.socket, socket.socket]]) -> None:
        async def main() -> None:
            left, right = ends()
            accepted = accepting(right)
            await asyncio.get_running_loop().sock_sendall(left, STRANGERS[name]() + os.urandom(50))
            assert await read_all(left) == b""
            with pytest.raises(AuthenticationFailed):
                await accepted
            left.close()

        run(main())

    @pytest.mark.campaign
    def test_bad_hellos_are_answered_with_no_byte(self) -> None:
        tries = 10_000 if FULL else 200

        async def main() -> int:
            chance, answered, lookup, recent = random.Random(7), 0, Keys(B), RecentHellos(64)
            for _ in range(tries):
                left, right = socket_pair()
                accepted = accepting(right, lookup=lookup, recent=recent)
                message = bytearray(first_message().hello)
                for at in chance.sample(range(HELLO_SIZE), chance.choice([1, 1, 2, 40])):
                    message[at] ^= 1 << chance.randrange(8)
                await asyncio.get_running_loop().sock_sendall(left, bytes(message))
                answered += len(await read_all(left))
                with pytest.raises(GimmalError):
                    await accepted
                left.close()
            return answered

        answered = run(main(), 600, debug=False)
        figure(f"{tries} bad hellos: bytes answered", answered, "0")
        assert answered == 0

    @pytest.mark.parametrize("sent", [0, 1, HELLO_SIZE - 1])
    def test_a_caller_that_leaves_early_gets_no_byte(self, sent: int) -> None:
        async def main() -> None:
            left, right = socket_pair()
            accepted = accepting(right)
            await asyncio.get_running_loop().sock_sendall(left, first_message().hello[:sent])
            left.shutdown(socket.SHUT_WR)
            assert await read_all(left) == b""
            with pytest.raises(Interrupted):
                await accepted
            left.close()

        run(main())

    @pytest.mark.parametrize("pace", [None, 0.01])
    def test_a_slow_caller_is_closed_at_the_deadline(self, pace: float | None) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            left, right = socket_pair()
            begun = loop.time()
            accepted = accepting(right, deadline=0.2)

            async def dribble() -> None:
                for byte in first_message().hello:
                    await loop.sock_sendall(left, bytes([byte]))
                    await asyncio.sleep(pace or 0)

            dribbling = asyncio.create_task(dribble()) if pace else None
            assert await read_all(left) == b""
            took = loop.time() - begun
            assert took >= 0.15
            assert within(took, 2)
            with pytest.raises(DeadlinePassed):
                await accepted
            if dribbling is not None:
                dribbling.cancel()
                await asyncio.gather(dribbling, return_exceptions=True)
            left.close()

        run(main())

    def test_a_friend_that_stops_after_the_handshake_is_closed_at_the_deadline(self) -> None:
        async def main() -> None:
            left, right = socket_pair()
            accepted = accepting(right, deadline=1)
            raw = await raw_dial(left)
            assert (await raw.get())[0] == RecordKind.HELLO
            await raw.put(RecordKind.HELLO, body=hello())
            with pytest.raises(EOFError):
                await raw.get()
            with pytest.raises(DeadlinePassed):
                await accepted
            raw.close()

        run(main())

    def test_a_repeated_first_message_gets_no_byte(self) -> None:
        async def main() -> None:
            message = first_message().hello
            recent, sizes = RecentHellos(64), []
            for _ in range(3):
                left, right = socket_pair()
                accepted = accepting(right, recent=recent, deadline=1)
                await asyncio.get_running_loop().sock_sendall(left, message)
                sizes.append(len(await read_all(left)))
                with pytest.raises((AuthenticationFailed, DeadlinePassed)):
                    await accepted
                left.close()
            assert sizes[0] > ANSWER_SIZE  # the first is a friend's, as far as anyone can tell yet
            assert sizes[1:] == [0, 0]

        run(main())

    def test_a_replayed_opening_opens_nothing(self) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            recorded: list[bytes] = []
            left, right = socket_pair()
            accepted = accepting(right)
            initiator = first_message()
            await loop.sock_sendall(left, initiator.hello)
            answer = await exactly(left, ANSWER_SIZE)
            raw = Raw(left, LinkCipher(initiator.receive(answer)))
            recorded = [
                initiator.hello,
                raw.seal(RecordKind.HELLO, body=hello()),
                raw.seal(RecordKind.JOIN, body=encode(Join(0, bulk=False))),
            ]
            await raw.send(*recorded[1:])
            (await accepted).link.fail(ENDED)
            raw.close()

            left, right = socket_pair()
            accepted = accepting(right)  # with a memory that has lost the first message
            await loop.sock_sendall(left, b"".join(recorded))
            with pytest.raises(AuthenticationFailed):
                await accepted
            left.close()

        run(main())
