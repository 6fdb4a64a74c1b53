"""The table of paths says of every pair what it reached, and hides neither a worse path nor a pair that is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from paths_document import document, expected_of

from tests.lab.kinds import KINDS

RUN = [("commit", "abc1234"), ("memory", "23 GiB")]


def measured(home: str, guest: str, **more: object) -> dict[str, Any]:
    path = "lan" if home == "same" else expected_of(home, guest)
    return {
        "home": home,
        "guest": guest,
        "relay": True,
        "expected": path,
        "why": "they can",
        "path": path,
        "first_path": "relayed",
        "first_seconds": 0.5,
        "connected_seconds": 0.6,
        "best_seconds": 1.2345,
        "round_trip_ms": 20.4,
        "home_way": "raw",
        "guest_way": "raw",
        "relay_bytes": 48,
        "copied": 4_194_304,
        "reasons": {},
    } | more


def everything() -> list[dict[str, Any]]:
    pairs = [measured(home.name, guest.name) for home in KINDS for guest in KINDS]
    return [*pairs, measured("same", "same"), measured("same", "same", relay=False)]


def cells(text: str, *begin: str) -> list[list[str]]:
    """The rows that begin so."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if row[: len(begin)] == list(begin)]


def test_all_pairs_are_shown_with_run_and_times() -> None:
    text = document(everything(), RUN)
    assert "83 of 83 pairs reached" in text
    assert "Not reached" not in text
    assert cells(text, "commit") == [["commit", "abc1234"]]
    (row,) = cells(text, "NAT", "public address", "0.50 s")
    assert row[3:] == ["relayed", "0.60 s", "1.23 s", "direct", "20 ms", "-", "48 bytes", "they can"]
    (matrix,) = [row for row in cells(text, "NAT") if len(row) == len(KINDS) + 1]
    assert matrix[1] == "direct"
    (direct,) = cells(text, "direct")
    assert direct[2:] == ["**0.50** (0.50 to 0.50)", "**1.23** (1.23 to 1.23)"]
    assert cells(text, "the relay is off", "0.50 s")


def test_a_worse_path_is_shown_as_such_and_not_counted() -> None:
    results = [one for one in everything() if (one["home"], one["guest"]) != ("nat", "public")]
    text = document([*results, measured("nat", "public", path="relayed", guest_way="tls")], RUN)
    assert "82 of 83 pairs reached" in text
    (row,) = cells(text, "NAT", "public address", "0.50 s")
    assert row[6] == "**relayed**, not direct"
    assert row[8:10] == ["raw and tls", "all"]


def test_what_is_missing_is_named_with_what_it_should_have_reached() -> None:
    results = [one for one in everything() if "proxy" not in (one["home"], one["guest"]) and one["home"] != "same"]
    text = document(results, RUN)
    assert "64 of 83 pairs reached" in text
    assert "- 443 through a proxy, NAT: relayed" in text
    assert "- one local network, the relay is off: lan" in text
    assert "**none**" in text


def test_a_wrapped_leg_is_said_once_where_both_have_the_same() -> None:
    text = document([measured("proxy", "proxy", home_way="websocket", guest_way="websocket")], RUN)
    (row,) = cells(text, "443 through a proxy", "443 through a proxy", "0.50 s")
    assert row[8] == "websocket"
