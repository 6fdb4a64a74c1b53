"""Renewal of keys inside a link, in every order in which records can pass each other."""

from __future__ import annotations

import os
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.errors import AuthenticationFailed, InternalError, PeerError, ProtocolViolation
from gimmal.noise.link_cipher import RENEW, RENEW_ANSWER, RENEW_DONE, LinkCipher
from gimmal.noise.renewal import HOLD_AFTER, RENEW_AFTER, Renewal, RenewalState
from tests.figures import figure
from tests.noise.pairs import Party, connected, fixed, flipped, open_record, parties

DATA = 0x05


class End:
    """One end of a link, driven the way the transport drives it."""

    def __init__(self, party: Party, cipher: LinkCipher, outgoing: deque[bytes]) -> None:
        self.party, self.cipher, self.outgoing = party, cipher, outgoing
        self.sent = self.received = self.renewals = 0

    def send_data(self, now: float) -> None:
        if self.cipher.renewal_due(now):
            self.outgoing.append(self.cipher.start_renewal(self.party.material()))
        if not self.cipher.must_hold(now):
            self.outgoing.append(self.cipher.seal(DATA, 0, self.sent, b"body"))
            self.sent += 1

    def pay(self, now: float) -> None:
        if self.cipher.owes == RENEW_ANSWER:
            self.outgoing.append(self.cipher.answer_renewal(self.party.material(), now))
        elif self.cipher.owes == RENEW_DONE:
            self.outgoing.append(self.cipher.finish_renewal(now))
            self.renewals += 1

    def receive(self, record: bytes) -> None:
        kind, _, offset, body = open_record(self.cipher, record)
        if kind == DATA:
            assert (offset, body) == (self.received, b"body")
            self.received += 1

    @property
    def state(self) -> RenewalState:
        renewal = self.cipher._renewal
        assert renewal is not None
        return renewal.state


class Link:
    """Both ends and the records on their way."""

    def __init__(self, dialler: int = 0) -> None:
        pair = parties()
        secrets = connected(pair[dialler], pair[1 - dialler])
        self.now = 0.0
        self.ways: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self.ends: list[End] = []
        for number, party in enumerate(pair):
            cipher = LinkCipher(secrets[number ^ dialler])
            cipher.enable_renewal(1, party.pair_id, party.side, party.keys, 0.0)
            self.ends.append(End(party, cipher, self.ways[number]))
        self.a, self.b = self.ends

    def deliver(self, to: int) -> None:
        way = self.ways[1 - to]
        if way:
            self.ends[to].receive(way.popleft())

    def settle(self) -> None:
        while any(self.ways) or any(end.cipher.owes for end in self.ends):
            for number, end in enumerate(self.ends):
                self.deliver(number)
                end.pay(self.now)

    def check(self) -> None:
        """All has arrived, both ends rest, and they share keys in both directions."""
        self.settle()
        assert [end.received for end in self.ends] == [end.sent for end in reversed(self.ends)]
        assert [end.state for end in self.ends] == [RenewalState.IDLE] * 2
        for sender, receiver in ((self.a, self.b), (self.b, self.a)):
            assert open_record(receiver.cipher, sender.cipher.seal(DATA, 1, 2, b"x")) == (DATA, 1, 2, b"x")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["send", "pay", "deliver", "deliver", "deliver"]), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 30.0, RENEW_AFTER, HOLD_AFTER])),
    ),
    max_size=120,
)


class TestInterleavings:
    @settings(max_examples=2_000 if os.environ.get("GIMMAL_CAMPAIGN") == "full" else 150, deadline=None)
    @given(STEPS, st.integers(0, 1))
    def test_any_order(self, steps: list[tuple[str, float]], dialler: int) -> None:
        link = Link(dialler)
        for step, argument in steps:
            if step == "wait":
                link.now += argument
            elif step == "send":
                link.ends[int(argument)].send_data(link.now)
            elif step == "pay":
                link.ends[int(argument)].pay(link.now)
            else:
                link.deliver(int(argument))
        link.check()

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(["send", "pay", "deliver"]), st.integers(0, 1)), max_size=60))
    def test_any_order_after_a_collision(self, steps: list[tuple[str, int]]) -> None:
        link = Link()
        link.now = RENEW_AFTER
        link.a.send_data(link.now)
        link.b.send_data(link.now)
        assert [end.state for end in link.ends] == [RenewalState.STARTED] * 2
        for step, end in steps:
            if step == "deliver":
                link.deliver(end)
            elif step == "send":
                link.ends[end].send_data(link.now)
            else:
                link.ends[end].pay(link.now)
        link.check()
        assert (link.a.renewals, link.b.renewals) == (1, 0)

    def test_a_thousand_renewals_with_traffic(self) -> None:
        link = Link()
        for number in range(1_000):
            link.now += RENEW_AFTER
            link.ends[number % 2].send_data(link.now)
            link.ends[1 - number % 2].send_data(link.now - (number % 3))
            for _ in range(3):
                link.deliver(number % 2)
                link.ends[number % 2].pay(link.now)
                link.ends[1 - number % 2].send_data(link.now)
            link.settle()
        link.check()
        renewals = link.a.renewals + link.b.renewals
        figure("renewals with traffic both ways, records lost or refused", f"0 in {renewals} renewals", "0")
        assert renewals == 1_000


class TestRules:
    def test_nothing_is_due_before_fifteen_minutes(self) -> None:
        link = Link()
        assert not link.a.cipher.renewal_due(RENEW_AFTER - 0.001)
        assert link.a.cipher.renewal_due(RENEW_AFTER) and link.b.cipher.renewal_due(RENEW_AFTER)

    def test_an_active_link_goes_on_under_the_old_keys_meanwhile(self) -> None:
        link = Link()
        link.now = RENEW_AFTER + 1
        link.a.send_data(link.now)
        link.a.send_data(link.now)
        assert link.a.sent == 2 and len(link.ways[0]) == 3
        link.check()

    def test_an_idle_link_renews_before_its_next_record(self) -> None:
        link = Link()
        link.now = HOLD_AFTER
        link.b.send_data(link.now)
        assert link.b.sent == 0 and len(link.ways[1]) == 1
        link.settle()
        assert not link.b.cipher.must_hold(link.now)
        link.b.send_data(link.now)
        link.check()
        assert link.b.sent == 1

    def test_both_directions_count_from_zero(self) -> None:
        link = Link()
        for end in link.ends:
            for _ in range(5):
                end.send_data(0.0)
        link.settle()
        link.now = RENEW_AFTER
        link.a.send_data(link.now)
        link.settle()
        for end in link.ends:
            assert (end.cipher._sealer.counter, end.cipher._opener.counter) == (0, 0)

    def test_where_each_direction_switches(self) -> None:
        link = Link()
        keys = [end.cipher._sealer for end in link.ends]
        link.now = RENEW_AFTER
        link.a.send_data(link.now)
        link.deliver(1)
        link.deliver(1)
        assert link.b.state is RenewalState.OWES_ANSWER and link.b.cipher._sealer is keys[1]
        link.b.pay(link.now)
        assert link.b.state is RenewalState.ANSWERED and link.b.cipher._sealer is not keys[1]
        link.b.send_data(link.now)
        link.a.send_data(link.now)
        link.deliver(0)
        assert link.a.state is RenewalState.OWES_DONE and link.a.cipher._sealer is keys[0]
        link.deliver(0)
        link.a.send_data(link.now)
        link.a.pay(link.now)
        assert link.a.state is RenewalState.IDLE and link.a.cipher._sealer is not keys[0]
        link.check()
        assert link.a.sent == 3 and link.b.sent == 1

    def test_the_old_keys_open_nothing_afterwards(self) -> None:
        link = Link()
        old = [(end.cipher._sealer, end.cipher._opener) for end in link.ends]
        link.now = RENEW_AFTER
        link.a.send_data(link.now)
        link.settle()
        assert all(sealer.closed and opener.closed for sealer, opener in old)
        with pytest.raises(AuthenticationFailed):
            old[0][0].seal(DATA, 0, 0, b"")

    def test_numbers_of_the_specification(self) -> None:
        assert (RENEW, RENEW_ANSWER, RENEW_DONE) == (0x0B, 0x0C, 0x0D)
        assert (RENEW_AFTER, HOLD_AFTER) == (900.0, 960.0)

    def test_each_renewal_is_bound_to_the_one_before(self) -> None:
        link = Link()
        for end in link.ends:
            link.now += RENEW_AFTER
            before = end.cipher._renewal
            assert before is not None
            first = before._handshake_hash
            end.send_data(link.now)
            link.settle()
            hashes = {each.cipher._renewal._handshake_hash for each in link.ends if each.cipher._renewal}
            assert len(hashes) == 1 and first not in hashes
            material = end.party.material()
            fresh = Renewal(1, end.party.pair_id, end.party.side, end.party.keys, hashes.pop(), 0.0)
            assert before.start(material) == fresh.start(material)
            before._state = RenewalState.IDLE

    def test_closing_forgets_everything(self) -> None:
        link = Link()
        link.now = RENEW_AFTER
        link.a.send_data(link.now)
        link.deliver(1)
        link.b.pay(link.now)
        cipher = link.b.cipher
        assert cipher._next_key is not None
        cipher.close()
        assert cipher._next_key is None and cipher._renewal is None
        assert cipher._sealer.closed and cipher._opener.closed
        assert cipher.owes is None and not cipher.renewal_due(1e9)

    def test_side_a_stays_on_a_collision(self) -> None:
        link = Link()
        link.now = RENEW_AFTER
        link.a.send_data(link.now)
        link.b.send_data(link.now)
        link.deliver(0)
        link.deliver(1)
        assert link.a.state is RenewalState.STARTED and link.b.state is RenewalState.OWES_ANSWER
        link.check()
        assert (link.a.renewals, link.b.renewals) == (1, 0)

    def test_the_first_sender_starts(self) -> None:
        for first in (0, 1):
            link = Link()
            link.now = RENEW_AFTER
            link.ends[first].send_data(link.now)
            link.settle()
            assert link.ends[first].renewals == 1
            assert not any(end.cipher.renewal_due(link.now) for end in link.ends)

    def test_without_enabling_nothing_is_ever_due(self) -> None:
        a, b = parties()
        cipher = LinkCipher(connected(a, b)[0])
        assert not cipher.renewal_due(1e9) and not cipher.must_hold(1e9) and cipher.owes is None
        with pytest.raises(InternalError):
            cipher.start_renewal(a.material())


class TestRefusals:
    @pytest.mark.parametrize("kind", [RENEW_ANSWER, RENEW_DONE])
    def test_out_of_the_blue(self, kind: int) -> None:
        link = Link()
        for body in (b"", bytes(48)):
            with pytest.raises(PeerError):
                open_record(link.b.cipher, link.a.cipher.seal(kind, 0, 0, body))
            assert link.b.cipher._sealer.closed and link.b.cipher._opener.closed
            link = Link()

    @pytest.mark.parametrize("fields", [(1, 0), (0, 1)])
    def test_stream_and_offset_are_zero(self, fields: tuple[int, int]) -> None:
        link = Link()
        with pytest.raises(ProtocolViolation):
            open_record(link.b.cipher, link.a.cipher.seal(RENEW, *fields, bytes(48)))

    @pytest.mark.parametrize("size", [0, 47, 49, 89])
    def test_body_sizes(self, size: int) -> None:
        link = Link()
        with pytest.raises(ProtocolViolation):
            open_record(link.b.cipher, link.a.cipher.seal(RENEW, 0, 0, bytes(size)))

    def test_before_the_session_root_is_known(self) -> None:
        a, b = parties()
        ours, theirs = (LinkCipher(secrets) for secrets in connected(a, b))
        with pytest.raises(ProtocolViolation):
            open_record(theirs, ours.seal(RENEW, 0, 0, bytes(48)))

    def test_twice(self) -> None:
        for answered in (False, True):
            link = Link()
            link.now = RENEW_AFTER
            link.deliver(1)
            open_record(link.b.cipher, link.a.cipher.start_renewal(link.a.party.material()))
            if answered:
                link.b.cipher.answer_renewal(link.b.party.material(), link.now)
            with pytest.raises(ProtocolViolation):
                open_record(link.b.cipher, link.a.cipher.seal(RENEW, 0, 0, bytes(48)))

    def test_twice_on_a_collision(self) -> None:
        link = Link()
        link.a.cipher.start_renewal(link.a.party.material())
        open_record(link.a.cipher, link.b.cipher.start_renewal(link.b.party.material()))
        with pytest.raises(ProtocolViolation):
            open_record(link.a.cipher, link.b.cipher.seal(RENEW, 0, 0, bytes(48)))

    def test_done_carries_nothing(self) -> None:
        link = Link()
        open_record(link.b.cipher, link.a.cipher.start_renewal(link.a.party.material()))
        link.b.cipher.answer_renewal(link.b.party.material(), 0.0)
        with pytest.raises(ProtocolViolation):
            open_record(link.b.cipher, link.a.cipher.seal(RENEW_DONE, 0, 0, b"x"))

    def test_every_flipped_bit_of_the_noise_messages(self) -> None:
        accepted = 0
        for bit in range(48 * 8):
            link = Link()
            renewal = link.a.cipher._renewal
            assert renewal is not None
            bad = flipped(renewal.start(link.a.party.material()), bit)
            open_record(link.b.cipher, link.a.cipher.seal(RENEW, 0, 0, bad))
            with pytest.raises(PeerError):
                link.b.cipher.answer_renewal(link.b.party.material(), 0.0)
            assert link.b.cipher._sealer.closed and link.b.cipher._opener.closed

            link = Link()
            open_record(link.b.cipher, link.a.cipher.start_renewal(link.a.party.material()))
            renewal = link.b.cipher._renewal
            assert renewal is not None
            body, _ = renewal.answer(link.b.party.material(), 0.0)
            with pytest.raises(PeerError):
                open_record(link.a.cipher, link.b.cipher.seal(RENEW_ANSWER, 0, 0, flipped(body, bit)))
            assert link.a.cipher._sealer.closed and link.a.cipher._opener.closed
        figure("renewal bits flipped under good records, accepted", f"{accepted} of 768", "0")

    def test_another_half_or_root_cannot_renew(self) -> None:
        other = parties()[0]
        for wrong in ("static", "root"):
            link = Link()
            renewal = link.a.cipher._renewal
            assert renewal is not None
            if wrong == "root":
                renewal._keys = other.keys
            material = other.material() if wrong == "static" else link.a.party.material()
            open_record(link.b.cipher, link.a.cipher.start_renewal(material))
            with pytest.raises(AuthenticationFailed):
                link.b.cipher.answer_renewal(link.b.party.material(), 0.0)

    def test_a_renewal_is_bound_to_its_link(self) -> None:
        pair = parties()
        bodies = []
        links = []
        for _ in range(2):
            ours, theirs = (LinkCipher(secrets) for secrets in connected(*pair))
            for cipher, party in ((ours, pair[0]), (theirs, pair[1])):
                cipher.enable_renewal(1, party.pair_id, party.side, party.keys, 0.0)
            assert ours._renewal is not None
            bodies.append(ours._renewal.start(pair[0].material()))
            links.append((ours, theirs))
        ours, theirs = links[0]
        open_record(theirs, ours.seal(RENEW, 0, 0, bodies[1]))
        with pytest.raises(AuthenticationFailed):
            theirs.answer_renewal(pair[1].material(), 0.0)

    def test_steps_out_of_turn_are_our_own_bugs(self) -> None:
        link = Link()
        material = link.a.party.material()
        for call in (
            lambda: link.a.cipher.answer_renewal(material, 0.0),
            lambda: link.a.cipher.finish_renewal(0.0),
        ):
            with pytest.raises(InternalError):
                call()
        link.a.cipher.start_renewal(material)
        with pytest.raises(InternalError):
            link.a.cipher.start_renewal(material)

    def test_material_shows_no_secret(self) -> None:
        material = parties()[0].material()
        assert repr(material.static_private) not in repr(material)
        assert repr(fixed("x")) not in repr(material)
