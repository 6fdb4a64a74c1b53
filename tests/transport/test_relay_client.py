"""The half's end towards a relay: whom it believes, what it says when it fails, how it comes back."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gimmal.base.errors import DeadlinePassed, PeerAbsent, RelayError
from gimmal.base.primitives import random_bytes
from gimmal.protocol.relay.messages import Code
from gimmal.protocol.relay.url import RelayUrl
from gimmal.relay.certificate import load_or_make_certificate, server_context
from gimmal.relay.listening import listen
from gimmal.transport import relay_contest, relay_keeper
from gimmal.transport.relay_client import RelayRefusedError, peer_absent
from gimmal.transport.relay_keeper import RelayKeeper, RelayStatus
from gimmal.transport.tcp_connect import connect_tcp
from tests.patience import within
from tests.relay.halves import (
    DEADLINE,
    LinkQueue,
    answering,
    asking,
    eventually,
    new_pair,
    read_exactly,
    running_relay,
)

DAY = datetime.timedelta(days=1)


def test_wrong_pin_is_named_and_nothing_is_shown_to_the_relay(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            url = RelayUrl(relay.url.host, relay.url.port, random_bytes(32))
            client = asking(url, new_pair().a)
            with pytest.raises(RelayError, match="another key"):
                await client.connect(DEADLINE)
            await eventually(lambda: relay.server.connections == 0)
            assert len(relay.server._reception.board) == 0
            with pytest.raises(RelayError, match="another key"):
                await asking(url, new_pair().a).dial_link(DEADLINE)

    asyncio.run(scenario())


def test_absent_relay_is_named() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        client = asking(RelayUrl("127.0.0.1", port, bytes(32)), new_pair().a)
        with pytest.raises(RelayError, match=f"127.0.0.1:{port} cannot be reached"):
            await client.connect(DEADLINE)
        client = asking(RelayUrl("no-such-host.invalid", 7117, bytes(32)), new_pair().a)
        with pytest.raises(RelayError, match=r"no-such-host\.invalid:7117"):
            await client.connect(DEADLINE)

    asyncio.run(scenario())


@pytest.mark.parametrize("dialling", [True, False])
def test_relay_that_says_nothing_is_left_at_the_deadline(dialling: bool) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            client = asking(RelayUrl("127.0.0.1", silent.getsockname()[1], bytes(32)), new_pair().a)
            started = time.monotonic()
            with pytest.raises((RelayError, DeadlinePassed), match=r"127\.0\.0\.1"):
                await (client.dial_link(0.3) if dialling else client.connect(0.3))
            assert within(time.monotonic() - started, 2)
            await client.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x15\x03\x03\x00\x02\x02\x28"])
def test_something_else_on_that_port_is_a_clean_error(junk: bytes) -> None:
    async def scenario() -> None:
        async def other(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(junk)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(RelayError, match=f"127.0.0.1:{port}"):
                await asking(RelayUrl("127.0.0.1", port, bytes(32)), new_pair().a).connect(DEADLINE)

    asyncio.run(scenario())


def make_web_certificates(
    directory: Path, not_before: datetime.datetime, not_after: datetime.datetime
) -> tuple[Path, tuple[Path, Path]]:
    """A certificate authority and a certificate for localhost."""
    now = datetime.datetime.now(datetime.UTC)

    def build(
        name: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        )

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root = (
        build("root", None, root_key, root_key)
        .not_valid_before(now - 1000 * DAY)
        .not_valid_after(now + 1000 * DAY)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(usage, True)
        .sign(root_key, SHA256())
    )
    leaf = (
        build("localhost", root.subject, key, root_key)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(root_key, SHA256())
    )
    authority, chain, private = directory / "root.pem", directory / "chain.pem", directory / "key.pem"
    authority.write_bytes(root.public_bytes(Encoding.PEM))
    chain.write_bytes(leaf.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return authority, (chain, private)


@pytest.mark.parametrize(
    ("days_left", "host", "good"), [(1, "localhost", True), (-1, "localhost", False), (1, "127.0.0.1", False)]
)
def test_without_a_pin_the_web_pki_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days_left: int, host: str, good: bool
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    authority, files = make_web_certificates(tmp_path, now - 30 * DAY, now + days_left * DAY)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))

    async def scenario() -> None:
        async with running_relay(tmp_path, files=files) as relay:
            client = asking(RelayUrl(host, relay.url.port), new_pair().a)
            if good:
                await client.connect(DEADLINE)
            else:
                with pytest.raises(RelayError, match="certificate of the relay"):
                    await client.connect(DEADLINE)
            await client.close()

    asyncio.run(scenario())


def test_with_a_pin_dates_and_names_do_not_matter(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    _, files = make_web_certificates(tmp_path, now - 400 * DAY, now - 300 * DAY)
    _, pin = server_context(*files)

    async def scenario() -> None:
        async with running_relay(tmp_path, files=files) as relay:
            client = asking(RelayUrl("127.0.0.1", relay.url.port, pin), new_pair().a)
            await client.connect(DEADLINE)
            await client.close()

    asyncio.run(scenario())


def test_self_made_certificate_is_refused_without_a_pin(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            with pytest.raises(RelayError, match="certificate of the relay"):
                await asking(RelayUrl("127.0.0.1", relay.url.port), new_pair().a).connect(DEADLINE)

    asyncio.run(scenario())


def test_relay_that_forwards_another_relays_challenge_gains_nothing(tmp_path: Path) -> None:
    """A hostile relay opens TLS to the honest one and passes all messages on, under its own key."""
    evil_state = tmp_path / "evil"
    evil_state.mkdir()

    async def scenario() -> None:
        pair = new_pair()
        async with running_relay(tmp_path) as honest:
            evil_context, evil_pin = server_context(*load_or_make_certificate(evil_state))
            outward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            outward.check_hostname = False
            outward.verify_mode = ssl.CERT_NONE

            async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    while data := await reader.read(4096):
                        writer.write(data)
                except (ConnectionError, ssl.SSLError):
                    pass
                writer.close()

            async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                far_reader, far_writer = await asyncio.open_connection(honest.url.host, honest.url.port, ssl=outward)
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

            async with await asyncio.start_server(forward, "127.0.0.1", 0, ssl=evil_context) as evil:
                url = RelayUrl("127.0.0.1", evil.sockets[0].getsockname()[1], evil_pin)
                client = answering(url, pair.a)
                with pytest.raises(RelayRefusedError) as caught:
                    await client.connect(DEADLINE)
                assert caught.value.code == Code.PROOF
                assert len(honest.server._reception.board) == 0

    asyncio.run(scenario())


def test_open_connection_fails_every_waiter_when_the_relay_goes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            client = asking(relay, new_pair().a)
            await client.connect(DEADLINE)
        async with asyncio.timeout(DEADLINE):
            failure = await client.closed
        assert isinstance(failure, RelayError)
        with pytest.raises(RelayError):
            await client.request_link(DEADLINE)
        await client.close()

    asyncio.run(scenario())


def test_hostile_sentence_is_shown_escaped(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            client = asking(relay, new_pair().a)
            await client.connect(DEADLINE)
            next(iter(relay.server._reception.seated)).goodbye("stopping", "\x1b[2Jred\u202e")
            async with asyncio.timeout(DEADLINE):
                message = (await client.closed).message
            assert "\x1b" not in message and "\u202e" not in message and "red" in message

    asyncio.run(scenario())


def test_absurd_last_seen_is_survived() -> None:
    assert isinstance(peer_absent((1 << 53) - 1), PeerAbsent)
    assert "never seen" in peer_absent(0).message


def test_flood_of_offers_is_bounded(tmp_path: Path) -> None:
    async def scenario() -> None:
        links = LinkQueue()
        async with running_relay(tmp_path) as relay:
            from gimmal.protocol.relay.messages import Offer

            client = answering(relay, new_pair().a, links)
            await client.connect(DEADLINE)
            for _ in range(500):
                client._machine._events.append(Offer(random_bytes(32), random_bytes(16)))
            client._pump()
            assert len(client._tasks) <= 64
            await client.close()

    asyncio.run(scenario())


def keeper_for(
    url: RelayUrl, links: LinkQueue, on_status: Callable[[RelayStatus], None] | None = None
) -> tuple[RelayKeeper, object]:
    pair = new_pair()
    return RelayKeeper(url, pair.a, random_bytes(16), "test", b"sealed", links, on_status), pair


def test_keeper_comes_back_after_a_restart_of_the_relay(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        links, seen = LinkQueue(), []
        async with running_relay(tmp_path) as relay:
            url = relay.url
            keeper, pair = keeper_for(url, links, lambda status: seen.append(status.connected))
            keeper.start()
            await keeper.wait_connected(DEADLINE)
        await eventually(lambda: not keeper.status.connected)
        assert isinstance(keeper.status.failure, RelayError)
        async with running_relay(tmp_path, port=url.port) as relay:
            assert relay.url == url
            await keeper.wait_connected(DEADLINE)
            command = asking(relay, pair.b)
            near = await command.dial_link(DEADLINE)
            await loop.sock_sendall(near, b"again")
            far = await links.next()
            assert await read_exactly(far, 5) == b"again"
            assert command.peer_candidates == b"sealed"
            near.close()
            far.close()
            await command.close()
            await keeper.close()
        assert True in seen and False in seen

    asyncio.run(scenario())


def test_a_link_asked_for_while_a_keeper_connects_goes_with_its_proof(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running_relay(tmp_path) as relay:
            keeper, pair = keeper_for(relay.url, LinkQueue())
            links = LinkQueue()
            other = answering(relay, pair.b, links)
            await other.connect(DEADLINE)
            keeper.start()
            async with asyncio.timeout(DEADLINE):
                while keeper._client is None:
                    await asyncio.sleep(0)  # any longer, and it is connected
            asked = loop.create_task(keeper.request_link(DEADLINE))
            await asyncio.sleep(0)
            client = keeper._client
            assert client is not None
            assert not keeper.status.connected
            assert list(client._links) == [0], "it is asked for already"
            near = await asked
            await loop.sock_sendall(near, b"early")
            far = await links.next()
            assert await read_exactly(far, 5) == b"early"
            near.close()
            far.close()
            await other.close()
            await keeper.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("late", [False, True])
def test_whoever_does_not_wait_for_that_link_any_more_takes_the_connection_from_nobody(
    tmp_path: Path, *, late: bool
) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            keeper, _pair = keeper_for(relay.url, LinkQueue())
            keeper.start()
            await eventually(lambda: keeper._client is not None)
            client = keeper._client
            if late:
                with pytest.raises(DeadlinePassed):
                    await keeper.request_link(0.0)
            else:
                asked = asyncio.get_running_loop().create_task(keeper.request_link(DEADLINE))
                await asyncio.sleep(0)
                asked.cancel()
                await asyncio.wait([asked])
            await keeper.wait_connected(DEADLINE)
            assert keeper._client is client
            await keeper.close()

    asyncio.run(scenario())


def test_without_the_other_side_it_hears_so_with_the_welcome(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            keeper, _pair = keeper_for(relay.url, LinkQueue())
            keeper.start()
            await eventually(lambda: keeper._client is not None)
            with pytest.raises(PeerAbsent):
                await keeper.request_link(DEADLINE)
            await keeper.wait_connected(DEADLINE)
            await keeper.close()

    asyncio.run(scenario())


def test_keeper_says_why_it_is_not_connected(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        keeper, _ = keeper_for(RelayUrl("127.0.0.1", port, bytes(32)), LinkQueue())
        keeper.start()
        await eventually(lambda: keeper.status.failure is not None)
        with pytest.raises(RelayError, match="cannot be reached"):
            await keeper.wait_connected(0.05)
        started = time.monotonic()
        await keeper.close()
        assert within(time.monotonic() - started, 1)

    asyncio.run(scenario())


def test_whoever_asks_makes_a_keeper_try_at_once_and_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_keeper, "_FIRST_WAIT", 1000.0)
    monkeypatch.setattr(relay_keeper, "_LAST_WAIT", 1000.0)
    monkeypatch.setattr(relay_keeper, "_GONE_SECONDS", 0.0)
    monkeypatch.setattr(relay_keeper, "_TRIED_SECONDS", 0.0)

    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            url = relay.url
        keeper, _ = keeper_for(url, LinkQueue())
        keeper.start()
        await eventually(lambda: keeper.status.failure is not None)
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(RelayError, match="cannot be reached"):
                await keeper.wait_connected(60)
            assert within(time.monotonic() - started, 2)
        async with running_relay(tmp_path, port=url.port):
            await keeper.wait_connected(60)
            assert keeper.status.connected
        await keeper.close()

    asyncio.run(scenario())


def test_a_relay_that_says_nothing_any_more_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_keeper, "_CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(relay_keeper, "_AWAY_SECONDS", 0.5)

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            keeper, _ = keeper_for(RelayUrl("127.0.0.1", silent.getsockname()[1], bytes(32)), LinkQueue())
            keeper.start()
            await eventually(lambda: keeper.status.failure is not None)
            started = time.monotonic()
            with pytest.raises(RelayError, match="did not answer"):
                await keeper.wait_connected(60)
            assert within(time.monotonic() - started, 5)
            await keeper.close()

    asyncio.run(scenario())


def test_a_change_of_network_ends_a_try_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP stands, and TLS goes into the void, as in a network that was just left: the next try does not wait for it."""
    monkeypatch.setattr(relay_keeper, "_CONNECT_SECONDS", 1e6)
    monkeypatch.setattr(relay_contest, "DIRECT_SECONDS", 1e6)

    async def scenario() -> None:
        silent = socket.create_server(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        async with running_relay(tmp_path) as elsewhere:
            pin = elsewhere.url.pin
        keeper, _ = keeper_for(RelayUrl("127.0.0.1", port, pin), LinkQueue())
        keeper.start()
        with silent:
            hanging, _address = await asyncio.to_thread(silent.accept)
        async with running_relay(tmp_path, port=port):
            assert not keeper.status.connected
            tries = keeper._client
            keeper.changed()
            await keeper.wait_connected(DEADLINE)
            assert tries.closed.result().message == "the connection to the relay was given up"
            # The side that hung was left by this, not by its own deadline.
            hanging.settimeout(DEADLINE)
            while hanging.recv(4096):
                pass
        hanging.close()
        await keeper.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("dialling", [True, False])
def test_what_is_given_up_ends_at_once_though_its_way_hangs(dialling: bool) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            client = asking(RelayUrl("127.0.0.1", silent.getsockname()[1], bytes(32)), new_pair().a)
            trying = asyncio.ensure_future(client.dial_link(1e6) if dialling else client.connect(1e6))
            connection, _address = await asyncio.to_thread(silent.accept)
            client.give_up()
            with pytest.raises(RelayError, match="given up"):
                await asyncio.wait_for(trying, DEADLINE)
            connection.close()
            await client.close()

    asyncio.run(scenario())


def test_dead_address_costs_one_stagger(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        listeners = listen("127.0.0.1", 0)
        port = listeners[0].getsockname()[1]
        # A full backlog of a listener that never accepts: connecting to it hangs.
        stuck = socket.socket()
        stuck.bind(("127.0.0.2", port))
        stuck.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", port))

        async def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]

        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        started = time.monotonic()
        sock = await connect_tcp("two.example", port)
        assert sock.getpeername()[0] == "127.0.0.1"
        took = time.monotonic() - started
        assert took > 0.2
        assert within(took, 2)
        for each in (sock, stuck, *fillers, *listeners):
            each.close()

    asyncio.run(scenario())
