"""Links that renew their keys while they carry records."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from gimmal.base.errors import HalfGone, Interrupted
from gimmal.base.primitives import random_bytes, x25519_public
from gimmal.noise import renewal
from gimmal.noise.keys import RootKeys
from gimmal.noise.renewal import RenewalMaterial
from gimmal.protocol.kinds import RecordKind
from gimmal.transport.link import POST_MAX, Link
from tests.figures import figure
from tests.transport.helpers import Recorder, fixed, link_pair, raw_and_link, run, until
from tests.transport.links import body_of, end, send


class Renewing:
    """Two links that may renew their keys, with short times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: float, hold: float) -> None:
        monkeypatch.setattr(renewal, "RENEW_AFTER", after)
        monkeypatch.setattr(renewal, "HOLD_AFTER", hold)
        self.material = [self._material(side) for side in (0, 1)]
        self.asked = [0, 0]

    def _material(self, side: int) -> Callable[[], RenewalMaterial]:
        privates = fixed("static 0"), fixed("static 1")

        def material() -> RenewalMaterial:
            self.asked[side] += 1
            return RenewalMaterial(privates[side], x25519_public(privates[1 - side]), random_bytes(32))

        return material

    def enable(self, link: Link, side: int) -> None:
        keys = RootKeys.from_root(fixed("session"))
        link.enable_renewal(1, bytes(16), "ab"[side], keys, self.material[side])


class TestRenewal:
    @pytest.mark.parametrize("hold", [0.05, 60.0])
    def test_a_busy_link_renews_again_and_again_without_losing_a_record(
        self, monkeypatch: pytest.MonkeyPatch, hold: float
    ) -> None:
        renewing = Renewing(monkeypatch, 0.02, hold)

        async def main() -> None:
            left, right = link_pair()
            receivers = Recorder(keep=True), Recorder()
            renewing.enable(left, 0)
            renewing.enable(right, 1)
            left.start(receivers[0])
            right.start(receivers[1])
            finish = asyncio.get_running_loop().time() + 0.6
            counts = [0, 0]

            async def keep_sending(link: Link, side: int) -> None:
                chance = random.Random(side)
                while asyncio.get_running_loop().time() < finish or min(renewing.asked) < 3:
                    body = body_of(chance.choice([0, 100, 70_000, 400_000]), counts[side])
                    await send(link, counts[side], body, buffered=chance.random() < 0.5)
                    counts[side] += 1
                    await asyncio.sleep(0)

            await asyncio.gather(keep_sending(left, 0), keep_sending(right, 1))
            await until(lambda: [len(receivers[1].records), len(receivers[0].records)] == counts)
            for receiver in receivers:
                assert [record[1] for record in receiver.records] == list(range(len(receiver.records)))
                assert all(record[3] == body_of(len(record[3]), record[1]) for record in receiver.records)
            assert min(renewing.asked) >= 3
            figure("renewals inside a busy link", min(renewing.asked), ">= 3, no record lost")
            await end(left, right)

        run(main())

    def test_an_idle_link_renews_before_its_next_record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        renewing = Renewing(monkeypatch, 0.01, 0.02)

        async def main() -> None:
            left, right = link_pair()
            receiver = Recorder()
            renewing.enable(left, 0)
            renewing.enable(right, 1)
            left.start(Recorder())
            right.start(receiver)
            await asyncio.sleep(0.03)
            left.post(RecordKind.PING, offset=1)
            left.post(RecordKind.PING, offset=2)
            assert len(left._held) == 2
            await until(lambda: len(receiver.records) == 2)
            assert [record[2] for record in receiver.records] == [1, 2]
            assert renewing.asked == [1, 1]
            await end(left, right)

        run(main())

    def test_a_peer_that_does_not_renew_costs_bounded_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        renewing = Renewing(monkeypatch, 0.0, 0.0)

        async def main() -> None:
            raw, link = raw_and_link()
            receiver = Recorder()
            renewing.enable(link, 0)
            link.start(receiver)
            posted = 0
            while not link.over:
                link.post(RecordKind.PONG, body=bytes(50_000))
                posted += 50_000
            assert posted <= POST_MAX + 100_000
            assert isinstance(receiver.ended[0], Interrupted)
            raw.close()

        run(main())

    def test_a_sender_that_waits_for_a_renewal_hears_of_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        renewing = Renewing(monkeypatch, 0.0, 0.0)

        async def main() -> None:
            raw, link = raw_and_link()
            renewing.enable(link, 0)
            link.start(Recorder())
            waiting = [asyncio.create_task(send(link, 1, b"x", buffered=True)) for _ in range(3)]
            await raw._read(4)
            raw.close()
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, Interrupted) for result in results)

        run(main())

    @pytest.mark.parametrize("side", [0, 1])
    def test_a_half_that_was_pulled_out_renews_nothing(self, monkeypatch: pytest.MonkeyPatch, side: int) -> None:
        renewing = Renewing(monkeypatch, 0.0, 0.0)

        def gone() -> RenewalMaterial:
            raise HalfGone("the half was pulled out", "plug it in again")

        renewing.material[side] = gone

        async def main() -> None:
            links = link_pair()
            receivers = Recorder(), Recorder()
            for index, link in enumerate(links):
                renewing.enable(link, index)
                link.start(receivers[index])
            links[0].post(RecordKind.PING)
            links[0].post(RecordKind.PING)
            await asyncio.gather(links[0].ended, links[1].ended)
            assert isinstance(receivers[side].ended[0], HalfGone)
            assert not receivers[1].records

        run(main())

    def test_a_link_ends_in_good_order_while_a_renewal_is_due(self, monkeypatch: pytest.MonkeyPatch) -> None:
        renewing = Renewing(monkeypatch, 0.0, 0.0)

        async def main() -> None:
            left, right = link_pair()
            receiver = Recorder()
            renewing.enable(left, 0)
            left.start(Recorder())
            right.start(receiver)
            left.close(b"body", drain=False)
            await right.ended
            assert [record[0] for record in receiver.records] == [RecordKind.CLOSE]
            assert receiver.ended == [None]
            await left.ended

        run(main())
