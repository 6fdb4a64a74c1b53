"""How fast the line is: the arithmetic, and that bytes really pass both ways without a disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import RemoteError
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.remote import line_speed
from gimmal.remote.line_speed import measure_line, rate_of
from gimmal.share.measure_serving import MeasureServing, random_block
from gimmal.share.measuring import BUDGET_BYTES, MeasureBudget
from tests.remote.two_sides import Sides, TwoSides


class TestRate:
    def test_the_ramp_does_not_count(self) -> None:
        slow = [(float(second), 10) for second in range(1, 4)]
        fast = [(3.0 + tenth / 10, 100) for tenth in range(1, 61)]
        assert rate_of(slow + fast, 0.0) == pytest.approx(1000, rel=0.02)

    def test_without_anything_there_is_no_rate(self) -> None:
        assert rate_of([], 0.0) is None
        assert rate_of([(5.0, 100)], 5.0) is None

    def test_very_little_counts_as_a_whole(self) -> None:
        assert rate_of([(2.0, 100)], 0.0) == 50
        assert rate_of([(1.0, 100), (2.0, 100)], 0.0) == 100

    @given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, BLOCK_SIZE)), min_size=1, max_size=50))
    def test_it_is_never_more_than_what_came_in_the_shortest_time(self, steps: list[tuple[float, int]]) -> None:
        now = 7.0
        done = []
        for passed, count in steps:
            now += passed
            done.append((now, count))
        rate = rate_of(done, 7.0)
        assert rate is None or rate > 0


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_bytes_pass_the_line_and_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up: bool) -> None:
    monkeypatch.setattr(line_speed, "BYTES_MAX", 24 << 20)
    sides = TwoSides(tmp_path)
    passed: list[int] = []

    async def work(run: Sides) -> float | None:
        rate = await measure_line(run.far, 20.0, up=up)
        passed.append(run.wire_bytes)
        return rate

    rate = sides.run(work)
    assert rate is not None
    assert rate > 1e6
    assert 24 << 20 <= passed[0] <= (24 << 20) + 14 * BLOCK_SIZE
    assert not list(sides.far.iterdir())
    assert not list(sides.near.iterdir())


@pytest.mark.parametrize("left", [0, 20 << 20])
def test_a_limit_of_the_other_side_is_told_or_ends_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    budget = MeasureBudget(lambda: 0.0)
    assert budget.take(BUDGET_BYTES - left)
    made = MeasureServing.__init__
    monkeypatch.setattr(MeasureServing, "__init__", lambda serving, *arguments: made(serving, *arguments, budget))
    sides = TwoSides(tmp_path)

    async def work(run: Sides) -> float | None:
        return await measure_line(run.far, 20.0, up=False)

    if left:
        assert sides.run(work)
        return
    with pytest.raises(RemoteError) as refused:
        sides.run(work)
    assert refused.value.code == "limit"


def test_a_session_ends_in_good_order_after_answers_were_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on its way must be read, or the connection is reset and CLOSE with it; a race, so some tries."""
    made = MeasureServing.__init__
    sides = TwoSides(tmp_path)

    async def work(run: Sides) -> float | None:
        return await measure_line(run.far, 20.0, up=False)

    for _ in range(12):
        budget = MeasureBudget(lambda: 0.0)
        assert budget.take(BUDGET_BYTES - (20 << 20))
        with monkeypatch.context() as patched:
            patched.setattr(MeasureServing, "__init__", lambda each, *more, one=budget: made(each, *more, one))
            assert sides.run(work)  # which waits for the end of both sessions


def test_what_is_sent_cannot_be_compressed() -> None:
    import zlib

    block = random_block()[0]
    assert len(zlib.compress(block, 1)) >= len(block)
