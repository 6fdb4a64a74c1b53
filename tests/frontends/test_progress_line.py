"""The line that shows a copy: never wider than the terminal, nothing in it that a terminal obeys, and no lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gimmal.base.display import displayable
from gimmal.frontends.cli.progress_line import duration, progress_line, shortened, time_left
from gimmal.remote.estimating import Estimate
from gimmal.remote.progress import Progress

SURE = Estimate(12.4, at_least=False, sure=True, bytes_a_second=34_000_000, files_a_second=100)


def copying(**more: object) -> Progress:
    values: dict[str, object] = {
        "files": 1_234,
        "bytes": 1_200_000_000,
        "total_files": 5_678,
        "total_bytes": 2_600_000_000,
        "walked": True,
        "current": ":Pictures/2026/beach.jpg",
    }
    return Progress(**(values | more))  # type: ignore[arg-type]


def test_all_is_shown_where_there_is_room() -> None:
    assert progress_line(copying(), SURE, 140) == (
        "━━━━━━━━━━━━━─────────────────  1.2 GB of 2.6 GB  34 MB/s  1,234/5,678 files  12 s left  beach.jpg"
    )


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, "━━━━━───────  1.2 GB of 2.6 GB  34 MB/s  1,234/5,678 files  12 s left  beach.j…"),
        (70, "━━━─────  1.2 GB of 2.6 GB  34 MB/s  1,234/5,678 files  12 s left"),
        (60, "1.2 GB of 2.6 GB  34 MB/s  1,234/5,678 files  12 s left"),
        (45, "1.2 GB of 2.6 GB  34 MB/s  12 s left"),
        (30, "1.2 GB of 2.6 GB  12 s left"),
        (20, "1.2 GB of 2.6 GB"),
        (8, "1.2 GB "),
        (1, ""),
    ],
)
def test_a_narrow_terminal_shows_what_matters_most(width: int, line: str) -> None:
    assert progress_line(copying(), SURE, width) == line


@given(
    st.integers(1, 200),
    st.text(max_size=60),
    st.integers(0, 1 << 62),
    st.integers(0, 1 << 62),
    st.booleans(),
    st.floats(0, 1e9) | st.none(),
)
def test_it_is_never_wider_than_the_terminal_and_moves_no_cursor(
    width: int, name: str, done: int, whole: int, walked: bool, left: float | None
) -> None:
    progress = copying(bytes=done, total_bytes=whole, walked=walked, current=displayable(":a/" + name))
    line = progress_line(progress, Estimate(left, not walked, True, 0.0, 1e6, 1.0), width)
    assert cell_len(line) <= max(0, width - 1)
    assert line.isprintable()


def test_while_more_may_come_nothing_is_promised() -> None:
    line = progress_line(copying(walked=False), Estimate(12.0, at_least=True, sure=True), 120)
    assert line == "1.2 GB of 2.6 GB or more  1,234/5,678+ files  at least 12 s left  beach.jpg"


def test_a_guess_is_called_one_and_a_stall_is_told() -> None:
    assert time_left(copying(), Estimate(12.0, at_least=False, sure=False)) == "maybe 12 s left"
    assert time_left(copying(), Estimate(12.0, at_least=False, sure=True, stalled=8.0)) == "no progress for 8 s"
    assert not time_left(copying(), Estimate())


def test_reading_again_is_shown_when_all_is_copied() -> None:
    progress = copying(files=5_678, bytes=2_600_000_000, to_verify=5_678, verified=1_000)
    line = progress_line(progress, Estimate(0.0, at_least=False, sure=True), 100)
    assert "1,000/5,678 files read again  reading again" in line


def test_a_copy_that_is_done_takes_no_more_time() -> None:
    assert not time_left(copying(files=5_678), Estimate(0.4, at_least=False, sure=True))


def test_an_empty_copy_is_whole() -> None:
    assert progress_line(Progress(walked=True), Estimate(), 60).startswith("━" * 8)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (1.4, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (89, "1 min"),
        (3_540, "59 min"),
        (3_600, "1 h 00 min"),
        (7_500, "2 h 05 min"),
        (200_000, "2 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_name_is_cut_by_the_columns_it_takes() -> None:
    assert shortened("日本語の名前", 7) == "日本語…"
    assert shortened("日本語の名前", 6) == "日本…"
    assert shortened("name", 4) == "name"
