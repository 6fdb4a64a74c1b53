"""Networks that block: which way a control and its legs take, what that costs, and what is said when none is left."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import errno
import select
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from gimmal.base.errors import PeerAbsent, RelayError
from gimmal.base.primitives import random_bytes
from gimmal.protocol.relay.messages import DATA_LEG, TLS_HANDSHAKE, Code
from gimmal.protocol.relay.url import RelayUrl
from gimmal.relay.certificate import server_context
from gimmal.relay.limits import RelayLimits
from gimmal.transport import proxy, relay_contest, relay_legs, relayed
from gimmal.transport.asking_relay import AskingRelay
from gimmal.transport.opening import PreparedLink
from gimmal.transport.relay_client import RelayClient, RelayRefusedError
from gimmal.transport.relay_ways import LegWay, RelayWays
from gimmal.transport.relayed import prepare_relayed
from gimmal.transport.second_look import SecondLook
from tests.relay import halves
from tests.relay.halves import (
    DEADLINE,
    LinkQueue,
    PairOfHalves,
    RunningRelay,
    answering,
    asking,
    eventually,
    new_pair,
    read_exactly,
    running_relay,
)
from tests.transport.blocking import Box, Manner, box, connect_proxy
from tests.transport.test_relay_client import make_web_certificates

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubts come sooner; a busy machine may then take a way that it need not, which these tests do not mind."""
    monkeypatch.setattr(relay_legs, "FIRST_BYTE_SECONDS", 0.4)
    monkeypatch.setattr(relayed, "UNPROVEN_SECONDS", 0.8)
    monkeypatch.setattr(relay_contest, "DIRECT_SECONDS", 0.4)
    monkeypatch.setattr(relay_contest, "LIKELY_WEB_SECONDS", 0.2)


@dataclass
class Two:
    """Both sides of a pair at a relay, each by a URL of its own; the agent answers every link's ``hello``."""

    relay: RunningRelay
    pair: PairOfHalves
    agent: RelayClient
    asker: AskingRelay
    links: LinkQueue
    ways: RelayWays

    async def link(self) -> tuple[socket.socket, socket.socket]:
        """A link whose hello was answered: the asker's socket, and the agent's."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Queue[socket.socket] = asyncio.Queue()

        async def answer() -> None:
            while True:
                far = await self.links.next()
                if await read_exactly(far, 5) == b"hello":
                    await loop.sock_sendall(far, b"answer")
                    answered.put_nowait(far)

        async def shake(near: socket.socket, seconds: float) -> PreparedLink:
            try:
                async with asyncio.timeout(seconds):
                    await loop.sock_sendall(near, b"hello")
                    got = b""
                    while len(got) < 6:
                        more = await loop.sock_recv(near, 6 - len(got))
                        if not more:
                            raise PeerAbsent("ended")
                        got += more
            except (OSError, TimeoutError, PeerAbsent) as exc:
                near.close()
                raise PeerAbsent("no answer") from exc
            assert got == b"answer"
            return cast(PreparedLink, near)

        answering_task = loop.create_task(answer())
        try:
            async with asyncio.timeout(DEADLINE):
                near = cast(socket.socket, await prepare_relayed(self.asker, DEADLINE, shake))
                return near, await answered.get()
        finally:
            answering_task.cancel()


@asynccontextmanager
async def two(
    relay: RunningRelay, agent_url: RelayUrl | None = None, asker_url: RelayUrl | None = None
) -> AsyncIterator[Two]:
    pair, links, ways = new_pair(), LinkQueue(), RelayWays()
    agent = answering(agent_url or relay.url, pair.a, links, ways=RelayWays())
    instance = random_bytes(16)
    second = SecondLook(asker_url or relay.url, pair.b, instance, "test")
    asker = AskingRelay(lambda: asking(asker_url or relay.url, pair.b, instance=instance, ways=ways), second)
    try:
        await agent.connect(DEADLINE)
        yield Two(relay, pair, agent, asker, links, ways)
    finally:
        await asker.close()
        await agent.close()


def through(made: Box, url: RelayUrl) -> RelayUrl:
    return RelayUrl("127.0.0.1", made.own_port, url.pin)


async def moves(near: socket.socket, far: socket.socket, size: int = 3_000_000) -> None:
    """Bytes of both directions arrive as they were sent."""
    loop = asyncio.get_running_loop()
    for sender, receiver in ((near, far), (far, near)):
        sent = random_bytes(1000) * (size // 1000)
        sending = loop.create_task(loop.sock_sendall(sender, sent))
        assert await read_exactly(receiver, len(sent)) == sent
        await sending


async def ends(*socks: socket.socket) -> None:
    for sock in socks:
        sock.close()


def current(ways: Any) -> LegWay:
    return cast(LegWay, ways.current(asyncio.get_running_loop().time()))


def test_on_an_open_network_nothing_else_is_tried(tmp_path: Path) -> None:
    """One control and one leg for each side, and each leg raw: as it was before there were other ways."""

    async def scenario() -> None:
        async with running_relay(tmp_path) as relay, box(relay.url.host, relay.url.port) as made:
            url = through(made, relay.url)
            async with two(relay, url, url) as sides:
                for _ in range(3):
                    near, far = await sides.link()
                    await moves(near, far, 100_000)
                    await ends(near, far)
                assert made.seen.count(TLS_HANDSHAKE) == 2
                assert made.seen.count(DATA_LEG) == 6
                assert near.family == far.family == socket.AF_INET
                assert sides.asker.leg_ways is not None and sides.agent.leg_ways is not None
                assert sides.asker.leg_ways.is_proven(LegWay.RAW) and sides.agent.leg_ways.is_proven(LegWay.RAW)

    asyncio.run(scenario())


@pytest.mark.parametrize("manner", Manner)
@pytest.mark.parametrize("side", ["asker", "answerer", "both"])
def test_where_raw_bytes_do_not_pass_legs_go_inside_tls(tmp_path: Path, quick: None, manner: Manner, side: str) -> None:
    async def scenario() -> None:
        async with (
            running_relay(tmp_path) as relay,
            box(relay.url.host, relay.url.port, blocked=bytes((DATA_LEG,)), manner=manner) as made,
        ):
            url = through(made, relay.url)
            async with two(relay, None if side == "asker" else url, None if side == "answerer" else url) as sides:
                near, far = await sides.link()
                await moves(near, far)
                await ends(near, far)
                # Learned: the next link costs no raw try any more.
                before = made.seen.count(DATA_LEG)
                near, far = await sides.link()
                await moves(near, far, 10_000)
                await ends(near, far)
                assert made.seen.count(DATA_LEG) == before
                if side != "asker":
                    assert current(sides.agent.leg_ways) is LegWay.TLS
                if side != "answerer":
                    assert current(sides.asker.leg_ways) is LegWay.TLS
                await eventually(lambda: relay.server.links == 0)

    asyncio.run(scenario())


def test_bytes_inside_tls_count_as_all_others(tmp_path: Path, quick: None) -> None:
    async def scenario() -> None:
        async with (
            running_relay(tmp_path) as relay,
            box(relay.url.host, relay.url.port, blocked=bytes((DATA_LEG,))) as made,
        ):
            url = through(made, relay.url)
            async with two(relay, url, url) as sides:
                near, far = await sides.link()
                await moves(near, far, 1_000_000)
                await ends(near, far)
                await eventually(lambda: relay.server.links == 0)
                counted = sum(relay.server._meter.take().values())
                # The links of the tries that came to nothing carried a hello at most.
                assert 2_000_011 <= counted <= 2_000_011 + 50

    asyncio.run(scenario())


def behind(url: RelayUrl) -> RelayUrl:
    """The URL of a relay whose name only a proxy knows."""
    return RelayUrl("relay.invalid", 443, url.pin)


def test_everything_through_the_proxy_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with (
            running_relay(tmp_path) as relay,
            connect_proxy(credentials="anna:s3cr t", target=(relay.url.host, relay.url.port)) as gate,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://anna:s3cr%20t@127.0.0.1:{gate.port}")
            url = behind(relay.url)
            async with two(relay, url, url) as sides:
                near, far = await sides.link()
                await moves(near, far)
                await ends(near, far)
                await eventually(lambda: relay.server.links == 0)
            # Two controls, two legs; nothing was tried twice.
            assert gate.asked == ["relay.invalid:443"] * 4

    asyncio.run(scenario())


@contextlib.contextmanager
def port_that_takes_nothing() -> Iterator[int]:
    """A port of 127.0.0.1 that drops whoever wants to connect: its queue is full, and nobody empties it."""
    with contextlib.ExitStack() as undo:
        listener = undo.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = False
        while not waiting:
            filling = undo.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
            waiting = not select.select([], [filling], [], 0.2)[1]
        yield listener.getsockname()[1]


def test_where_not_even_tcp_gets_past_the_proxy_it_is_soon_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_contest, "LIKELY_WEB_SECONDS", 1000.0)

    async def scenario() -> None:
        with port_that_takes_nothing() as port:
            async with running_relay(tmp_path) as relay, connect_proxy(target=("127.0.0.1", relay.url.port)) as gate:
                monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{gate.port}")
                url = RelayUrl("127.0.0.1", port, relay.url.pin)
                async with two(relay, url, url) as sides:
                    near, far = await sides.link()
                    await ends(near, far)
                assert set(gate.asked) == {f"127.0.0.1:{port}"}

    asyncio.run(scenario())


def test_a_relay_that_takes_tcp_but_is_slow_is_given_longer_before_the_proxy_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_contest, "LIKELY_WEB_SECONDS", 1000.0)
    monkeypatch.setattr(relay_contest, "UNREACHED_SECONDS", 2.0)

    async def scenario() -> None:
        async with (
            running_relay(tmp_path) as relay,
            box(relay.url.host, relay.url.port, delay=2.2) as made,
            connect_proxy() as gate,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{gate.port}")
            client = asking(through(made, relay.url), new_pair().a, ways=RelayWays())
            await client.connect(DEADLINE)
            await client.close()
            assert gate.asked == []

    asyncio.run(scenario())


def test_a_host_that_is_excepted_goes_past_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay, connect_proxy() as gate:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{gate.port}")
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            async with two(relay) as sides:
                near, far = await sides.link()
                await ends(near, far)
            assert gate.asked == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("more", "user", "says"),
    [
        ({"credentials": "anna:secret"}, "", "wants a name and a password"),
        ({"credentials": "anna:secret"}, "anna:wrong-secret@", "does not take the name and password"),
        ({"canned": b"HTTP/1.1 401 Unauthorized\r\n\r\n"}, "anna:wrong-secret@", "does not take the name and password"),
        ({"canned": b"HTTP/1.1 403 Forbidden\r\n\r\n"}, "", "does not let this host and port through"),
        ({"canned": b"HTTP/1.1 502 Bad Gateway\r\n\r\n"}, "", "answers 502"),
        ({"canned": b"SSH-2.0-OpenSSH_9.2\r\n"}, "", "no HTTP proxy"),
        ({"canned": b""}, "", "closed the connection"),
        ({"canned": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: 0123456789\r\n" * 50_000}, "", "has no end"),
        ({"canned": b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH_9.2\r\n"}, "", "nobody asked for"),
        ({"silent": True}, "", "does not answer within"),
    ],
    ids=["no name", "wrong", "401", "403", "502", "garbage", "closes", "1 MB of headers", "talks first", "stalls"],
)
def test_what_a_proxy_does_wrong_is_named_with_relay_and_way_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], user: str, says: str
) -> None:
    monkeypatch.setattr(proxy, "ANSWER_SECONDS", 1.0 if "silent" in more else DEADLINE)

    async def scenario() -> None:
        async with connect_proxy(**more) as gate:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{user}127.0.0.1:{gate.port}")
            client = asking(RelayUrl("relay.invalid", 443, bytes(32)), new_pair().a)
            with pytest.raises(RelayError) as caught:
                await client.connect(DEADLINE)
            told = caught.value.message
            assert says in told
            assert "the relay relay.invalid:443 cannot be reached: " in told
            assert f"by WebSocket through the proxy 127.0.0.1:{gate.port}: " in told
            assert "secret" not in told + caught.value.hint and "anna" not in told + caught.value.hint
            await client.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("reached", [False, True], ids=["drops", "swallows"])
@pytest.mark.parametrize("web_first", [False, True])
def test_a_wrong_password_is_told_at_once_where_nothing_gets_out_past_the_proxy(
    monkeypatch: pytest.MonkeyPatch, reached: bool, web_first: bool
) -> None:
    monkeypatch.setattr(relay_contest, "LIKELY_WEB_SECONDS", 0.1)
    monkeypatch.setattr(relay_contest, "AFTER_REFUSAL_SECONDS", 0.1)
    monkeypatch.setattr(relay_contest, "DIRECT_SECONDS", 0.3)

    async def no_answer(_url: RelayUrl, **_more: object) -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        swallows = box("127.0.0.1", 9, blocked=bytes(range(256)), manner=Manner.SWALLOW)
        async with connect_proxy(credentials="anna:secret") as gate, swallows as made:
            monkeypatch.setenv("HTTPS_PROXY", f"http://anna:wrong@127.0.0.1:{gate.port}")
            monkeypatch.setattr(relay_contest, "proxy_for", lambda _host: proxy.proxy_for("relay.invalid"))
            if not reached:
                monkeypatch.setattr(relay_contest, "dial_tls", no_answer)
            ways = RelayWays()
            if web_first:
                ways.connected("127.0.0.1", True, asyncio.get_running_loop().time())
            client = asking(RelayUrl("127.0.0.1", made.own_port, bytes(32)), new_pair().a, ways=ways)
            with pytest.raises(RelayError, match="does not take the name and password") as caught:
                await client.connect(1000.0)
            # Whoever tries again and again would have the account locked.
            assert caught.value.hopeless
            assert len(gate.asked) == 1
            await client.close()

    asyncio.run(asyncio.wait_for(scenario(), DEADLINE))


@pytest.mark.parametrize(
    ("user", "answers", "hopeless"),
    [("", "refuses", False), ("anna:wrong@", "refuses", True), ("", "never", True)],
)
def test_where_no_password_is_at_stake_a_relay_that_restarts_is_tried_again_soon(
    monkeypatch: pytest.MonkeyPatch, user: str, answers: str, hopeless: bool
) -> None:
    monkeypatch.setattr(relay_contest, "LIKELY_WEB_SECONDS", 0.1)
    monkeypatch.setattr(relay_contest, "AFTER_REFUSAL_SECONDS", 0.1)

    async def direct(_url: RelayUrl, **_more: object) -> None:
        if answers == "refuses":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with connect_proxy(credentials="anna:secret") as gate:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{user}127.0.0.1:{gate.port}")
            monkeypatch.setattr(relay_contest, "dial_tls", direct)
            client = asking(RelayUrl("relay.invalid", 443, bytes(32)), new_pair().a)
            with pytest.raises(RelayError, match=r"name and (a )?password") as caught:
                await client.connect(DEADLINE)
            assert caught.value.hopeless is hopeless
            await client.close()

    asyncio.run(scenario())


def test_past_a_proxy_that_says_no_the_direct_way_is_still_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_contest, "LIKELY_WEB_SECONDS", 0.0)

    async def scenario() -> None:
        async with running_relay(tmp_path) as relay, connect_proxy(credentials="anna:secret") as gate:
            monkeypatch.setenv("HTTPS_PROXY", f"http://anna:wrong@127.0.0.1:{gate.port}")
            monkeypatch.setattr(relay_contest, "proxy_for", lambda _host: proxy.proxy_for("relay.invalid"))
            refused = asyncio.Event()
            dial_tls = relay_contest.dial_tls

            async def late(url: RelayUrl, **_more: object) -> object:
                while not gate.asked:
                    await asyncio.sleep(0)
                refused.set()
                return await dial_tls(url)

            monkeypatch.setattr(relay_contest, "dial_tls", late)
            client = asking(relay, new_pair().a)
            await client.connect(DEADLINE)
            assert refused.is_set()
            await client.close()

    asyncio.run(scenario())


def test_a_proxy_that_cannot_be_used_is_named_and_the_direct_way_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://anna:secret@127.0.0.1:1080")

    async def scenario() -> None:
        async with running_relay(tmp_path) as relay:
            client = asking(relay, new_pair().a)
            await client.connect(DEADLINE)
            await client.close()
            client = asking(RelayUrl("relay.invalid", 443, bytes(32)), new_pair().a)
            with pytest.raises(RelayError, match="is not an HTTP proxy") as caught:
                await client.connect(DEADLINE)
            assert "secret" not in caught.value.message

    asyncio.run(scenario())


@asynccontextmanager
async def reverse_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, relay_has_certificate: bool
) -> AsyncIterator[tuple[RunningRelay, Box]]:
    """TLS of ``localhost`` ends at the box; the relay behind it gets plain bytes."""
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    authority, files = make_web_certificates(tmp_path, now - day, now + day)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    context, _ = server_context(*files)
    async with (
        running_relay(tmp_path, files=files if relay_has_certificate else None) as relay,
        box(relay.url.host, relay.url.port, context=context) as made,
    ):
        yield relay, made


def test_a_reverse_proxy_with_the_relays_certificate_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    async def scenario() -> None:
        async with reverse_proxy(tmp_path, monkeypatch, relay_has_certificate=True) as (relay, made):
            url = RelayUrl("localhost", made.own_port)
            async with two(relay, url, url) as sides:
                near, far = await sides.link()
                await moves(near, far)
                await ends(near, far)
                # Direct TLS was tried for the control of each side, and the relay was told nothing of it.
                assert set(made.seen) == {ord("G")}

    asyncio.run(scenario())


def test_a_pin_is_kept_through_a_proxy_that_ends_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    async def scenario() -> None:
        async with reverse_proxy(tmp_path, monkeypatch, relay_has_certificate=False) as (relay, made):
            pinned = RelayUrl("localhost", made.own_port, relay.url.pin)
            with pytest.raises(RelayError, match="shows another key than its URL names"):
                await asking(pinned, new_pair().a).connect(DEADLINE)
            assert made.seen == []

    asyncio.run(scenario())


def test_a_trusted_certificate_in_between_does_not_fool_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    """As where a company opens TLS: this computer trusts it, the relay gets a proof for another key."""

    async def scenario() -> None:
        async with reverse_proxy(tmp_path, monkeypatch, relay_has_certificate=False) as (relay, made):
            with pytest.raises(RelayRefusedError) as caught:
                await asking(RelayUrl("localhost", made.own_port), new_pair().a).connect(DEADLINE)
            assert caught.value.code == Code.PROOF
            assert len(relay.server._reception.board) == 0

    asyncio.run(scenario())


def test_what_worked_is_begun_first_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    async def scenario() -> None:
        async with reverse_proxy(tmp_path, monkeypatch, relay_has_certificate=True) as (_, made):
            url, pair, ways = RelayUrl("localhost", made.own_port), new_pair(), RelayWays()
            for _ in range(2):
                client = asking(url, pair.a, ways=ways)
                await client.connect(DEADLINE)
                await client.close()
                monkeypatch.setattr(relay_contest, "DIRECT_SECONDS", 1000.0)
            assert made.seen == [ord("G")] * 2

    asyncio.run(scenario())


def test_where_no_way_brings_an_answer_the_fault_is_not_the_ways(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_relay(tmp_path) as relay, two(relay) as sides:
            seen: list[tuple[LegWay, float]] = []

            async def shake(near: socket.socket, seconds: float) -> PreparedLink:
                seen.append((current(sides.asker.leg_ways), seconds))
                near.close()
                raise PeerAbsent(f"no answer {len(seen)}")

            with pytest.raises(PeerAbsent, match="no answer 1"):
                await prepare_relayed(sides.asker, DEADLINE, shake)
            # Shorter for the raw leg, and no third try: one inside TLS has reached the relay.
            assert [way for way, _ in seen] == [LegWay.RAW, LegWay.TLS] and seen[0][1] < seen[1][1]
            assert current(sides.asker.leg_ways) is LegWay.RAW

    asyncio.run(scenario())


def test_a_relay_of_before_is_not_told_what_it_does_not_know(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It agrees on nothing by ALPN; a leg inside TLS would be nonsense to it, and an offence."""

    def old_context(*files: Path) -> tuple[ssl.SSLContext, bytes]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        return context, server_context(*files)[1]

    monkeypatch.setattr(halves, "server_context", old_context)

    async def scenario() -> None:
        async with (
            running_relay(tmp_path, RelayLimits(free_offences=0, bad_hello_penalty=1000)) as relay,
            box(relay.url.host, relay.url.port, blocked=bytes((DATA_LEG,))) as made,
            two(relay, None, through(made, relay.url)) as sides,
        ):
            loop = asyncio.get_running_loop()

            async def shake(near: socket.socket, seconds: float) -> PreparedLink:
                async with asyncio.timeout(seconds):
                    with contextlib.suppress(ConnectionError):
                        assert await loop.sock_recv(near, 1) == b""
                near.close()
                raise PeerAbsent("no answer")

            with pytest.raises(PeerAbsent):
                await prepare_relayed(sides.asker, DEADLINE, shake)
            assert not relay.server._penalties.is_blocked("127.0.0.1", loop.time())

    asyncio.run(scenario())


class Lost:
    """A relay whose control was lost while it gave a link."""

    leg_ways = None

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    async def link(self, _deadline: float) -> socket.socket:
        return self.connection


def test_a_link_is_used_though_its_relay_was_lost_meanwhile() -> None:
    with socket.socket() as connection:

        async def shake(given: socket.socket, _deadline: float) -> PreparedLink:
            return cast(PreparedLink, given)

        assert asyncio.run(prepare_relayed(Lost(connection), DEADLINE, shake)) is cast(PreparedLink, connection)
