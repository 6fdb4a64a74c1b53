"""The steps of one renewal, beside a handshake made from the specification alone (docs/spec/channel.md, section 7)."""

from __future__ import annotations

import pytest

from gimmal.base.errors import AuthenticationFailed, InternalError, ProtocolViolation
from gimmal.noise.handshake_state import HandshakeState
from gimmal.noise.patterns import handshake_pattern
from gimmal.noise.renewal import Renewal, RenewalMaterial, RenewalState
from tests.noise.pairs import Party, fixed, parties

A, B = parties("renewal")
HASH = fixed("handshake hash")
VERSION = 3


def renewal(party: Party, now: float = 0.0) -> Renewal:
    return Renewal(VERSION, party.pair_id, party.side, party.keys, HASH, now)


def material(party: Party, label: str = "fresh") -> RenewalMaterial:
    return RenewalMaterial(party.static_private, party.peer_static_public, fixed(party.side + label))


def specified(party: Party, initiator: bool, initiator_side: bytes) -> HandshakeState:
    """The handshake as the specification says it, with the party's own fresh key."""
    front = b"gimmal renewal" + bytes([VERSION]) + party.pair_id
    fresh = material(party)
    return HandshakeState(
        handshake_pattern("KKpsk0"),
        initiator,
        front + initiator_side + party.keys.key_id + HASH,
        s=fresh.static_private,
        e=fresh.ephemeral_private,
        rs=fresh.peer_static_public,
        psks=(party.keys.psk,),
    )


@pytest.mark.parametrize(("first", "second"), [(A, B), (B, A)], ids=["a starts", "b starts"])
class TestWhole:
    def test_both_bodies_are_those_of_the_specification(self, first: Party, second: Party) -> None:
        side = first.side.encode()
        ours, theirs = specified(first, True, side), specified(second, False, side)
        starting, answering = renewal(first), renewal(second)
        body = starting.start(material(first))
        assert body == ours.write_message(b"")
        answering.receive_renew(body)
        theirs.read_message(body)
        answer, answered = answering.answer(material(second), 0.0)
        assert answer == theirs.write_message(b"")
        ours.read_message(answer)
        received = starting.receive_answer(answer)
        assert (received.send_key, received.receive_key) == ours.split()
        assert (answered.send_key, answered.receive_key) == theirs.split()
        assert received.handshake_hash == answered.handshake_hash == ours.get_handshake_hash()

    def test_states_and_times(self, first: Party, second: Party) -> None:
        starting, answering = renewal(first), renewal(second)
        assert (starting.state, answering.state) == (RenewalState.IDLE, RenewalState.IDLE)
        body = starting.start(material(first))
        assert starting.state is RenewalState.STARTED
        answering.receive_renew(body)
        assert answering.state is RenewalState.OWES_ANSWER
        assert not starting.due(1e6)
        assert not answering.due(1e6)
        answer, _secrets = answering.answer(material(second), 1000.0)
        assert answering.state is RenewalState.ANSWERED
        assert not answering.must_hold(1959.9)
        assert answering.must_hold(1960.0)
        starting.receive_answer(answer)
        assert starting.state is RenewalState.OWES_DONE
        assert starting.must_hold(960.0)  # its own sending keys are the old ones
        starting.done(1010.0)
        answering.receive_done(0)
        assert (starting.state, answering.state) == (RenewalState.IDLE, RenewalState.IDLE)
        assert not starting.must_hold(1969.9)
        assert starting.must_hold(1970.0)
        assert [starting.due(now) for now in (1909.9, 1910.0)] == [False, True]
        assert [answering.due(now) for now in (1899.9, 1900.0)] == [False, True]

    def test_nothing_of_the_old_one_is_kept(self, first: Party, second: Party) -> None:
        starting, answering = renewal(first), renewal(second)
        answering.receive_renew(starting.start(material(first)))
        starting.receive_answer(answering.answer(material(second), 0.0)[0])
        for machine in (starting, answering):
            assert machine._handshake is None
            assert machine._peer_message == b""
            assert machine._handshake_hash != HASH

    @pytest.mark.parametrize("size", [0, 47, 49])
    def test_bodies_have_48_bytes(self, first: Party, second: Party, size: int) -> None:
        starting, answering = renewal(first), renewal(second)
        body = starting.start(material(first))
        with pytest.raises(ProtocolViolation):
            answering.receive_renew((body + b"x")[:size])
        answering.receive_renew(body)
        answer, _secrets = answering.answer(material(second), 0.0)
        with pytest.raises(ProtocolViolation):
            starting.receive_answer((answer + b"x")[:size])
        with pytest.raises(ProtocolViolation):
            answering.receive_done(size or 1)

    def test_a_record_that_may_not_come(self, first: Party, second: Party) -> None:
        starting, answering = renewal(first), renewal(second)
        for machine in (starting, answering):
            with pytest.raises(ProtocolViolation):
                machine.receive_answer(bytes(48))
            with pytest.raises(ProtocolViolation):
                machine.receive_done(0)
        body = starting.start(material(first))
        with pytest.raises(ProtocolViolation):
            starting.receive_done(0)
        answering.receive_renew(body)
        answer, _secrets = answering.answer(material(second), 0.0)
        for _state in range(2):  # waits for the end, then owes nothing
            with pytest.raises(ProtocolViolation):
                answering.receive_answer(answer)
        with pytest.raises(ProtocolViolation):
            answering.receive_renew(body)
        starting.receive_answer(answer)
        for wrong in (starting.receive_answer, starting.receive_renew):
            with pytest.raises(ProtocolViolation):
                wrong(answer)

    def test_our_own_steps_out_of_turn(self, first: Party, second: Party) -> None:
        starting, answering = renewal(first), renewal(second)
        for machine in (starting, answering):
            with pytest.raises(InternalError):
                machine.answer(material(first), 0.0)
            with pytest.raises(InternalError):
                machine.done(0.0)
        body = starting.start(material(first))
        with pytest.raises(InternalError):
            starting.start(material(first))
        answering.receive_renew(body)
        with pytest.raises(InternalError):
            answering.start(material(second))

    def test_a_forged_answer(self, first: Party, second: Party) -> None:
        starting = renewal(first)
        starting.start(material(first))
        with pytest.raises(AuthenticationFailed):
            starting.receive_answer(material(second).ephemeral_private + bytes(16))
        assert starting.state is RenewalState.STARTED


class TestCollision:
    def test_side_b_gives_way_and_forgets_its_own(self) -> None:
        a, b = renewal(A), renewal(B)
        of_a, of_b = a.start(material(A)), b.start(material(B))
        a.receive_renew(of_b)
        b.receive_renew(of_a)
        assert (a.state, b.state) == (RenewalState.STARTED, RenewalState.OWES_ANSWER)
        assert b._handshake is None
        assert a.receive_answer(b.answer(material(B), 0.0)[0])

    def test_one_crossing_in_each_renewal(self) -> None:
        a, b = renewal(A), renewal(B)
        for round_ in range(3):
            of_a, of_b = a.start(material(A, str(round_))), b.start(material(B, str(round_)))
            a.receive_renew(of_b)
            with pytest.raises(ProtocolViolation):
                a.receive_renew(of_b)
            b.receive_renew(of_a)
            with pytest.raises(ProtocolViolation):
                b.receive_renew(of_a)
            a.receive_answer(b.answer(material(B, f"answer {round_}"), 0.0)[0])
            a.done(0.0)
            b.receive_done(0)


def test_no_key_of_the_half_is_shown() -> None:
    assert repr(material(A)) == "RenewalMaterial()"
