"""How much of a row's work each contender does, and how often: so that the whole of the bench stays affordable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

RUNS = 5
PROBES = (1 / 1024, 1 / 256, 1 / 32, 1 / 8)
_APART_SECONDS, _APART_TIMES, _LONG_SECONDS = 1.0, 1.5, 8.0
"""A probe says enough when it took so much longer than the first one and so many times as long, or so long at all."""

_START_UP_SECONDS = 1.0
"""Of who is so slow that there was one probe only."""

_START_UP_TIMES = 3.0
"""Beyond its start-up a part takes at least so many times that, for what is not exactly known is scaled with it."""

_PARTS = [2.0**-number for number in range(1, 11)]


@dataclass(frozen=True)
class Weight:
    """What a kind of contender may cost.

    Attributes:
        steps: pairs of seconds and runs: so many runs of the whole where one takes no longer.
        part_seconds: about how long a run takes where the whole takes longer than all of them.
        part_runs: runs of a part.
        most_seconds: of a run of the smallest part for it to be done more than once.
    """

    steps: tuple[tuple[float, int], ...]
    part_seconds: float
    part_runs: int
    most_seconds: float = 15.0


OURS = Weight(((8.0, RUNS), (15.0, 3), (40.0, 2), (75.0, 1)), 45.0, 1, 60.0)
RIVAL = Weight(((6.0, RUNS), (10.0, 3)), 5.0, 2)
OTHER = Weight(((5.0, 2),), 4.0, 1)


@dataclass(frozen=True)
class Plan:
    """What a contender does of a row.

    Attributes:
        part: of the work, 1 for all.
        runs: how often.
        start_up: seconds that would be the same for all of the work, so not scaled with it.
    """

    part: float
    runs: int
    start_up: float


def probe(copy: Callable[[float], float]) -> list[tuple[float, float]]:
    """Copies of growing parts until one of them took long enough: parts and seconds.

    Args:
        copy: copies a part of the work and returns the seconds it took.
    """
    found: list[tuple[float, float]] = []
    for part in PROBES:
        found.append((part, copy(part)))
        first, last = found[0][1], found[-1][1]
        if last >= max(first + _APART_SECONDS, _APART_TIMES * first) or last >= _LONG_SECONDS:
            break
    return found


def plan(probes: Sequence[tuple[float, float]], weight: Weight, most_runs: int = RUNS) -> Plan:
    """How a contender with these probes takes part.

    Args:
        probes: parts, growing, and their seconds; at least one.
        most_runs: at most so many.
    """
    part, seconds = probes[-1]
    start_up = min(_START_UP_SECONDS, seconds)
    if len(probes) > 1:
        smaller, earlier = probes[0]
        slope = max(0.0, seconds - earlier) / (part - smaller)
        start_up = min(max(0.0, earlier - slope * smaller), earlier)
    whole = start_up + (seconds - start_up) / part
    runs = runs_of(whole, weight)
    if runs:
        return Plan(1.0, min(runs, most_runs), 0.0)
    wanted = max(weight.part_seconds - start_up, _START_UP_TIMES * start_up) / (whole - start_up)
    chosen = next((size for size in _PARTS if size <= wanted), _PARTS[-1])
    took = start_up + chosen * (whole - start_up)
    return Plan(chosen, min(most_runs, weight.part_runs if took <= weight.most_seconds else 1), start_up)


def counting(chosen: Plan, probes: Sequence[tuple[float, float]], weight: Weight) -> Plan | None:
    """The plan of who does a part, with the last probe as one of its runs, where that was long enough to be one."""
    part, seconds = probes[-1]
    return replace(chosen, part=part) if chosen.part < 1 and seconds >= weight.part_seconds else None


def runs_of(seconds: float, weight: Weight) -> int:
    """How often the whole is copied where one copy takes so long; 0 where only a part should be."""
    return next((runs for most, runs in weight.steps if seconds <= most), 0)
