"""Sessions: how long one lives, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.base.errors import DeadlinePassed, GimmalError, Interrupted, PeerAbsent
from gimmal.base.primitives import x25519_public
from gimmal.noise import renewal
from gimmal.noise.keys import RootKeys
from gimmal.noise.renewal import RenewalMaterial
from gimmal.protocol import limits
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Close, CloseReason, Done, Stat
from gimmal.transport import link as link_room
from gimmal.transport import session as session_room
from tests.patience import PATIENCE, within
from tests.transport.helpers import fixed, run, tcp_pair, until
from tests.transport.sessions import Notes, Pair, cut, end, never, raw_for, raw_session


class TestCloseAndCut:
    @pytest.mark.parametrize("reason", CloseReason)
    def test_close_is_told_with_its_reason(self, reason: CloseReason) -> None:
        async def main() -> None:
            notes = Notes({Stat: never})
            pair = Pair(None, notes)
            for _ in range(3):
                pair.link()
            links = [*pair.a.links, *pair.b.links]
            asking = asyncio.create_task(pair.a.call(Stat("a")))
            await until(lambda: pair.b._answering.busy)
            pair.b.close(reason)
            with pytest.raises(GimmalError) as raised:
                await asking
            assert pair.a.closed_for is reason
            assert pair.a.cause is None
            assert isinstance(raised.value, PeerAbsent) is (reason in (CloseReason.UNPLUGGED, CloseReason.LIMIT))
            await asyncio.gather(pair.a.finished(), pair.b.finished())
            await asyncio.gather(*(link.ended for link in links))
            assert notes.ended == 1
            await pair.close()

        run(main())

    def test_a_reason_of_the_future_reads_as_done(self) -> None:
        async def main() -> None:
            raw, session = raw_session()
            await raw.put(RecordKind.CLOSE, 0, 0, encode(Close(200)))
            await session.finished()
            assert session.closed_for is CloseReason.DONE
            raw.close()

        run(main())

    def test_a_cut_is_no_close(self) -> None:
        async def main() -> None:
            raw, session = raw_session()
            raw.close()
            await until(lambda: not session.links)
            assert not session.over
            with pytest.raises(DeadlinePassed):
                await session.call(Stat("a"), deadline=0.02)
            session.fail(GimmalError("the test is over"))
            await session._tasks.close()

        run(main())

    def test_an_idle_close_that_a_request_crosses_is_no_cut(self) -> None:
        async def main() -> None:
            notes = Notes()
            pair = Pair(None, notes, wires=tcp_pair)
            left, right = pair.link()
            left.pause()
            right.pause()  # the first request waits there, unread, when the session is closed
            first = asyncio.create_task(pair.a.call(Stat("a")))
            await until(lambda: left.outstanding == 1 and not left.queued)
            pair.b.close(CloseReason.UNPLUGGED)
            await until(lambda: not right.queued)
            second = asyncio.create_task(pair.a.call(Stat("b")))  # onto a connection that must not be reset
            await until(lambda: left.outstanding == 2 and not left.queued)
            left.resume()
            for asking in (first, second):
                with pytest.raises(PeerAbsent):
                    await asking
            assert pair.a.closed_for is CloseReason.UNPLUGGED
            assert not notes.done
            await pair.close()

        run(main())

    def test_requests_that_come_behind_close_on_other_links_are_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(link_room, "CLOSE_SECONDS", 0.1)

        async def main() -> None:
            notes = Notes()
            raw, session = raw_session(notes)
            other, more = raw_for(session, "more")
            await raw.put(RecordKind.CLOSE, 0, 0, encode(Close(0)))
            await session.ended
            await other.put(RecordKind.REQUEST, 1, 1, encode(Stat("a")))
            await more.ended
            assert not notes.done
            raw.close()
            other.close()

        run(main())


class TestKeepAlive:
    def test_silence_is_broken_by_a_ping(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(limits, "PING_SECONDS", 0.03)

        async def main() -> None:
            pair = Pair()
            left, right = pair.link()
            await until(lambda: left.round_trip is not None and right.round_trip is not None)
            assert left.round_trip is not None
            assert left.round_trip >= 0
            assert within(left.round_trip, 1)
            await pair.close()

        run(main())

    def test_a_link_that_stays_silent_is_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(limits, "PING_SECONDS", 0.03)
        monkeypatch.setattr(limits, "SILENCE_SECONDS", 0.1)

        async def main() -> None:
            raw, session = raw_session()
            (link,) = session.links
            await asyncio.wait_for(link.ended, PATIENCE)
            assert not session.over
            kinds = set()
            with pytest.raises(EOFError):
                while True:
                    kinds.add((await raw.get())[0])
            assert kinds == {RecordKind.PING}
            await end(session, raw)

        run(main())

    def test_a_peer_that_does_not_renew_loses_the_link(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(link_room, "RENEWAL_SECONDS", 0.1)
        monkeypatch.setattr(renewal, "RENEW_AFTER", 0.0)

        async def main() -> None:
            raw, session = raw_session()
            (link,) = session.links
            keys = RootKeys.from_root(fixed("session"))
            material = RenewalMaterial(fixed("one"), x25519_public(fixed("two")), fixed("three"))
            link.enable_renewal(1, bytes(16), "a", keys, lambda: material)
            begun = asyncio.get_running_loop().time()
            link.post(RecordKind.PING)
            while not link.over:  # it talks on, and never answers RENEW
                await raw.put(RecordKind.PONG)
                await asyncio.sleep(0.01)
            took = asyncio.get_running_loop().time() - begun
            assert took >= 0.1
            assert within(took, 5)
            assert not session.over
            await end(session, raw)

        run(main())

    def test_a_session_without_links_is_kept_for_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_room, "TICK_SECONDS", 0.01)

        async def main() -> None:
            pair = Pair(None, Notes())
            left, _ = pair.link()
            cut(left)
            await asyncio.sleep(0.03)
            pair.link()
            assert await pair.a.call(Stat("a")) == Done()
            monkeypatch.setattr(limits, "SESSION_KEPT_SECONDS", 0.1)
            cut(pair.a.links[0])
            await asyncio.wait_for(asyncio.shield(pair.a.ended), PATIENCE)
            assert isinstance(pair.a.cause, Interrupted)
            await pair.b.ended
            await pair.close()

        run(main())
