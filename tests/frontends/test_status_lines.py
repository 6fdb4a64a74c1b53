"""What `gimmal status` prints of an agent, an older one too."""

from __future__ import annotations

import time

import pytest

from gimmal.frontends.cli.status import _print_paths, _relay_state, _seen, print_sleep


def test_an_agent_from_before_an_update_says_its_path_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _print_paths({"connected": True, "path": "relayed"})
    assert capsys.readouterr().out == "path: relayed\n"


def test_how_a_session_travels_and_why_not_better(capsys: pytest.CaptureFixture[str]) -> None:
    agent = {
        "connected": True,
        "path": "relayed",
        "round_trip_ms": 12.5,
        "path_since": 0,
        "received_rate": 1_500_000,
        "sent_rate": 0,
        "why_not": {"direct": "it \x1b[31mfailed"},
    }
    _print_paths(agent)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("path: relayed, 12.5 ms, since 1970-01-01")
    assert first.endswith("receives 1.5 MB/s, sends 0 B/s")
    assert second == "not direct: it \\x1b[31mfailed"
    _print_paths(agent | {"connected": False})
    assert capsys.readouterr().out == ""


def test_what_a_relayed_path_travels_in(capsys: pytest.CaptureFixture[str]) -> None:
    agent = {
        "connected": True,
        "path": "relayed",
        "path_way": "websocket",
        "round_trip_ms": None,
        "path_since": 0,
        "received_rate": 0,
        "sent_rate": 0,
        "why_not": {},
    }
    _print_paths(agent)
    assert capsys.readouterr().out.startswith("path: relayed (websocket), since 1970-01-01")


def test_how_a_relay_is_reached() -> None:
    relay = {"connected": True, "failure": "", "peer_present": True, "last_seen": 0}
    assert _relay_state(relay) == "connected, the other side is there"
    assert _relay_state(relay | {"by": "tls", "proxy": ""}) == "connected, the other side is there"
    through = relay | {"by": "websocket", "proxy": "proxy:3128\x1b[31m", "peer_present": False}
    assert _relay_state(through) == (
        "connected by websocket through the proxy proxy:3128\\x1b[31m, the other side was never seen there"
    )
    seen = _relay_state(relay | {"peer_present": False, "last_seen": 1_700_000_000})
    assert seen.startswith("connected, the other side was last seen 2023-11-1")


def test_when_the_other_side_was_seen() -> None:
    assert _seen(0) == "never seen from here"
    assert _seen(1_700_000_000).startswith("last seen 2023-11-1")
    assert _seen(int(time.time())) == f"last seen {time.strftime('%H:%M')}"


def test_whether_sleep_is_held_off(capsys: pytest.CaptureFixture[str]) -> None:
    print_sleep({"wanted": True, "held_off": True, "reason": ""})
    print_sleep({"wanted": True, "held_off": False, "reason": "logind refuses: no\x1b[31m"})
    print_sleep({"wanted": False, "held_off": False, "reason": "it was not asked for"})
    assert capsys.readouterr().out.splitlines() == [
        "sleep: held off while the other side is connected",
        "sleep: not held off, logind refuses: no\\x1b[31m",
        "sleep: not held off, it was not asked for; gimmal awake on asks for it",
    ]
