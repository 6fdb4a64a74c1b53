"""WebSocket machines in pairs: the payload of one is that of the other, and nothing else gets through."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.web_socket import HANDSHAKE_MAX, MESSAGE_MAX, WebSocketClient, WebSocketMachine, WebSocketServer

PATHS = ("/gimmal/1/control", "/gimmal/1/leg")


def pair(path: str = PATHS[1]) -> tuple[WebSocketClient, WebSocketServer]:
    return WebSocketClient("relay.example.org", 443, path), WebSocketServer(PATHS)


def opened() -> tuple[WebSocketClient, WebSocketServer]:
    client, server = pair()
    assert server.receive(client.data_to_send()) == []
    assert client.receive(server.data_to_send()) == []
    assert client.opened and server.opened
    return client, server


def test_request_names_host_and_path_and_is_agreed_on() -> None:
    client, server = pair()
    request = client.data_to_send()
    assert request.startswith(b"GET /gimmal/1/leg HTTP/1.1\r\n")
    assert b"Host: relay.example.org\r\n" in request
    assert b"xtensions" not in request and b"rotocol" not in request
    server.receive(request)
    assert server.path == PATHS[1]
    response = server.data_to_send()
    assert response.startswith(b"HTTP/1.1 101 ")
    assert client.receive(response) == [] and client.opened


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, MESSAGE_MAX, MESSAGE_MAX + 1, 5 * MESSAGE_MAX])
def test_payload_arrives_both_ways_in_bounded_messages(size: int) -> None:
    client, server = opened()
    sent = bytes(range(256)) * (size // 256 + 1)
    for sender, receiver in ((client, server), (server, client)):
        sender.send(sent[:size])
        pieces = receiver.receive(sender.data_to_send())
        assert b"".join(pieces) == sent[:size]
        assert max(map(len, pieces)) <= MESSAGE_MAX


def test_cut_at_every_position_nothing_changes() -> None:
    client, server = pair()
    request = client.data_to_send()
    for cut in range(len(request)):
        server = WebSocketServer(PATHS)
        server.receive(request[:cut])
        assert not server.opened and not server.ended and server.data_to_send() == b""
        server.receive(request[cut:])
        assert server.opened
    answer = server.data_to_send()
    server.send(b"challenge")
    answer += server.data_to_send()
    for cut in range(len(answer)):
        # Each request has a key of its own, which the answer must fit.
        fresh = WebSocketClient("relay.example.org", 443, PATHS[1])
        other = WebSocketServer(PATHS)
        other.receive(fresh.data_to_send())
        other.send(b"challenge")
        whole = other.data_to_send()
        got = fresh.receive(whole[:cut]) + fresh.receive(whole[cut:])
        assert b"".join(got) == b"challenge" and fresh.failure is None


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /gimmal/1/leg HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /gimmal/1/leg?x HTTP/1.1\r\nHost: x\r\n\r\n",
        (
            b"GET /gimmal/1/leg HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        (
            b"POST /gimmal/1/leg HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        (
            b"GET /gimmal/1/leg HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 12\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        b"GARBAGE\r\n\r\n",
        b"GET /gimmal/1/leg HTTP/1.1\r\nX: " + b"a" * HANDSHAKE_MAX,
    ],
)
def test_a_request_for_anything_else_draws_no_byte(request_text: bytes) -> None:
    server = WebSocketServer(PATHS)
    assert server.receive(request_text) == []
    assert server.ended and server.failure and not server.opened
    assert server.data_to_send() == b""
    assert server.receive(b"more") == [] and server.data_to_send() == b""


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n", "502"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 999999\r\n\r\n<html>", "404"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "WebSocket"),
        (b"\x00\x05\x93\x20" + bytes(40), "WebSocket"),
        (b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"a" * HANDSHAKE_MAX, "opening"),
    ],
)
def test_an_answer_that_is_none_is_named(answer: bytes, says: str) -> None:
    client, _ = pair()
    client.data_to_send()
    client.receive(answer)
    assert client.ended and client.failure is not None and says in client.failure and not client.opened


def frame(opcode: int, data: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """A frame by hand, with a mask of zeros."""
    head = bytes((opcode | (0x80 if fin else 0) | reserved << 4,))
    mask = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes((mask | len(data),))
    else:
        head += bytes((mask | 127,)) + len(data).to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + data


@pytest.mark.parametrize(
    "sent",
    [
        frame(1, b"text"),
        frame(2, b"x", masked=False),
        frame(2, b"x", reserved=4),
        frame(3, b"x"),
        frame(0, b"no beginning"),
        frame(2, bytes(MESSAGE_MAX + 1)),
        frame(2, bytes(MESSAGE_MAX), fin=False) + frame(0, b"x"),
        frame(9, bytes(200)),
        bytes((0x82, 0xFF)) + (1 << 62).to_bytes(8, "big"),
        frame(2, b"x", fin=False) + frame(2, b"y"),
    ],
    ids=["text", "unmasked", "reserved", "opcode", "cont", "long", "long by parts", "long ping", "huge", "interleaved"],
)
def test_what_breaks_the_rules_ends_it(sent: bytes) -> None:
    _, server = opened()
    got = server.receive(sent)
    assert server.ended and server.failure
    assert sum(map(len, got)) <= MESSAGE_MAX


def test_fragments_are_payload_ping_is_answered_and_empty_messages_mean_nothing() -> None:
    _, server = opened()
    server.data_to_send()
    got = server.receive(
        frame(2, b"ab", fin=False) + frame(9, b"ping") + frame(0, b"c") + frame(2, b"") + frame(10, b"")
    )
    assert b"".join(got) == b"abc" and not server.ended
    assert server.data_to_send() == b"\x8a\x04ping"


def test_close_ends_both_and_what_follows_it_is_nothing() -> None:
    client, server = opened()
    client.send(b"last")
    client.close()
    sent = client.data_to_send()
    assert server.receive(sent + b"after") == [b"last"]
    assert server.ended and server.failure is None
    client.receive(server.data_to_send())
    assert client.ended and client.failure is None
    client.close()
    assert client.data_to_send() == b""


def test_nothing_of_the_payload_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client, server = opened()
        client.send(b"ticket-ticket")
        server.receive(client.data_to_send())
    assert not caplog.records


@given(st.lists(st.binary(max_size=300), max_size=20), st.booleans())
@settings(deadline=None)
def test_noise_never_raises_and_draws_nothing_before_a_request(noise: list[bytes], started: bool) -> None:
    machine: WebSocketMachine
    for machine in opened() if started else pair():
        machine.data_to_send()
        for piece in noise:
            got = machine.receive(piece)
            assert sum(map(len, got)) <= len(piece) + MESSAGE_MAX
        if isinstance(machine, WebSocketServer) and not machine.opened:
            assert machine.data_to_send() == b""


@given(st.binary(max_size=5000), st.lists(st.integers(1, 700), max_size=30))
@settings(deadline=None)
def test_payload_survives_any_cutting(payload: bytes, cuts: list[int]) -> None:
    client, server = opened()
    client.send(payload)
    wire = client.data_to_send()
    got, at = b"", 0
    for size in [*cuts, len(wire)]:
        got += b"".join(server.receive(wire[at : at + size]))
        at += size
    assert got == payload and server.failure is None
