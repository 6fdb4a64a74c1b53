"""Asking a proxy for a tunnel: what is sent, and every kind of answer."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.relay.http_connect import ANSWER_MAX, ConnectAnswer, connect_request

GOOD = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"


def test_request_without_and_with_credentials() -> None:
    assert connect_request("relay.example.org", 443) == (
        b"CONNECT relay.example.org:443 HTTP/1.1\r\nHost: relay.example.org:443\r\n\r\n"
    )
    sent = connect_request("2001:db8::1", 443, "anna", "s:ecrät")
    assert sent.startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n")
    line = sent.decode().split("\r\n")[2]
    assert base64.b64decode(line.removeprefix("Proxy-Authorization: Basic ")).decode() == "anna:s:ecrät"


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_good_answer_cut_anywhere(cut: int) -> None:
    answer = ConnectAnswer()
    assert answer.receive(GOOD[:cut]) is None
    assert answer.receive(GOOD[cut:]) == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HTTP/1.0 200\r\n\r\n", 200),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n", 407),
        (b"HTTP/1.1 503 No\r\nContent-Length: 1000000\r\n\r\n<html>", 503),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal\r\n\r\n", 302),
    ],
)
def test_status_is_read(sent: bytes, status: int) -> None:
    assert ConnectAnswer().receive(sent) == status


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 999 No\r\n\r\n",
        b"HTTP/1.1 200 \x00\r\n\r\n",
        GOOD + b"\x16",
    ],
)
def test_other_answers_are_refused(sent: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        ConnectAnswer().receive(sent)


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\n"])
def test_an_answer_without_end_is_left_at_the_limit(beginning: bytes) -> None:
    answer, taken = ConnectAnswer(), len(beginning)
    assert answer.receive(beginning) is None
    with pytest.raises(ProtocolViolation):
        while taken < 1 << 20:
            answer.receive(b"X-Header: filler\r\n" * 50 if b"\r\n" in beginning else b"x" * 900)
            taken += 900
    assert taken <= ANSWER_MAX + 2000


@given(st.lists(st.binary(max_size=600), max_size=30))
def test_noise_is_refused_or_waited_for(noise: list[bytes]) -> None:
    answer = ConnectAnswer()
    for piece in noise:
        try:
            status = answer.receive(piece)
        except ProtocolViolation:
            return
        assert status is None or 100 <= status < 600
        if status is not None:
            return
