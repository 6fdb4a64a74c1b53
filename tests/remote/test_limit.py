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


class NotedLimit(Limit):
    """A limit that notes what it grants."""

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        self.granted: list[int] = []
        self.given_back = 0

    async def wait(self, count: int) -> None:
        await super().wait(count)
        self.granted.append(count)

    def give_back(self, count: int) -> None:
        super().give_back(count)
        self.given_back += count


@pytest.mark.parametrize("kind", ["large", "small"])
@pytest.mark.parametrize("way", [("near", "far"), ("far", "near")], ids=["up", "down"])
def test_a_real_session_moves_what_it_may_and_evenly(tmp_path: Path, way: tuple[str, str], kind: str) -> None:
    """What moves was waited for, within 5 %, and in small portions; over all it is no faster than it may be.

    That who waits gets the whole rate, a busy machine would hide here: the bucket's arithmetic above shows it.
    """
    two = TwoSides(tmp_path)
    root = (two.near if way[0] == "near" else two.far) / "data"
    root.mkdir()
    if kind == "large":
        (root / "file").write_bytes(bytes(range(256)) * (SIZE // 256))
    else:
        for number in range(280):
            (root / str(number)).write_bytes(b"x" * (SIZE // 280))
    name = f"--limit 4M, {kind} files, {way[0]} to {way[1]}"

    async def work(sides: Sides) -> None:
        limit = NotedLimit(RATE)
        sides.far = LimitedFiles(sides.session, limit, sides.workers)
        sides.far.choose_packing(Packing.NEVER)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await copy_between(sides, f"{way[0]}/data", f"{way[1]}/data", Progress(), CopyOptions())
        rate = sides.wire_bytes / (loop.time() - started)
        waited_for = sum(limit.granted) - limit.given_back
        most = max(limit.granted)
        figure(f"{name}: rate", f"{rate / 1e6:.3f} MB/s", "4 at most, 5 % more with what goes around the bytes")
        figure(f"{name}: moved of what was waited for", round(sides.wire_bytes / waited_for, 3), "1 within 5 %")
        figure(f"{name}: most at once", f"{most / 1e6:.3f} MB", "an eighth of a second's")
        assert rate <= 1.05 * RATE
        assert 0.95 * waited_for <= sides.wire_bytes <= 1.05 * waited_for
        assert most <= RATE / 8

    two.run(work)
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
