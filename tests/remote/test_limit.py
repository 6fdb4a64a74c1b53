"""The arithmetic of --limit, with a clock of the test's own."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.primitives import new_blake3
from gimmal.frontends.cli.limit_option import limit_option
from gimmal.protocol.messages import Packing
from gimmal.remote import limited_files
from gimmal.remote.copy_tree import CopyOptions
from gimmal.remote.limit import CATCH_UP_SECONDS, Bucket, Limit
from gimmal.remote.limited_files import LimitedFiles
from gimmal.remote.progress import Progress
from tests.figures import figure
from tests.remote.two_sides import Sides, TwoSides, copy_between

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


RATE = 4_000_000
SIZE = 14_000_000


@pytest.mark.parametrize("kind", ["large", "small"])
@pytest.mark.parametrize("way", [("near", "far"), ("far", "near")], ids=["up", "down"])
def test_a_real_session_moves_what_it_may_and_evenly(tmp_path: Path, way: tuple[str, str], kind: str) -> None:
    """Within 5 % over all, and no second with much more than its bytes."""
    two = TwoSides(tmp_path)
    root = (two.near if way[0] == "near" else two.far) / "data"
    root.mkdir()
    if kind == "large":
        (root / "file").write_bytes(bytes(range(256)) * (SIZE // 256))
    else:
        for number in range(280):
            (root / str(number)).write_bytes(b"x" * (SIZE // 280))
    samples: list[tuple[float, int]] = []

    async def work(sides: Sides) -> None:
        sides.far = LimitedFiles(sides.session, Limit(RATE), sides.workers)
        sides.far.choose_packing(Packing.NEVER)
        loop = asyncio.get_running_loop()

        async def sample() -> None:
            while True:
                samples.append((loop.time(), sides.wire_bytes))
                await asyncio.sleep(0.05)

        sampling = asyncio.create_task(sample())
        await asyncio.sleep(0)
        await copy_between(sides, f"{way[0]}/data", f"{way[1]}/data", Progress(), CopyOptions())
        samples.append((loop.time(), sides.wire_bytes))
        sampling.cancel()

    two.run(work)
    seconds = samples[-1][0] - samples[0][0]
    rate = SIZE / seconds
    most = max(later - before for start, before in samples for at, later in samples if 0 <= at - start <= 1.0)
    figure(f"--limit 4M, {kind} files, {way[0]} to {way[1]}: rate", f"{rate / 1e6:.3f} MB/s", "4 within 5 %")
    figure(f"--limit 4M, {kind} files, {way[0]} to {way[1]}: most in a second", f"{most / 1e6:.2f} MB", "6")
    assert 0.95 * RATE <= rate <= 1.05 * RATE
    assert most <= 1.5 * RATE
    copied = sum(path.stat().st_size for path in ((two.far if way[1] == "far" else two.near) / "data").iterdir())
    assert copied == (SIZE // 256 * 256 if kind == "large" else SIZE)


class WatchedHasher:
    """A hasher that notes which threads use it."""

    threads: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        self._inner = new_blake3()

    def update(self, data: memoryview) -> None:
        self.threads.add(threading.get_ident())
        self._inner.update(data)

    def digest(self) -> bytes:
        return self._inner.digest()


def test_no_byte_is_hashed_on_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = TwoSides(tmp_path)
    content = bytes(range(256)) * 20_000
    (two.far / "file").write_bytes(content)
    monkeypatch.setattr(limited_files, "new_blake3", WatchedHasher)

    async def work(sides: Sides) -> None:
        sides.far = LimitedFiles(sides.session, Limit(100 * RATE), sides.workers)
        await copy_between(sides, "far/file", "near/file", Progress(), CopyOptions())

    two.run(work)
    assert (two.near / "file").read_bytes() == content
    assert WatchedHasher.threads
    assert threading.get_ident() not in WatchedHasher.threads
