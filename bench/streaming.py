"""How a film of the other side plays and seeks, and how its bytes are read here and there."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.copying import Wish
from bench.gimmal_rig import Inside, Rig, here, rig
from bench.line import Line, line
from bench.material import random_file
from bench.report import Goal, Report, Table
from bench.rows import ROUND_TRIP_SECONDS
from bench.ssh_rig import Missing

SIZE = 1 << 30
JUMPS = 20
FILM_BITS = 20e6
_FILM = "home/film/large.bin"
_SECONDS = 600
_HEADERS = ["place", "what", "measured"]


@dataclass(frozen=True)
class _Place:
    name: str
    rate_bits: float = 0.0
    film: bool = False
    """A film is played on it from end to end of the jumps."""


_PLACES = (_Place("loopback"), _Place("50 ms, 200 Mbit/s", 200e6), _Place("50 ms, 25 Mbit/s", 25e6, True))


def measure(wish: Wish) -> Report:
    """Play, seek and read at each place."""
    report, rows, remarks = Report(), [], []
    size = max(128 << 20, int(SIZE * wish.percent / 100))
    for place in _PLACES:
        try:
            with _laid(place) as laid:
                rows += _measure_place(place, laid, wish, size, report.goals)
        except Missing as exc:
            remarks.append(f"{place.name} was not measured: {exc}")
    note = (
        "First bytes after a jump are those that a program gets over HTTP from `gimmal play --url-only`, connecting "
        f"included, from a pause and while it took all that came; a film of {FILM_BITS / 1e6:g} Mbit/s is played for "
        f"4 s after each of {JUMPS} jumps, from half a second in memory on. Random and ordered reads are those of the "
        f"cache behind it, through the running agent. The file has {size / 2**20:g} MiB; the line's queue holds what "
        "it carries in one round trip."
    )
    if remarks:
        note += " Remarks: " + "; ".join(remarks) + "."
    report.tables.append(Table("Streaming", note, _HEADERS, rows))
    return report


@contextlib.contextmanager
def _laid(place: _Place) -> Iterator[Line | None]:
    if not place.rate_bits:
        yield None
        return
    queue = max(int(place.rate_bits * ROUND_TRIP_SECONDS / 8), 128 << 10)
    with line(ROUND_TRIP_SECONDS / 2, place.rate_bits, 0.0, queue) as laid:
        yield laid


def _measure_place(place: _Place, laid: Line | None, wish: Wish, size: int, goals: list[Goal]) -> list[list[str]]:
    host, inside = (laid.address("a"), laid.in_namespace) if laid else ("127.0.0.1", here)
    rows = []
    with rig(wish.folder, host, inside) as made:
        random_file(size)(made.folder / "home" / "film", 1.0)
        made.agent("a", f"home={made.folder / 'home'}")
        local, _address = made.agent("b", listen="" if not laid else f"{laid.address('b')}:0")
        local.wait_for("connected: ")
        player = made.start("b", "play", "--url-only", "--half", made.half("b"), f":{_FILM}")
        url = player.wait_for("play: ")[1].removeprefix("play: ")
        if place.film:
            played = _probe(made, inside, "film", url, str(size), str(JUMPS), str(FILM_BITS))
            stalls = len(played["stalls"])
            start = statistics.median(played["starts"])
            rows.append([place.name, "a film through 20 jumps", f"{stalls} stalls; plays after {1000 * start:.0f} ms"])
            goals.append(Goal(f"a {FILM_BITS / 1e6:g} Mbit/s film, {place.name}", f"{stalls} stalls", "0", not stalls))
        for before, took in _probe(made, inside, "seeks", url, str(size), str(JUMPS)).items():
            median, most = 1000 * statistics.median(took), 1000 * max(took)
            what = f"first byte after a jump, the line {before} before"
            rows.append([place.name, what, f"{median:.1f} ms, {most:.1f} ms at most"])
            if laid:
                trips = median / (1000 * ROUND_TRIP_SECONDS)
                goals.append(Goal(f"{what}, {place.name}", f"{trips:.2f} round trips", "<= 1.3", trips <= 1.3))
        made.stop(player)
        if not place.film:
            rows += _read(place, _probe(made, inside, "cache", made.half("b"), _FILM), goals)
    return rows


def _read(place: _Place, found: dict[str, float], goals: list[Goal]) -> list[list[str]]:
    trips = found["random"] / ROUND_TRIP_SECONDS
    if place.rate_bits:
        part = 8 * found["rate"] / place.rate_bits
        goals += [
            Goal(f"4 KiB here and there, {place.name}", f"{trips:.2f} round trips", "<= 1.1", trips <= 1.1),
            Goal(
                f"bytes that came for each, {place.name}", f"{found['came']:,.0f}", "<= 16,384", found["came"] <= 16384
            ),
            Goal(f"read in order, {place.name}", f"{part:.2f} of the line", ">= 0.9", part >= 0.9),
        ]
    return [
        [place.name, "4 KiB here and there", f"{1000 * found['random']:.1f} ms, {found['came']:,.0f} bytes came"],
        [place.name, "read in order", f"{found['rate'] / 1e6:.0f} MB/s"],
    ]


def _probe(made: Rig, inside: Inside, *words: str) -> dict[str, Any]:
    command = inside("b", [sys.executable, "-m", "bench.streaming_probe", *words])
    tree = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        command, env=made.environment("b"), cwd=tree, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found
