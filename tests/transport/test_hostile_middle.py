"""Someone on the wire flips, drops, doubles, swaps, splices, reflects, inserts and cuts: never a wrong byte."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter

import pytest
from blake3 import blake3

from gimmal.base.errors import GimmalError
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Answer, Done, MakeDirectories, Read, Stat, StreamEnd, Write
from gimmal.transport import link as link_room
from gimmal.transport.exchange import Incoming
from gimmal.transport.link import Link
from tests.figures import figure
from tests.patience import PATIENCE
from tests.transport.helpers import FULL, Recorder, link_pair, run, socket_pair, until
from tests.transport.hostile import DAMAGES, Middle
from tests.transport.sessions import CONTENT, Notes, Pair, collect, read, serve_read, write

TRIES = 2_000 if FULL else 200
SESSIONS = 200 if FULL else 30
ENDED = GimmalError("the test is over")


def through(middle: Middle) -> tuple[socket.socket, socket.socket]:
    ends, beyond = socket_pair(), socket_pair()
    middle.wire(ends, beyond)
    return ends[0], beyond[1]


class Outcome:
    """What came out of a damaged link, against what went in."""

    def __init__(self, sent: list[bytes], receiver: Recorder) -> None:
        got = [body for kind, _, _, body in receiver.records if kind is RecordKind.DATA]
        self.wrong = got != sent[: len(got)]
        whole = len(got) == len(sent) and any(kind is RecordKind.CLOSE for kind, *_ in receiver.records)
        cause = receiver.ended[0] if receiver.ended else None
        self.unreported = bool(receiver.ended) and not whole and cause is None
        self.hanging = not receiver.ended
        self.false_alarm = whole and cause is not None


async def one_try(seed: int) -> tuple[str, bool, Outcome]:
    chance = random.Random(seed)
    damage = DAMAGES[seed % len(DAMAGES)]
    middle = Middle(damage, at=chance.randrange(12), direction=chance.randrange(2), chance=chance)
    first, second = link_pair(through(middle), seed="damaged"), link_pair(through(middle), seed="other")
    receivers = {}
    for link in (*first, *second):
        receivers[link] = Recorder(keep=chance.random() < 0.5)
        link.start(receivers[link])
    sent: dict[Link, list[bytes]] = {link: [] for link in receivers}

    async def talk(link: Link) -> None:
        for _ in range(10):
            body = chance.randbytes(chance.choice([0, 1, 100, 5000, 80_000]))
            sent[link].append(body)
            await link.writable()
            link.post(RecordKind.DATA, 1, 0, body)
            await asyncio.sleep(0)
        if not link.over:
            link.post(RecordKind.PING)

    await asyncio.gather(*(talk(link) for link in receivers))
    # The other side of each link only listens: whoever closes does not read on.
    closing = first[middle.direction], second[middle.direction]
    for link in closing:
        link.close(b"", drain=True)
    await asyncio.gather(*(asyncio.wait_for(asyncio.shield(link.ended), PATIENCE) for link in receivers))
    target = first[1 - middle.direction]
    source = first[middle.direction]
    outcome = Outcome(sent[source], receivers[target])
    untouched = Outcome(sent[closing[1]], receivers[second[1 - middle.direction]])
    assert not (untouched.wrong or untouched.unreported or untouched.false_alarm)
    await middle.close()
    return damage, middle.happened, outcome


@pytest.mark.campaign
def test_links_under_random_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_room, "CLOSE_SECONDS", 0.3)

    async def main() -> tuple[Counter[str], int, int]:
        damaged, wrong, unreported = Counter[str](), 0, 0
        for seed in range(TRIES):
            damage, happened, outcome = await one_try(seed)
            damaged[damage] += happened
            wrong += outcome.wrong
            unreported += outcome.unreported or outcome.hanging
        return damaged, wrong, unreported

    damaged, wrong, unreported = run(main(), 500 if not FULL else 3000, debug=False)
    assert all(damaged[damage] >= TRIES // len(DAMAGES) // 3 for damage in DAMAGES), damaged
    figure(f"{TRIES} damages on the wire: wrong bytes", wrong, "0")
    figure(f"{TRIES} damages on the wire: unreported cuts", unreported, "0")
    assert (wrong, unreported) == (0, 0)


async def one_session(seed: int) -> tuple[bool, int, int]:
    """A session over two links, one of them damaged; each request is answered rightly or fails."""
    chance = random.Random(seed)
    middle = Middle(DAMAGES[seed % len(DAMAGES)], at=chance.randrange(8), direction=chance.randrange(2), chance=chance)
    made, written = Counter[str](), Counter[int]()

    async def serve(incoming: Incoming) -> None:
        await serve_read(incoming, pair.pools[1], piece=100_000)

    async def take(incoming: Incoming) -> Answer:
        got = await collect(incoming)
        if got != CONTENT[: len(got)]:
            written[-1] += 1
        written[len(got)] += 1
        return Done()

    async def make(incoming: Incoming) -> Answer:
        assert isinstance(incoming.request, MakeDirectories)
        made[incoming.request.paths[0]] += 1
        return Done()

    pair = Pair(None, Notes({Read: serve, Write: take, MakeDirectories: make}), wires=lambda: through(middle))
    pair.link()
    pair.link(bulk=True)
    offsets = [chance.randrange(3_000_000) for _ in range(3)]
    sizes = [70_000 + index for index in range(3)]
    results = await asyncio.gather(
        *(asyncio.wait_for(read(pair.a, offset, 300_000), 1) for offset in offsets),
        *(asyncio.wait_for(write(pair.a, CONTENT[:size]), 1) for size in sizes),
        *(pair.a.call(MakeDirectories([str(index)]), deadline=1) for index in range(10)),
        return_exceptions=True,
    )
    wrong = written[-1] + sum(count > 1 for count in [*made.values(), *written.values()])
    failed = 0
    expected: list[object] = [CONTENT[offset : offset + 300_000] for offset in offsets] + [Done()] * 13
    for result, right in zip(results, expected, strict=True):
        if isinstance(result, BaseException):
            assert isinstance(result, GimmalError | TimeoutError), result
            failed += 1
        else:
            wrong += result != right
    done = sum(made.values()) + sum(written.values())
    assert done >= sum(not isinstance(result, BaseException) for result in results[3:])
    await pair.close()
    await middle.close()
    return middle.happened, wrong, failed


@pytest.mark.campaign
def test_sessions_under_random_damage() -> None:
    async def main() -> tuple[int, int, int]:
        damaged = wrong = failed = 0
        for seed in range(SESSIONS):
            happened, more_wrong, more_failed = await one_session(seed)
            damaged += happened
            wrong += more_wrong
            failed += more_failed > 0
        return damaged, wrong, failed

    damaged, wrong, failed = run(main(), 500 if not FULL else 1500, debug=False)
    figure(f"{damaged} sessions damaged: wrong or doubled work", wrong, "0")
    assert damaged >= SESSIONS // 2
    assert failed >= damaged // 4
    assert wrong == 0


def test_a_middle_that_damages_nothing_changes_nothing() -> None:
    """The proxy itself is sound: what the other tests report is the damage's doing."""

    async def main() -> None:
        middle = Middle("flip", at=10**9, direction=0, chance=random.Random(1))

        async def serve(incoming: Incoming) -> None:
            await serve_read(incoming, pair.pools[1])

        pair = Pair(None, Notes({Read: serve}), wires=lambda: through(middle))
        left, right = pair.link()
        pair.link()
        assert await read(pair.a) == CONTENT
        assert await pair.a.call(Stat("a")) == Done()
        assert not middle.happened
        await pair.close()
        await until(lambda: left.over and right.over)
        await middle.close()

    run(main())


def test_an_end_that_lies_about_a_digest_is_for_the_reader_to_see() -> None:
    """Within the protocol's rules a hostile peer can send other bytes: only the digest it sends with them is bound."""

    async def main() -> None:
        async def lie(incoming: Incoming) -> None:
            incoming.link.post(RecordKind.DATA, incoming.number, 0, b"x" * 5)
            incoming.link.post(RecordKind.END, incoming.number, 5, encode(StreamEnd(blake3(b"y").digest())))

        pair = Pair(None, Notes({Read: lie}))
        pair.link()
        with pytest.raises(AssertionError):
            await read(pair.a, 0, 5)
        await pair.close()

    run(main())
