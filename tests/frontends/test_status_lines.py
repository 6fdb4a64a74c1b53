"""What `gimmal status` prints of an agent, an older one too."""

from __future__ import annotations

import pytest

from gimmal.frontends.cli.status import _print_paths, _relay_state


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


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (None, "connected, the other side is there"),
        ("", "connected, the other side is there"),
        ("raw", "connected, the other side is there"),
        ("tls", "connected, links inside TLS, the other side is there"),
        ("websocket", "connected, links inside WebSocket, the other side is there"),
    ],
)
def test_in_what_links_to_a_relay_travel_is_said_where_raw_ones_do_not_pass(way: str | None, said: str) -> None:
    """An agent from before an update does not say it."""
    relay = {"connected": True, "failure": "", "peer_present": True, "last_seen": 0}
    assert _relay_state(relay | ({} if way is None else {"way": way})) == said
