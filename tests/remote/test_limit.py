"""The arithmetic of --limit, with a clock of the test's own."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.cli.limit_option import limit_option
from gimmal.remote.limit import CATCH_UP_SECONDS, Bucket

STEPS = st.lists(st.tuples(st.integers(1, 200_000), st.floats(0, 2), st.floats(0, 0.05)), min_size=1, max_size=60)


@given(st.integers(1_000, 10_000_000), STEPS)
def test_no_stretch_of_time_has_more_than_its_bytes(rate: int, steps: list[tuple[int, float, float]]) -> None:
    """Whatever the pauses between, and however late a sleeper wakes."""
    now = 100.0
    bucket = Bucket(rate, now)
    used: list[tuple[float, int]] = []
    for count, pause, late in steps:
        now += pause
        now += bucket.take(count, now) + late
        used.append((now, count))
    for start in range(len(used)):
        total = 0
        for at, count in used[start:]:
            total += count
            allowed = (at - used[start][0] + CATCH_UP_SECONDS + 0.05) * rate + used[start][1]
            assert total <= allowed + 1


@given(st.integers(1_000, 10_000_000), st.lists(st.integers(1, 200_000), min_size=2, max_size=100))
def test_who_is_never_idle_gets_the_whole_rate(rate: int, counts: list[int]) -> None:
    now = 0.0
    bucket = Bucket(rate, now)
    for count in counts:
        now += bucket.take(count, now)
    assert now == pytest.approx(sum(counts) / rate)


@given(st.integers(1_000, 10_000_000), st.integers(1, 1 << 20), st.integers(0, 1 << 20))
def test_what_is_given_back_costs_nothing(rate: int, used: int, unused: int) -> None:
    bucket, plain = Bucket(rate, 5.0), Bucket(rate, 5.0)
    bucket.take(used + unused, 5.0)
    bucket.give_back(unused)
    plain.take(used, 5.0)
    assert bucket.take(1, 5.0) == pytest.approx(plain.take(1, 5.0))


@pytest.mark.parametrize(
    ("text", "rate"),
    [("5M", 5_000_000), ("500k", 500_000), ("1.5G", 1_500_000_000), ("2000", 2000), ("0", None), ("5 M", None),
     ("-1M", None), ("1e9", None), ("nan", None), ("9999999G", None), ("", None)],
)  # fmt: skip
def test_rates_as_a_person_writes_them(text: str, rate: int | None) -> None:
    @click.command()
    @limit_option
    def command(limit: int | None) -> None:
        click.echo(limit)

    result = CliRunner().invoke(command, ["--limit", text])
    if rate is None:
        assert result.exit_code == 2
    else:
        assert result.output.strip() == str(rate)
