"""A stream behind a socket pair: every byte passes, in order, and neither end makes the other hold much."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gimmal.base import carrier as carrier_module
from gimmal.base.carrier import Carrier, socket_pair
from gimmal.base.socket_stream import SocketStream, Stream
from gimmal.base.tls_stream import TlsStream
from gimmal.base.web_socket import WebSocketClient, WebSocketServer
from gimmal.base.web_stream import WebStream
from gimmal.relay.certificate import load_or_make_certificate, server_context
from tests.relay.halves import DEADLINE, eventually, read_exactly, read_to_end

KINDS = ("plain", "tls", "web", "web in tls")


class Waiting:
    """Owns a stream until it is ready."""

    def __init__(self) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.received = b""

    def stream_ready(self) -> None:
        self.ready.set_result(None)

    def stream_data(self, data: bytes) -> None:
        self.received += data

    def stream_lost(self, failure: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(failure or EOFError())


def make(kind: str, sock: socket.socket, state: Path, owner: Waiting, *, asks: bool) -> tuple[Stream, SocketStream]:
    lower: SocketStream
    if "tls" in kind:
        if asks:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            lower = TlsStream(sock, context, owner, server_hostname="")
        else:
            lower = TlsStream(sock, server_context(*load_or_make_certificate(state))[0], owner)
    else:
        lower = SocketStream(sock, owner)
    if "web" not in kind:
        return lower, lower
    machine = WebSocketClient("x", 1, "/leg") if asks else WebSocketServer(("/leg",))
    return WebStream(lower, machine, owner), lower


@asynccontextmanager
async def two_ends(
    kind: str, state: Path
) -> AsyncIterator[tuple[socket.socket, socket.socket, list[Carrier], list[Stream]]]:
    """The far ends of two carriers whose streams lead to each other."""
    owners = [Waiting(), Waiting()]
    ends, carriers, streams = [], [], []
    for index, sock in enumerate(socket_pair()):
        stream, lower = make(kind, sock, state, owners[index], asks=index == 0)
        streams.append(stream)
        lower.start()
    async with asyncio.timeout(DEADLINE):
        for owner in owners:
            await owner.ready
    for owner, stream in zip(owners, streams, strict=True):
        near, far = socket_pair()
        carrier = Carrier(stream, near)
        carrier.start(owner.received)
        carriers.append(carrier)
        ends.append(far)
    try:
        yield ends[0], ends[1], carriers, streams
    finally:
        for carrier in carriers:
            carrier.close()
        for end in ends:
            end.close()


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_pass_both_ways_at_once(tmp_path: Path, kind: str) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        up, down = os.urandom(3_000_000), os.urandom(2_000_000)
        async with two_ends(kind, tmp_path) as (one, other, _, _):
            got_down, got_up, _, _ = await asyncio.gather(
                read_exactly(one, len(down)),
                read_exactly(other, len(up)),
                loop.sock_sendall(one, up),
                loop.sock_sendall(other, down),
            )
            assert hashlib.sha256(got_down).digest() == hashlib.sha256(down).digest()
            assert hashlib.sha256(got_up).digest() == hashlib.sha256(up).digest()

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shut_only", [True, False])
def test_what_was_sent_before_the_end_arrives_and_then_all_is_over(tmp_path: Path, kind: str, shut_only: bool) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        sent = os.urandom(1_500_000)
        async with two_ends(kind, tmp_path) as (one, other, carriers, streams):

            async def send() -> None:
                await loop.sock_sendall(one, sent)
                if shut_only:
                    one.shutdown(socket.SHUT_WR)
                else:
                    one.close()

            got, _ = await asyncio.gather(read_to_end(other), send())
            assert got == sent
            if shut_only:
                assert await read_to_end(one) == b""
            await eventually(lambda: all(carrier._near is None for carrier in carriers))
            assert all(stream.is_over for stream in streams)

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", KINDS)
def test_a_holder_that_does_not_read_is_waited_for_and_little_is_held(tmp_path: Path, kind: str) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        sent = os.urandom(4_000_000)
        async with two_ends(kind, tmp_path) as (one, other, carriers, streams):
            sending = loop.create_task(loop.sock_sendall(one, sent))
            await eventually(lambda: carriers[1]._blocked and carriers[0]._held)
            held = sum(len(carrier._left) for carrier in carriers) + sum(stream.unsent for stream in streams)
            assert held <= 4 * 16_384 + 2_000
            assert not sending.done()
            assert await read_exactly(other, len(sent)) == sent
            await sending

    asyncio.run(scenario())


def test_a_far_end_that_takes_nothing_after_the_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier_module, "_STALLED_SECONDS", 0.2)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with two_ends("tls", tmp_path) as (one, _other, carriers, _streams):
            one_sent = loop.create_task(loop.sock_sendall(one, bytes(4_000_000)))
            await eventually(lambda: carriers[0]._held)
            one_sent.cancel()
            await asyncio.wait([one_sent])
            one.close()
            await eventually(lambda: carriers[0]._near is None)

    asyncio.run(scenario())


def test_its_owner_hears_once_that_it_is_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        over: list[Carrier] = []
        here, there = socket_pair()
        stream = SocketStream(here, Waiting())
        stream.start()
        near, far = socket_pair()
        made = Carrier(stream, near, over.append)
        made.start()
        there.close()
        await eventually(lambda: bool(over))
        made.close()
        assert over == [made]
        assert await read_to_end(far) == b""
        far.close()

    asyncio.run(scenario())


def test_a_stream_that_is_over_before_it_is_carried_is_an_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        here, there = socket_pair()
        stream = SocketStream(here, Waiting())
        stream.start()
        stream.abort()
        near, far = socket_pair()
        Carrier(stream, near).start()
        assert await read_to_end(far) == b""
        for sock in (far, there):
            sock.close()

    asyncio.run(scenario())
