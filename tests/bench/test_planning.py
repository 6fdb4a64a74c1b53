"""Who is slow does a part, who is quick does all of it five times, and neither start-up nor noise is scaled."""

from __future__ import annotations

import pytest
from bench.contenders import Run
from bench.copied import Copied, whole_seconds
from bench.material import evenly
from bench.planning import OTHER, OURS, PROBES, RIVAL, RUNS, Plan, counting, plan, probe, runs_of
from bench.processes import Measured


def of(start_up: float, work: float) -> list[tuple[float, float]]:
    """The probes of a program that takes so long to start, and so long for all of the work."""
    return probe(lambda part: start_up + part * work)


def test_who_is_quick_does_all_of_it_five_times() -> None:
    assert plan(of(0.3, 2.0), RIVAL) == Plan(1.0, RUNS, 0.0)


def test_probes_end_when_they_tell_start_up_and_work_apart() -> None:
    assert len(of(0.1, 1000.0)) == 2
    assert len(of(3.0, 1000.0)) == 2
    assert len(of(3.0, 4.0)) == len(PROBES)
    assert len(of(0.0, 12_000.0)) == 1


@pytest.mark.parametrize("start_up", [0.2, 1.0, 3.0])
def test_a_part_is_scaled_without_the_start_up(start_up: float) -> None:
    work = 400.0
    chosen = plan(of(start_up, work), RIVAL)
    assert chosen.part < 1
    assert chosen.start_up == pytest.approx(start_up, abs=0.01)
    took = Measured(start_up + chosen.part * work, 0.0, 0.0, 0.0)
    copied = Copied(Run(took, 0.0, 0.0, 0.0, 0.0), chosen.part, chosen.start_up, 1, 1, 0)
    assert whole_seconds([copied]).median == pytest.approx(start_up + work, rel=0.01)


def test_a_part_takes_some_times_the_start_up() -> None:
    chosen = plan(of(4.0, 200.0), OTHER)
    assert chosen.part * 200.0 >= 6.0


def test_who_is_very_slow_does_the_smallest_part_once() -> None:
    assert plan([(PROBES[0], 60.0)], RIVAL).runs == 1


def test_a_long_probe_is_one_of_the_runs_of_a_part() -> None:
    slow, quick = [(PROBES[0], 9.0)], of(0.3, 2.0)
    counted = counting(plan(slow, OTHER), slow, OTHER)
    assert counted is not None
    assert counted.part == PROBES[0]
    assert counting(plan(quick, OTHER), quick, OTHER) is None


@pytest.mark.parametrize("part", [1.0, 0.5, 1 / 32, 1 / 1024])
def test_a_part_of_a_mixed_tree_has_its_share_of_files_and_bytes(part: float) -> None:
    sizes = [number**2 for number in range(20_000)]
    chosen = evenly(sizes, part)
    assert len(chosen) == round(len(sizes) * part)
    assert len(set(chosen)) == len(chosen)
    assert sum(chosen) == pytest.approx(part * sum(sizes), rel=0.05)


def test_no_more_runs_than_wished() -> None:
    assert plan(of(0.3, 2.0), OURS, 2).runs == 2


def test_a_copy_that_was_quicker_than_its_start_up_counts_something() -> None:
    copied = Copied(Run(Measured(0.5, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0), 0.25, 1.0, 1, 1, 0)
    assert whole_seconds([copied]).median > 0.5


def test_the_longer_a_copy_takes_the_fewer_there_are() -> None:
    runs = [runs_of(seconds, OURS) for seconds in (1.0, 20.0, 60.0, 600.0)]
    assert runs == sorted(runs, reverse=True)
    assert runs[0] == RUNS
    assert runs[-1] == 0
