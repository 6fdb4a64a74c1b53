"""Legs and controls inside TLS and WebSocket, at the relay: the same grants, limits and penalties as all others."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest

from gimmal.base.web_socket import WebSocketClient
from gimmal.protocol.relay.messages import CONTROL_PATH, DATA_LEG, HTTP_PROTOCOL, LEG_PATH
from gimmal.relay.ledger_sqlite import SqliteLedger
from gimmal.relay.limits import RelayLimits
from tests.patience import within
from tests.relay.halves import (
    DEADLINE,
    LinkQueue,
    RunningRelay,
    answering,
    asking,
    eventually,
    new_pair,
    running_relay,
)
from tests.relay.test_abuse import FREE, answer_to, connect_raw

CHALLENGE_SIZE = 2 + 1 + 1 + 1 + 2 + 32


def client_tls(*protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


class Inside:
    """A connection to a relay inside TLS, in plain asyncio."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readexactly(count)

    async def read_to_end(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read(-1)
            except (ConnectionError, ssl.SSLError):
                return b""

    def close(self) -> None:
        self.writer.transport.abort()


async def inside(relay: RunningRelay, *protocols: str) -> Inside:
    return Inside(
        *await asyncio.open_connection(relay.url.host, relay.url.port, ssl=client_tls(*(protocols or (HTTP_PROTOCOL,))))
    )


async def upgraded(connection: Inside, path: str) -> tuple[WebSocketClient, list[bytes]]:
    """A WebSocket in a connection, and the payload that came with its opening."""
    machine, payload = WebSocketClient("relay", 1, path), []
    await connection.send(machine.data_to_send())
    async with asyncio.timeout(DEADLINE):
        while not machine.opened and not machine.ended:
            payload += machine.receive(await connection.reader.read(1))
    return machine, payload


async def tickets(relay: RunningRelay) -> tuple[bytes, bytes]:
    """The asker's and the answerer's ticket of a new link."""
    pair, offers = new_pair(), LinkQueue()
    agent, command = answering(relay, pair.a, offers), asking(relay, pair.b)
    await agent.connect(DEADLINE)
    await command.connect(DEADLINE)
    number, waiting = command._ask()
    issued = relay.server._office._by_ticket
    await eventually(lambda: len(issued) == 2)
    ticket = await waiting
    command._links.pop(number)
    (other,) = [one for one in issued if one != ticket]
    await command.close()
    return ticket, other


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent lets offers pass: these tests dial both legs."""
    from gimmal.transport.relay_legs import LegDialler

    async def nothing(self: LegDialler, ticket: bytes) -> None:
        return None

    monkeypatch.setattr(LegDialler, "answer", nothing)


def test_a_leg_inside_tls_joins_a_raw_one_and_all_bytes_are_counted(tmp_path: Path, no_answer: None) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ledger = SqliteLedger(tmp_path / "ledger.sqlite", 10)
        async with running_relay(tmp_path) as relay:
            one, other = await tickets(relay)
            wrapped = await inside(relay)
            # Hello and first bytes in one write, as a half may.
            await wrapped.send(bytes((DATA_LEG,)) + one + b"early")
            raw = await connect_raw(relay)
            await loop.sock_sendall(raw, bytes((DATA_LEG,)) + other)
            async with asyncio.timeout(DEADLINE):
                assert await loop.sock_recv(raw, 100) == b"early"
            await loop.sock_sendall(raw, b"late")
            assert await wrapped.read(4) == b"late"
            assert relay.server.links == 1
            raw.close()
            assert await wrapped.read_to_end() == b""
            wrapped.close()
            await eventually(lambda: relay.server.links == 0 and len(relay.server._wrapped) == 0)
        import sqlite3

        (total,) = sqlite3.connect(tmp_path / "ledger.sqlite").execute("SELECT sum(bytes) FROM usage").fetchone()
        assert total == len(b"early" + b"late")
        ledger.close()

    asyncio.run(scenario())


def test_a_leg_inside_websocket_joins_one_inside_tls(tmp_path: Path, no_answer: None) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            one, other = await tickets(relay)
            web, tls = await inside(relay), await inside(relay)
            machine, _ = await upgraded(web, LEG_PATH)
            assert machine.opened
            machine.send(bytes((DATA_LEG,)) + one + b"from web")
            await web.send(machine.data_to_send())
            await tls.send(bytes((DATA_LEG,)) + other)
            assert await tls.read(8) == b"from web"
            await tls.send(b"from tls")
            got = b""
            while len(got) < 8:
                got += b"".join(machine.receive(await web.read(1)))
            assert got == b"from tls"
            web.close()
            assert await tls.read_to_end() == b""
            tls.close()
            await eventually(lambda: relay.server.connections == 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("over_tls", [True, False])
def test_a_control_inside_websocket_begins_with_the_challenge(tmp_path: Path, over_tls: bool) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path, FREE) as relay:
            if over_tls:
                connection = await inside(relay)
            else:
                connection = Inside(*await asyncio.open_connection(relay.url.host, relay.url.port))
            machine, payload = await upgraded(connection, CONTROL_PATH)
            while len(b"".join(payload)) < CHALLENGE_SIZE:
                payload += machine.receive(await connection.read(1))
            assert len(b"".join(payload)) == CHALLENGE_SIZE and b"".join(payload)[3] == 1
            connection.close()
            await eventually(lambda: relay.server.connections == 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n",
        (
            b"GET /gimmal/1/other HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        b"G" * 20_000,
        b"POST / HTTP/1.1\r\n\r\n",
        bytes((DATA_LEG,)) + bytes(32),
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00",
    ],
    ids=["page", "path", "long", "post", "ticket", "tls in tls", "zero"],
)
@pytest.mark.parametrize("over_tls", [True, False])
def test_strangers_get_no_byte(tmp_path: Path, sent: bytes, over_tls: bool) -> None:
    async def scenario() -> None:
        # One offence, and the source is shut out.
        async with running_relay(tmp_path, RelayLimits(free_offences=0, bad_hello_penalty=1000)) as relay:
            if over_tls:
                connection = await inside(relay)
                await connection.send(sent)
                assert await connection.read_to_end() == b""
                connection.close()
            elif sent[:1] != b"\x16":
                assert await answer_to(relay, sent) == b""
            else:
                return
            await eventually(lambda: relay.server.connections == 0)
            assert relay.server._penalties.is_blocked("127.0.0.1", asyncio.get_running_loop().time())

    asyncio.run(scenario())


def test_a_leg_is_only_where_a_leg_was_asked_for(tmp_path: Path, no_answer: None) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path, FREE) as relay:
            one, _ = await tickets(relay)
            # Without ALPN it is a control, to which a ticket is noise.
            plain = Inside(*await asyncio.open_connection(relay.url.host, relay.url.port, ssl=client_tls()))
            await plain.send(bytes((DATA_LEG,)) + one)
            assert len(await plain.read_to_end()) <= CHALLENGE_SIZE
            plain.close()
            assert one in relay.server._office._by_ticket

    asyncio.run(scenario())


def test_a_ticket_shown_twice_is_no_offence_and_an_invented_one_is(tmp_path: Path, no_answer: None) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path, RelayLimits(free_offences=0, bad_hello_penalty=1000)) as relay:
            one, _ = await tickets(relay)
            blocked = relay.server._penalties.is_blocked
            first = await connect_raw(relay)
            await asyncio.get_running_loop().sock_sendall(first, bytes((DATA_LEG,)) + one)
            await eventually(lambda: one not in relay.server._office._by_ticket)
            again = await inside(relay)
            await again.send(bytes((DATA_LEG,)) + one)
            assert await again.read_to_end() == b""
            assert not blocked("127.0.0.1", asyncio.get_running_loop().time())
            invented = await inside(relay)
            await invented.send(bytes((DATA_LEG,)) + bytes(32))
            assert await invented.read_to_end() == b""
            assert blocked("127.0.0.1", asyncio.get_running_loop().time())
            for connection in (again, invented):
                connection.close()
            first.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("stage", ["tls", "request", "path", "ticket"])
def test_every_stage_is_within_the_one_deadline(tmp_path: Path, stage: str) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path, RelayLimits(hello_seconds=0.6)) as relay:
            started = time.monotonic()
            connection = await inside(relay)
            if stage == "request":
                await connection.send(b"GET /gimmal/1/leg HTTP/1.1\r\n")
            elif stage == "path":
                await upgraded(connection, LEG_PATH)
            elif stage == "ticket":
                await connection.send(bytes((DATA_LEG,)) + bytes(31))
            assert await connection.read_to_end() == b""
            assert within(time.monotonic() - started, 2)
            connection.close()
            await eventually(lambda: relay.server.connections == 0)

    asyncio.run(scenario())


def test_a_receiver_inside_tls_that_takes_nothing_loses_its_link(tmp_path: Path, no_answer: None) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running_relay(tmp_path, RelayLimits(stalled_seconds=0.5)) as relay:
            one, other = await tickets(relay)
            frozen = socket.socket()
            frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            frozen.setblocking(False)
            await loop.sock_connect(frozen, (relay.url.host, relay.url.port))
            # TLS by hand, so that nothing reads behind our back.
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = client_tls(HTTP_PROTOCOL).wrap_bio(incoming, outgoing)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await loop.sock_sendall(frozen, outgoing.read())
                    incoming.write(await loop.sock_recv(frozen, 65_536))
            tls.write(bytes((DATA_LEG,)) + one)
            await loop.sock_sendall(frozen, outgoing.read())
            raw = await connect_raw(relay)
            await loop.sock_sendall(raw, bytes((DATA_LEG,)) + other)
            flooding = loop.create_task(loop.sock_sendall(raw, bytes(50_000_000)))
            await eventually(lambda: relay.server.links == 1)
            await eventually(lambda: relay.server.links == 0)
            await asyncio.wait([flooding])
            assert flooding.exception() is not None
            held = relay.server._wrapped._carriers
            assert all(len(carrier._left) + carrier._stream.unsent <= 2 * 16_384 + 2_000 for carrier in held)
            frozen.close()
            raw.close()
            await eventually(lambda: len(relay.server._wrapped) == 0)

    asyncio.run(scenario())


def test_a_stop_leaves_nothing(tmp_path: Path, no_answer: None) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            one, other = await tickets(relay)
            legs = [await inside(relay), await inside(relay)]
            for leg, ticket in zip(legs, (one, other), strict=True):
                await leg.send(bytes((DATA_LEG,)) + ticket)
            await eventually(lambda: relay.server.links == 1)
            waiting = await inside(relay)
        for leg in (*legs, waiting):
            assert await leg.read_to_end() == b""
            leg.close()
        assert relay.server.connections == 0

    asyncio.run(scenario())


def request_for(path: str, *forwarded: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    lines += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *(f"X-Forwarded-For: {one}" for one in forwarded)]
    return "\r\n".join((*lines, "", "")).encode()


async def bad_leg(relay: RunningRelay, source: str, *forwarded: str) -> None:
    """A WebSocket from `source` whose first message is an invented ticket."""
    sock = await connect_raw(relay, source)
    loop = asyncio.get_running_loop()
    message = bytes((DATA_LEG,)) + bytes(32)
    await loop.sock_sendall(sock, request_for(LEG_PATH, *forwarded))
    async with asyncio.timeout(DEADLINE):
        answer = await loop.sock_recv(sock, 4096)
        if answer:
            assert answer.startswith(b"HTTP/1.1 101 ")
            await loop.sock_sendall(sock, bytes((0x82, 0x80 | len(message))) + bytes(4) + message)
            while await loop.sock_recv(sock, 4096):
                pass
    sock.close()


@pytest.mark.parametrize(
    ("forwarded", "shut_out"),
    [
        (("198.51.100.7",), "198.51.100.7"),
        (("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        (("203.0.113.9", "198.51.100.7"), "198.51.100.7"),
        (("2001:db8::5",), "2001:db8::/64"),
    ],
)
def test_behind_a_named_proxy_whoever_asks_pays_for_himself(
    tmp_path: Path, forwarded: tuple[str, ...], shut_out: str
) -> None:
    async def scenario() -> None:
        limits = RelayLimits(free_offences=0, bad_hello_penalty=1000)
        async with running_relay(tmp_path, limits, behind=frozenset(("127.0.0.9",))) as relay:
            await bad_leg(relay, "127.0.0.9", *forwarded)
            blocked, now = relay.server._penalties.is_blocked, asyncio.get_running_loop().time()
            assert blocked(shut_out, now) and not blocked("127.0.0.9", now)
            # The next one for the same is closed at once, one for another is not.
            again = await connect_raw(relay, "127.0.0.9")
            await asyncio.get_running_loop().sock_sendall(again, request_for(LEG_PATH, *forwarded))
            async with asyncio.timeout(DEADLINE):
                await read_until_end(again)
            await eventually(lambda: relay.server.connections == 0)
            other = await connect_raw(relay, "127.0.0.9")
            await asyncio.get_running_loop().sock_sendall(other, request_for(LEG_PATH, "192.0.2.1"))
            await eventually(lambda: relay.server._half_open._held.get("192.0.2.1") is not None)
            again.close()
            other.close()

    asyncio.run(scenario())


async def read_until_end(sock: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(sock, 4096):
        pass


@pytest.mark.parametrize("forwarded", ["198.51.100.7", "nonsense", ""])
def test_nobody_else_is_believed(tmp_path: Path, forwarded: str) -> None:
    async def scenario() -> None:
        limits = RelayLimits(free_offences=0, bad_hello_penalty=1000)
        async with running_relay(tmp_path, limits, behind=frozenset(("127.0.0.9",))) as relay:
            await bad_leg(relay, "127.0.0.8", forwarded)
            blocked, now = relay.server._penalties.is_blocked, asyncio.get_running_loop().time()
            assert blocked("127.0.0.8", now) and not blocked("198.51.100.7", now)

    asyncio.run(scenario())


def test_silence_is_excused_where_a_half_is_known_and_nowhere_else(tmp_path: Path) -> None:
    """A network that swallows raw legs leaves silent connections here."""

    async def scenario() -> None:
        limits = RelayLimits(free_offences=0, hello_seconds=0.3, deadline_penalty=1000, no_hello_penalty=1000)
        async with running_relay(tmp_path, limits) as relay:
            blocked, now = relay.server._penalties.is_blocked, asyncio.get_running_loop().time
            client = asking(relay, new_pair().a)
            await client.connect(DEADLINE)
            silent, stranger = await connect_raw(relay), await connect_raw(relay, "127.0.0.8")
            ended = await connect_raw(relay)
            ended.close()
            await eventually(lambda: len(relay.server._half_open) == 0)
            assert not blocked("127.0.0.1", now()) and blocked("127.0.0.8", now())
            await client.close()
            # It is remembered for a moment after it has left; one that says nonsense is not excused.
            await eventually(lambda: relay.server.connections == 0)
            late = await connect_raw(relay)
            await eventually(lambda: len(relay.server._half_open) == 1)
            await eventually(lambda: len(relay.server._half_open) == 0)
            assert not blocked("127.0.0.1", now())
            assert await answer_to(relay, b"x") == b""
            await eventually(lambda: blocked("127.0.0.1", now()))
            relay.server._reception.forget(now() + 31)
            assert not relay.server._reception.knows("127.0.0.1")
            for sock in (silent, stranger, late):
                sock.close()

    asyncio.run(scenario())
