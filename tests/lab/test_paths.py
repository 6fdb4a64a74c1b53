"""Each pair of kinds of networks reaches the path it must, its copies go on, and the relay is left alone afterwards.

``make paths`` runs all pairs and writes docs/paths.md; every other run takes those of ``SAMPLE``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.endtoend.world import FULL
from tests.figures import figure
from tests.lab.kinds import DUAL, KINDS, NAT, SAMPLE, Kind, expected, expected_near
from tests.lab.kinds_world import Measured, keep, kinds_world
from tests.patience import within

PAIRS = [(home, guest) for home in KINDS for guest in KINDS] if FULL else list(SAMPLE)

BESIDE_BYTES = 20_000
"""On the relay's line, packet headers and signs of life of all connections counted, while copies go another way."""


def name(pair: tuple[Kind, Kind]) -> str:
    return f"{pair[0].name}-{pair[1].name}"


@pytest.mark.campaign
@pytest.mark.timeout(300)
@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_a_pair_reaches_its_best_path(pair: tuple[Kind, Kind], tmp_path: Path) -> None:
    home, guest = pair
    with kinds_world(home, guest, expected(home, guest), tmp_path) as made:
        measured = made.measure()
    judge(measured)
    for kind, way in ((home, measured.home_way), (guest, measured.guest_way)):
        # Over the relay both have shown it; a side that has not been there knows of no way.
        known = () if measured.path == "relayed" else ("",)
        assert way in ("websocket" if kind.blocked else "raw", *known), measured
    if measured.path == "punched":
        assert within(measured.best_seconds, 2.0, f"{name(pair)}: seconds to the punched path")


@pytest.mark.timeout(300)
def test_a_command_whose_relay_sees_its_ipv6_is_punched_by_ipv4(tmp_path: Path) -> None:
    with kinds_world(NAT, DUAL, expected(NAT, DUAL), tmp_path) as made:
        assert made.copied_without_agent() == "punched"


def judge(measured: Measured) -> None:
    keep(measured)
    assert measured.path == measured.expected, measured
    if measured.path == "relayed":
        assert measured.relay_bytes > measured.copied
    else:
        assert measured.relay_bytes <= BESIDE_BYTES, measured


@pytest.mark.parametrize("relay", [True, False], ids=["beside-a-relay", "relay-off"])
def test_in_one_network(relay: bool, tmp_path: Path) -> None:
    with kinds_world(None, None, expected_near(relay), tmp_path, relay=relay) as made:
        measured = made.measure()
    judge(measured)
    if relay:
        assert within(measured.best_seconds, 1.5, "same LAN: seconds from the agent's start to the LAN path")
        figure(
            "same LAN: bytes on the relay's line while 4 MiB were copied", measured.relay_bytes, f"<= {BESIDE_BYTES}"
        )
    else:
        assert within(measured.first_seconds, 2.0, "same LAN, relay off: seconds to the first listing")
        assert within(measured.best_seconds, 2.0, "same LAN, relay off: seconds until two agents are connected")
