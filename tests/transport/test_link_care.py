"""Real connections that fall silent: what is a path that leads nowhere, and what only a reader that has stopped."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.protocol.messages import Done, Stat
from gimmal.transport import link_care, liveness, session
from gimmal.transport.link import Link, PathKind
from tests.transport.helpers import run, tcp_pair, until
from tests.transport.sessions import Notes, Pair


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second lasts a fifth of one."""
    monkeypatch.setattr(session, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(link_care, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(liveness, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(liveness, "SUSPECT_SECONDS", 0.3)
    monkeypatch.setattr(liveness, "LOST_SECONDS", 0.4)
    monkeypatch.setattr(link_care, "SUSPECT_SECONDS", 0.3)


def linked(pair: Pair, path: PathKind) -> tuple[Link, Link]:
    left, right = pair.unattached()
    left.path = right.path = path
    pair.a.attach(left)
    return left, right


@pytest.mark.parametrize("path", [PathKind.DIRECT, PathKind.LAN, PathKind.PUNCHED])
def test_a_program_that_does_not_read_is_no_path_that_leads_nowhere(path: PathKind) -> None:
    """Its system acknowledges, as where a disk holds up what comes in."""

    async def main() -> None:
        pair = Pair(None, Notes(), wires=tcp_pair)
        left, right = linked(pair, path)
        right.pause()
        asking = asyncio.create_task(pair.a.call(Stat("a"), deadline=None))
        other, _ = linked(pair, path)
        await until(lambda: left.pings > 0)
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < begun + 1.5:
            assert not left.suspect and not left.over
            assert await pair.a.call(Stat("b")) == Done()  # the other link answers all the time
            await asyncio.sleep(0.02)
        assert left.outstanding == 1 and other.bytes_received > 0
        right.resume()
        assert await asking == Done()
        await pair.close()

    run(main())


def test_behind_a_relay_a_silent_link_is_given_up_beside_one_that_answers() -> None:
    async def main() -> None:
        pair = Pair(None, Notes(), wires=tcp_pair)
        left, right = linked(pair, PathKind.RELAYED)
        right.pause()
        asking = asyncio.create_task(pair.a.call(Stat("a"), deadline=None))
        await until(lambda: left.suspect)
        assert not left.over
        linked(pair, PathKind.RELAYED)
        assert await asking == Done()
        assert left.over
        right.resume()
        await right.ended
        await pair.close()

    run(main())


def test_an_idle_session_is_not_looked_at_often() -> None:
    async def main() -> None:
        pair = Pair(None, Notes(), wires=tcp_pair)
        left, right = linked(pair, PathKind.DIRECT)
        assert await pair.a.call(Stat("a")) == Done()
        await until(lambda: not pair.a._care.waits and not pair.b._care.waits)
        before = left.bytes_sent, right.bytes_sent
        await asyncio.sleep(1.0)
        assert (left.bytes_sent, right.bytes_sent) == before
        assert not pair.a._care.waits
        await pair.close()

    run(main())


def test_doubt_is_over_when_the_link_is_heard() -> None:
    async def main() -> None:
        pair = Pair(None, Notes(), wires=tcp_pair)
        left, right = linked(pair, PathKind.RELAYED)
        pair.a.doubt()
        assert left.pings == 1
        await until(lambda: left.proved_at > 0 and not pair.a._care.waits)
        right.pause()
        pair.a.doubt()
        await until(lambda: left.suspect)
        right.resume()
        await until(lambda: not left.suspect)
        await pair.close()

    run(main())


def test_what_was_heard_since_the_last_look_ends_a_silence() -> None:
    async def main() -> None:
        pair = Pair(None, Notes(), wires=tcp_pair)
        left, _right = linked(pair, PathKind.RELAYED)
        care = link_care.LinkCare([left], [], ping=lambda _link: None, doubted=lambda: None)
        asked = asyncio.get_running_loop().time()
        care.doubt(asked)
        assert care.is_silent(left, asked + 1.0)
        assert await pair.a.call(Stat("a")) == Done()
        assert left.last_received > asked
        assert not care.is_silent(left, asked + 1.0)
        await pair.close()

    run(main())


def test_a_session_leads_nowhere_when_none_of_its_links_answers_also_those_that_nothing_waits_on() -> None:
    async def main() -> None:
        pair = Pair(None, Notes(), wires=tcp_pair)
        _used, used_there = linked(pair, PathKind.RELAYED)
        assert pair.a.leads_there
        used_there.pause()
        asking = asyncio.create_task(pair.a.call(Stat("a"), deadline=None))
        reserve, reserve_there = linked(pair, PathKind.DIRECT)
        reserve_there.pause()
        await until(lambda: not pair.a.leads_there)
        assert not reserve.suspect and not reserve.over
        assert pair.a.asks
        used_there.resume()
        assert await asking == Done()
        await until(lambda: pair.a.leads_there)
        await pair.close()

    run(main())
