"""The estimate of the time left, on copies of trees that were made up: how wrong it is, and that it does not jump."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote.estimating import Counts, Estimate, Estimator, counts_of
from gimmal.remote.progress import Progress
from tests.figures import figure

BLOCK = 4 << 20
LOOK = 0.1
"""Seconds between two looks, as on a terminal."""


@dataclass
class Work:
    """A copy as it will go: a file costs ``file`` seconds, a byte ``byte``, both times what ``slower`` says.

    Attributes:
        sizes: of the files in order.
        pauses: seconds in which nothing happens before a file, by its index.
    """

    sizes: Sequence[int]
    file: float = 1 / 3000
    byte: float = 1 / 50e6
    pauses: dict[int, float] = field(default_factory=dict)
    slower: Callable[[float], float] = lambda _now: 1.0

    def steps(self) -> Iterator[tuple[float, int, int]]:
        """When which files and bytes are done: large ones block by block, small ones many at a time."""
        now = 0.0
        files = count = 0
        for index, size in enumerate(self.sizes):
            now += self.pauses.get(index, 0.0)
            for at in range(0, size, BLOCK):
                length = min(BLOCK, size - at)
                now += length * self.byte * self.slower(now)
                if at + length < size:
                    yield now, 0, length
                else:
                    count += length
            now += self.file * self.slower(now)
            files += 1
            if size > 256 * 1024 or files >= 200 or count >= 900_000:
                yield now, files, count
                files = count = 0
        yield now, files, count


@dataclass(frozen=True)
class Look:
    """What was said at one moment, and what was true."""

    now: float
    said: Estimate
    left: float
    whole: float

    @property
    def error(self) -> float:
        """How wrong it was, as part of the whole copy."""
        assert self.said.seconds is not None
        return abs(self.said.seconds - self.left) / self.whole


def watch(work: Work) -> list[Look]:
    steps = list(work.steps())
    whole = steps[-1][0]
    estimator = Estimator(100.0)
    files = count = at = 0
    looks: list[Look] = []
    now = 0.0
    while now < whole:
        while at < len(steps) and steps[at][0] <= now:
            files, count = files + steps[at][1], count + steps[at][2]
            at += 1
        counts = Counts(files, count, len(work.sizes) - files, sum(work.sizes) - count, True)
        looks.append(Look(now, estimator.look(100.0 + now, counts), whole - now, whole))
        now += LOOK
    return looks


TINY, LARGE = [2_000] * 10_000, [1 << 30]


def uneven(seed: int) -> Callable[[float], float]:
    """A line that is quick and slow by turns, a second each."""
    chance = random.Random(seed)
    moods = [chance.uniform(0.5, 1.5) for _ in range(100_000)]
    return lambda now: moods[int(now)]


def mixed(seed: int) -> list[int]:
    """A home as it is: many small files, some photos, a few films, in no order."""
    chance = random.Random(seed)
    sizes = [chance.randrange(100, 20_000) for _ in range(12_000)]
    sizes += [chance.randrange(1 << 20, 8 << 20) for _ in range(300)]
    sizes += [chance.randrange(50 << 20, 200 << 20) for _ in range(6)]
    chance.shuffle(sizes)
    return sizes


@pytest.mark.parametrize(
    ("name", "work", "mean", "most", "sure_mean"),
    [
        ("one kind of files", Work([1 << 20] * 2_000), 0.01, 0.05, 0.01),
        ("a mixed tree", Work(mixed(1)), 0.01, 0.05, 0.01),
        ("a mixed tree on an uneven line", Work(mixed(2), slower=uneven(1)), 0.05, 0.18, 0.05),
        ("folders of small files and of photos", Work(([2_000] * 3_000 + [5 << 20] * 60) * 5), 0.01, 0.03, 0.01),
        ("10,000 tiny files, then a large one", Work(TINY + LARGE), 0.12, 0.45, 0.08),
        ("a large file, then 10,000 tiny ones", Work(LARGE + TINY), 0.15, 0.20, 0.10),
        ("the same, where files cost much", Work(LARGE + TINY, file=1 / 1500), 0.15, 0.20, 0.10),
        ("few large files on a slow line", Work([64 << 20] * 8, byte=1 / 1e6), 0.02, 0.08, 0.02),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_the_estimate_is_no_further_off_than_this(
    name: str, work: Work, mean: float, most: float, sure_mean: float
) -> None:
    looks = watch(work)
    errors = [look.error for look in looks if look.said.seconds is not None]
    sure = [look.error for look in looks if look.said.seconds is not None and look.said.sure]
    found = sum(errors) / len(errors), max(errors), sum(sure) / len(sure)
    figure(
        f"estimate of the time left, {name}: error as part of the copy, mean, most, mean where sure",
        ", ".join(f"{each:.1%}" for each in found),
        f"<= {mean:.0%}, {most:.0%}, {sure_mean:.0%}",
    )
    assert found[0] <= mean
    assert found[1] <= most
    assert found[2] <= sure_mean
    assert len(errors) >= 0.8 * len(looks)


@pytest.mark.parametrize("work", [Work(TINY + LARGE), Work(LARGE + TINY), Work(mixed(3), slower=uneven(2))])
def test_what_is_shown_never_jumps(work: Work) -> None:
    shown = [look.said.seconds for look in watch(work) if look.said.seconds is not None]
    steps = [abs(after - before) for before, after in itertools.pairwise(shown)]
    # A tenth of a second later a twenty-fifth of the way to what is right by now.
    assert max(steps) <= 0.05 * max(shown) + LOOK


def test_it_is_unsure_of_what_it_has_not_seen() -> None:
    looks = [look for look in watch(Work(TINY + LARGE)) if look.said.seconds is not None]
    assert not looks[0].said.sure
    assert looks[-1].said.sure
    looks = [look for look in watch(Work(LARGE + TINY)) if 3 < look.now < 10]
    assert all(look.said.seconds is not None for look in looks)


def test_a_stall_is_said_and_leaves_no_trace() -> None:
    work = Work([1 << 20] * 2_000, pauses={1_000: 60.0})
    looks = watch(work)
    begin = next(look.now for look in looks if look.said.stalled)
    assert all(look.said.bytes_a_second == 0 for look in looks if look.said.stalled)
    stalled = [look for look in looks if look.said.stalled]
    assert len(stalled) * LOOK == pytest.approx(55, abs=1)
    assert [look.said.stalled for look in stalled] == sorted(look.said.stalled for look in stalled)
    before = next(look for look in looks if look.now > begin - 6)
    assert before.said.seconds is not None
    for look in stalled:
        assert look.said.seconds == pytest.approx(before.said.seconds, rel=0.15)
    after = [look for look in looks if look.now > begin + 57 and look.said.seconds is not None]
    assert max(look.error for look in after) <= 0.02


def test_blocks_that_come_seldom_are_no_stall() -> None:
    """4 MiB in 8 seconds: half a megabyte a second."""
    looks = watch(Work([64 << 20] * 2, byte=8 / BLOCK))
    late = [look for look in looks if look.now > 30]
    assert not any(look.said.stalled for look in late)
    assert max(look.error for look in late) < 0.1


def test_a_line_that_becomes_slow_is_followed() -> None:
    looks = watch(Work([1 << 20] * 2_000, slower=lambda now: 1.0 if now < 15 else 5.0))
    late = [look for look in looks if look.now > 60 and look.said.seconds is not None]
    assert max(look.error for look in late) < 0.05


def test_what_was_there_already_costs_no_time() -> None:
    """A copy that goes on: half of a large file is met as verified, in one step, and its holes are no bytes either."""
    progress = Progress(total_files=2, total_bytes=3_000 << 20, walked=True)
    estimator = Estimator(0.0)
    said = estimator.look(0.0, counts_of(progress))
    progress.resumed_bytes += 1_500 << 20
    progress.hole_bytes += 500 << 20
    progress.bytes += 2_000 << 20
    now = 0.0
    for _ in range(60):
        now += 0.1
        progress.bytes += 5 << 20
        said = estimator.look(now, counts_of(progress))
    left = (3_000 - 2_000 - 300) / 50
    assert said.seconds == pytest.approx(left, rel=0.05)
    assert said.bytes_a_second == pytest.approx(50 << 20, rel=0.05)


def test_a_copy_that_begins_again_is_not_thrown_off() -> None:
    progress = Progress(total_files=300, total_bytes=300 << 20, walked=True)
    estimator = Estimator(0.0)
    said = Estimate()
    now = 0.0
    for number in range(200):
        if number == 100:
            progress.restart()
            progress.total_files, progress.total_bytes, progress.walked = 300, 300 << 20, True
            progress.skipped, progress.skipped_bytes = 100, 100 << 20
        now += 0.1
        progress.files += 1
        progress.bytes += 1 << 20
        said = estimator.look(now, counts_of(progress))
    assert said.seconds == pytest.approx(10, rel=0.1)


def test_before_the_end_of_the_walk_it_is_a_least() -> None:
    estimator = Estimator(0.0)
    for number in range(100):
        said = estimator.look(number * 0.1, Counts(number, number << 20, 5, 5 << 20, number >= 50))
        assert said.at_least == (number < 50)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100), st.integers(0, 1 << 40), st.integers(0, 1 << 62), st.integers(0, 1 << 40), st.booleans()
        ),
        max_size=60,
    )
)
def test_whatever_is_counted_it_says_something_that_can_be_shown(
    looks: list[tuple[float, int, int, int, bool]],
) -> None:
    estimator = Estimator(0.0)
    now = 0.0
    for passed, files, count, left, whole in looks:
        now += passed
        said = estimator.look(now, Counts(files, count, left, left, whole))
        assert said.seconds is None or 0 <= said.seconds < float("inf")
        assert 0 <= said.bytes_a_second < float("inf")
        assert 0 <= said.stalled <= now
