"""The two machines of a control connection, paired without a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.primitives import sha256
from gimmal.base.side import Side
from gimmal.protocol.places import pack_place, place_of
from gimmal.protocol.relay.control import Ended
from gimmal.protocol.relay.frames import encode_frame
from gimmal.protocol.relay.messages import (
    Candidates,
    Challenge,
    Code,
    Goodbye,
    LinkRefused,
    NoAnswerer,
    Offer,
    PeerChanged,
    Ping,
    Pong,
    Prove,
    Refused,
    RequestLink,
    Ticket,
    Welcome,
)
from gimmal.protocol.relay.server import Pace
from tests.figures import figure
from tests.protocol.relay.machines import IDENTITY, NONCE, PIN, PRIVATE_B, new_client, new_server, opened, shuttle

PLACE = pack_place(place_of("203.0.113.9", 40_123))


def test_proof_with_a_pipelined_request_waits_for_the_decision() -> None:
    client, server = new_client(), new_server()
    client.request_link(7)
    shuttle(client, server)
    assert [type(event) for event in server.events()] == [Prove]
    server.welcome(True, 12, b"other", 1.0, PLACE)
    assert server.events() == [RequestLink(7)]
    server.send(Ticket(7, NONCE))
    shuttle(client, server)
    assert client.events() == [Welcome(True, 12, b"other", PLACE), Ticket(7, NONCE)]


@pytest.mark.parametrize("seen", [PLACE[1:], PLACE[:16] + b"\0\0", b"\0"], ids=["17 bytes", "port 0", "a byte"])
def test_a_welcome_that_names_no_place_ends_the_connection(seen: bytes) -> None:
    client, server = new_client(), new_server()
    shuttle(client, server)
    server.welcome(False, 0, b"", 1.0, seen)
    shuttle(client, server)
    (ended,) = client.events()
    assert isinstance(ended, Ended) and not ended.by_peer


def test_a_relay_of_before_says_nothing_of_where_it_sees_a_half() -> None:
    client, server = new_client(), new_server()
    shuttle(client, server)
    client.receive_data(bytes.fromhex("00069402c200c400"), 1.0)
    assert client.events() == [Welcome(False, 0, b"", b"")]


def test_messages_pass_both_ways() -> None:
    client, server = opened()
    for message in (
        Offer(NONCE, bytes(16)),
        NoAnswerer(1, 2),
        LinkRefused(3, "too_many_links", "no"),
        PeerChanged(True, 3, b"c"),
    ):
        server.send(message)
        shuttle(client, server)
        assert client.events() == [message]
    client.request_link(9)
    client.set_candidates(b"new")
    shuttle(client, server)
    assert server.events() == [RequestLink(9), Candidates(b"new")]


@pytest.mark.parametrize(
    "identity",
    [
        replace(IDENTITY, sign_private=PRIVATE_B),
        replace(IDENTITY, side=Side.B),
        replace(IDENTITY, lock=bytes(32)),
        replace(IDENTITY, sign_a=IDENTITY.sign_b, sign_b=IDENTITY.sign_a),
        replace(IDENTITY, pair_id=bytes(16)),
    ],
    ids=["key", "side", "lock", "swapped", "id"],
)
def test_proof_that_does_not_fit_is_refused(identity: object) -> None:
    client, server = new_client(identity), new_server()
    shuttle(client, server)
    assert server.bad_hello
    assert client.ended == Ended(Code.PROOF, "this half could not prove that it belongs to its pair", True)
    assert all(isinstance(event, Ended) for event in server.events())


def test_every_changed_bit_of_a_proof_is_refused() -> None:
    client = new_client()
    client.receive_data(encode_frame(Challenge(1, NONCE)), 0.0)
    proof = client.data_to_send()
    accepted = 0
    # Program and candidates are not the proof's: they end the message and are sealed or for show.
    covered = len(proof) - len(b"\xa4test\xc4\x06sealed")
    for bit in range(covered * 8):
        changed = bytearray(proof)
        changed[bit // 8] ^= 1 << bit % 8
        server = new_server()
        server.receive_data(bytes(changed), 0.0)
        accepted += any(isinstance(event, Prove) for event in server.events())
    figure("relay: changed bits of a proof accepted", accepted, "0")
    assert accepted == 0


@pytest.mark.parametrize(("pin", "nonce"), [(sha256(b"other"), NONCE), (PIN, sha256(b"other"))])
def test_proof_for_another_relay_or_challenge_is_worth_nothing(pin: bytes, nonce: bytes) -> None:
    client, other = new_client(), new_server(pin, nonce)
    client.receive_data(encode_frame(Challenge(1, NONCE)), 0.0)
    other.receive_data(client.data_to_send(), 0.0)
    assert other.bad_hello


def test_bytes_may_be_cut_anywhere() -> None:
    client = new_client()
    client.request_link(1)
    challenge = encode_frame(Challenge(1, NONCE))
    client.receive_data(challenge, 0.0)
    stream = client.data_to_send()
    for cut in range(len(stream) + 1):
        server = new_server()
        server.receive_data(stream[:cut], 0.0)
        server.receive_data(stream[cut:], 0.0)
        assert [type(event) for event in server.events()] == [Prove]
        server.welcome(False, 0, b"", 0.0)
        assert server.events() == [RequestLink(1)]


def test_refusal_reaches_the_half_with_its_code() -> None:
    client, server = new_client(), new_server()
    shuttle(client, server)
    server.refuse(Code.DISABLED, "no")
    shuttle(client, server)
    assert client.events() == [Ended(Code.DISABLED, "no", True)]
    server.welcome(False, 0, b"", 0.0)
    assert server.data_to_send() == b""


@pytest.mark.parametrize("version", [0, 2, 255])
def test_other_version_is_told_to_the_user_and_not_answered(version: int) -> None:
    client = new_client()
    client.receive_data(encode_frame(Challenge(version, NONCE)), 0.0)
    assert client.data_to_send() == b""
    assert client.ended is not None and client.ended.code == Code.VERSION and str(version) in client.ended.sentence


def test_relay_refuses_another_version_of_the_half() -> None:
    client, server = new_client(), new_server()
    client.receive_data(server.data_to_send(), 0.0)
    frame = bytearray(client.data_to_send())
    assert frame[:5] == bytes((frame[0], frame[1], 0x9C, 32, 1))
    frame[4] = 2
    server.receive_data(bytes(frame), 0.0)
    assert server.ended is not None and server.ended.code == Code.VERSION and not server.bad_hello


@pytest.mark.parametrize("early", [RequestLink(0), Candidates(b""), Ping(0), Pong(0)])
def test_nothing_but_a_proof_answers_the_challenge(early: object) -> None:
    server = new_server()
    server.data_to_send()
    server.receive_data(encode_frame(early), 0.0)
    assert server.bad_hello and server.ended is not None
    # Strangers are not told why.
    assert server.data_to_send() == b""


@pytest.mark.parametrize(
    "early", [Welcome(False, 0, b""), Refused("proof", ""), Ticket(0, NONCE), Offer(NONCE, bytes(16)), Ping(1)]
)
def test_relay_must_begin_with_a_challenge(early: object) -> None:
    client = new_client()
    client.receive_data(encode_frame(early), 0.0)
    assert client.ended is not None and client.ended.code == Code.VIOLATION
    assert client.data_to_send() == b""


@pytest.mark.parametrize("late", [Challenge(1, NONCE), Welcome(False, 0, b""), Refused("proof", "")])
def test_order_holds_after_the_welcome(late: object) -> None:
    client, server = opened()
    client.receive_data(encode_frame(late), 1.0)
    assert client.ended is not None and client.ended.code == Code.VIOLATION
    shuttle(client, server)
    assert server.events() == [Ended(Code.VIOLATION, "the relay sent a message out of order", True)]


def test_second_proof_is_a_violation() -> None:
    client, server = new_client(), new_server()
    client.receive_data(server.data_to_send(), 0.0)
    proof = client.data_to_send()
    server.receive_data(proof, 0.0)
    server.welcome(False, 0, b"", 0.0)
    server.receive_data(proof, 0.0)
    assert server.ended is not None and server.ended.code == Code.VIOLATION


def test_no_proof_in_time_ends_without_a_word() -> None:
    server = new_server()
    server.data_to_send()
    assert server.next_deadline == 5.0
    server.handle_timer(4.9)
    assert server.ended is None
    server.handle_timer(5.0)
    assert server.ended is not None and server.data_to_send() == b""


def test_keep_alive_asks_then_gives_up() -> None:
    client, server = opened()
    assert client.next_deadline == 25.0 and server.next_deadline == 30.0
    client.handle_timer(25.0)
    assert client.next_deadline == 45.0
    assert client.data_to_send() == encode_frame(Ping(0))
    client.handle_timer(30.0)
    assert client.data_to_send() == b""
    client.handle_timer(45.0)
    assert client.ended is not None and client.ended.code == Code.SILENT
    assert client.next_deadline is None
    server.receive_data(client.data_to_send(), 46.0)
    assert server.events() == [Ended(Code.SILENT, "nothing was heard for too long", True)]


def test_pong_keeps_both_alive() -> None:
    client, server = opened()
    for now in (25.0, 50.0, 75.0):
        client.handle_timer(now)
        shuttle(client, server, now)
        assert client.next_deadline == now + 25.0 and server.next_deadline == now + 30.0


def test_relay_probes_with_a_ping() -> None:
    client, server = opened()
    server.ping()
    client.receive_data(server.data_to_send(), 1.0)
    assert client.data_to_send() == encode_frame(Pong(0))


def test_pace_is_bounded_and_grows_back() -> None:
    client, server = new_client(), new_server(pace=Pace(burst=5, per_second=1.0))
    shuttle(client, server)
    server.welcome(False, 0, b"", 0.0)
    for number in range(4):
        server.receive_data(encode_frame(RequestLink(number)), 0.0)
    server.receive_data(encode_frame(RequestLink(4)), 1.0)
    assert server.ended is None
    server.receive_data(encode_frame(RequestLink(5)), 1.0)
    assert server.ended is not None and server.ended.code == Code.TOO_FAST


def test_bytes_before_the_decision_are_bounded() -> None:
    client, server = new_client(), new_server()
    shuttle(client, server)
    for _ in range(40):
        server.receive_data(bytes(1000), 0.0)
    assert server.ended is not None and server.ended.code == Code.VIOLATION
    assert len(server._frames) <= 2 * 16_384 + 1000


def test_nothing_follows_the_end() -> None:
    client, server = opened()
    server.goodbye(Code.STOPPING, "bye")
    server.data_to_send()
    server.goodbye(Code.STOPPING, "again")
    server.send(NoAnswerer(1, 1))
    server.receive_data(encode_frame(RequestLink(1)), 1.0)
    server.handle_timer(1000.0)
    assert server.data_to_send() == b""
    assert server.events() == [Ended(Code.STOPPING, "bye", False)]
    client.receive_eof()
    assert client.events() == [Ended(Code.SILENT, "the connection was lost", False)]


def test_secrets_stay_out_of_reprs() -> None:
    shown = repr(IDENTITY) + repr(Ticket(1, NONCE)) + repr(Offer(NONCE, bytes(16)))
    client = new_client()
    client.receive_data(encode_frame(Challenge(1, NONCE)), 0.0)
    server = new_server()
    server.receive_data(client.data_to_send(), 0.0)
    shown += repr(server.events())
    assert IDENTITY.sign_private.hex() not in shown and repr(IDENTITY.sign_private) not in shown
    assert repr(NONCE) not in shown and repr(IDENTITY.lock) not in shown


_GOODBYE = encode_frame(Goodbye("stopping", "bye"))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans(), st.booleans())
def test_no_bytes_make_a_machine_raise_or_grow(chunks: list[bytes], opened_first: bool, framed: bool) -> None:
    client, server = opened() if opened_first else (new_client(), new_server())
    for chunk in chunks:
        data = len(chunk).to_bytes(2, "big") + chunk if framed else chunk
        for machine in (client, server):
            machine.receive_data(data, 1.0)
            machine.events()
            machine.data_to_send()
            assert len(machine._frames) <= 2 * 16_384


_number = st.integers(0, (1 << 32) - 1)
_from_relay = st.one_of(
    st.builds(Challenge, st.integers(0, 255), st.binary(min_size=32, max_size=32)),
    st.builds(Welcome, st.booleans(), st.integers(0, 1 << 53), st.binary(max_size=50), st.binary(max_size=20)),
    st.builds(Ticket, _number, st.binary(min_size=32, max_size=32)),
    st.builds(Offer, st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16)),
    st.builds(PeerChanged, st.booleans(), st.integers(0, 99), st.binary(max_size=50)),
    st.builds(Ping, _number),
    st.builds(Pong, _number),
    st.builds(NoAnswerer, _number, st.integers(0, 99)),
    st.just(Goodbye("stopping", "bye")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_from_relay, max_size=10))
def test_no_order_of_messages_makes_the_half_raise(messages: list[object]) -> None:
    client = new_client()
    for message in messages:
        client.receive_data(encode_frame(message), 1.0)
    events = client.events()
    assert sum(isinstance(event, Ended) for event in events) <= 1
    assert not any(isinstance(event, Ended) for event in events[:-1])
