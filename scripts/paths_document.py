"""docs/paths.md, made from what was measured of each pair of kinds of networks."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.report import spread, table_text
from tests.lab.kinds import DIRECT_MS, KINDS, RELAY_MS, SAME, expected, expected_near

Measured = Mapping[str, Any]

_ABOUT = f"""\
Written by `make paths`; do not edit. Two halves of a pair are plugged in at two kinds of networks, one at home and one
where the guest is, each kind with each other. Measured is what a person would see: when the first listing is there,
which path is reached in the end, and when.

The networks are network namespaces of one computer with real routers (Linux, nftables), miniupnpd and tinyproxy. The
lines between them have a delay: {DIRECT_MS} ms for a round trip between the two sites, {RELAY_MS} ms from each of them
to the relay, and so {2 * RELAY_MS} ms over the relay. Nothing is lost and no line is narrow. Each NAT has the same
private network behind it, as most homes do. The relay has addresses of IPv4 and IPv6, one name, and port 443. Both
sides, their routers and the relay share the processors of one machine, and starting a program is counted: the seconds
are for comparing rows with each other."""

_STEPS = """\
1. `gimmal up` runs at home. Where the guest is, `gimmal ls :` runs alone, with no agent: **first listing**, from the
   start of the command to its end, and the path by which it began.
2. Where the guest is, `gimmal up` is started: **session**, until it is connected with the agent at home; **best path**,
   until both say that they have reached the path that this pair must reach. From the moment it is ready two copies of
   4 MiB run, one each way, for two seconds; both must end without an error and with the right bytes.
3. A third copy of 4 MiB: **on the relay's line** is all that passes there meanwhile, both directions, packet headers
   included."""

_WORDS = (
    ("`lan`", "in the local network, found there without any relay"),
    ("`direct`", "one side dials the other: an address of its own, or a port that its router opened"),
    ("`punched`", "both sides connect at once, through routers that let in only what was asked for"),
    ("`relayed`", "through the relay, which sees ciphertext alone"),
    ("`raw`", "links to the relay travel as they are"),
    ("`tls`, `websocket`", "they travel inside TLS, or inside WebSocket through the proxy, for nothing else passes"),
)


def document(measured: Sequence[Measured], machine: Sequence[tuple[str, str]]) -> str:
    """The whole document.

    Args:
        measured: see ``tests/lab/kinds_world.py``, in the order in which they are shown.
        machine: what is known of the run, in pairs.
    """
    pairs = {(one["home"], one["guest"]): one for one in measured if one["home"] != SAME}
    near = [one for one in measured if one["home"] == SAME]
    wanted = [(home.name, guest.name) for home in KINDS for guest in KINDS]
    reached = sum(pair in pairs and is_reached(pairs[pair]) for pair in wanted) + sum(map(is_reached, near))
    parts = ["# Paths from one kind of network to another", _ABOUT]
    parts += [
        f"{reached} of {len(wanted) + 2} pairs reached the path that they must.",
        table_text(["run", ""], machine),
    ]
    parts += ["## Kinds of networks", table_text(["kind", "between the computer and the internet"], _kinds())]
    parts += ["## Which path is reached", _matrix(pairs)]
    parts += [table_text(["word", "how the bytes travel"], _WORDS)]
    parts += ["## How long it takes", _STEPS]
    parts += [_summary(list(pairs.values()))] if pairs else []
    header = ["home", "guest", "first listing", "by", "session", "best path", "path", "round trip", "to the relay"]
    header += ["on the relay's line", "why this path"]
    titles = {kind.name: kind.title for kind in KINDS}
    rows = [_row(titles[home], titles[guest], pairs[home, guest]) for home, guest in wanted if (home, guest) in pairs]
    parts += [table_text(header, rows)] if rows else []
    parts += [
        "## In one local network",
        "Both behind one NAT, in one network. A relay that is off answers nothing, and takes no packet.",
    ]
    if near:
        named = [_row("the relay is there" if one["relay"] else "the relay is off", "", one) for one in near]
        parts += [table_text(["", *header[2:]], [[row[0], *row[2:]] for row in named])]
    missing = [
        f"- {titles[home]}, {titles[guest]}: {expected_of(home, guest)}"
        for home, guest in wanted
        if (home, guest) not in pairs
    ]
    there = {one["relay"] for one in near}
    missing += [
        f"- one local network, {said}: lan"
        for relay, said in ((True, "the relay is there"), (False, "the relay is off"))
        if relay not in there
    ]
    if missing:
        parts += ["## Not reached, or not measured", "\n".join(missing)]
    return "\n\n".join(parts) + "\n"


def is_reached(one: Measured) -> bool:
    """Whether a pair has what it must have now."""
    if one["home"] == SAME:
        return bool(one["path"] == expected_near(one["relay"]).path)
    return bool(one["path"] == expected_of(one["home"], one["guest"]))


def expected_of(home: str, guest: str) -> str:
    """The path that a pair must reach, by names of kinds."""
    by_name = {kind.name: kind for kind in KINDS}
    return expected(by_name[home], by_name[guest]).path


def _summary(measured: Sequence[Measured]) -> str:
    """Medians of the pairs that ended with the same path."""
    rows = []
    for path in dict.fromkeys(one["path"] for one in measured):
        same = [one for one in measured if one["path"] == path]
        times = (spread([one[key] for one in same]).text() for key in ("first_seconds", "best_seconds"))
        rows.append([path, str(len(same)), *times])
    return table_text(["path", "pairs", "first listing, s: median (least to most)", "best path, s"], rows)


def _kinds() -> list[list[str]]:
    return [[kind.title, kind.about] for kind in KINDS]


def _matrix(pairs: Mapping[tuple[str, str], Measured]) -> str:
    rows = []
    for home in KINDS:
        cells = []
        for guest in KINDS:
            one = pairs.get((home.name, guest.name))
            cells.append("**none**" if one is None else one["path"] if is_reached(one) else f"**{one['path']}**")
        rows.append([home.title, *cells])
    return table_text(["home \\ guest", *(kind.title for kind in KINDS)], rows)


def _row(home: str, guest: str, one: Measured) -> list[str]:
    ways = [one["home_way"], one["guest_way"]]
    to_relay = "-" if one["path"] != "relayed" else ways[0] if ways[0] == ways[1] else " and ".join(ways)
    path = one["path"] if is_reached(one) else f"**{one['path']}**, not {one['expected']}"
    return [
        home,
        guest,
        f"{one['first_seconds']:.2f} s",
        one["first_path"],
        f"{one['connected_seconds']:.2f} s",
        f"{one['best_seconds']:.2f} s",
        path,
        "-" if one["round_trip_ms"] is None else f"{one['round_trip_ms']:.0f} ms",
        to_relay,
        "all" if one["path"] == "relayed" else f"{one['relay_bytes']:,} bytes",
        one["why"],
    ]
