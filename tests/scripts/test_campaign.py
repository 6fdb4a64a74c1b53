"""The campaign's document says of every figure whether it is met, and hides nothing that was not run or failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from campaign import nodes_of, together
from campaign_document import Figure, FileResult, document


@pytest.mark.parametrize(
    ("value", "bar", "met"),
    [
        ("0", "0", True),
        ("1", "0", False),
        ("2,005", "2005", True),
        ("89.9", ">= 90", False),
        ("90.0", ">= 90", True),
        ("120 MiB", "<= 120 MiB", True),
        ("121 MiB", "<= 120 MiB", False),
        ("4.3 MB", "reported", True),
    ],
)
def test_a_number_is_held_against_its_bar(value: str, bar: str, met: bool) -> None:
    assert Figure.of("something", value, bar, "test", passed=True).met is met


def test_a_figure_of_a_failed_test_is_never_met() -> None:
    assert not Figure.of("escapes", "0", "0", "test", passed=False).met


def test_failed_skipped_and_missing_are_named() -> None:
    result = FileResult("tests/a/test_b.py", "abc1234", "2026-01-02 03:04", 61.0)
    result.failed, result.skipped = ["tests.a.test_b.test_bad"], [("tests.a.test_b.test_root", "needs root")]
    result.figures = [Figure.of("canaries seen", "3", "0", "tests/a/test_b.py::test_bad", passed=False)]
    text = document([FileResult.from_json(result.as_json())], ["tests/c/test_d.py"], [["memory", "23 GiB"]])
    assert "- `tests.a.test_b.test_bad`" in text
    assert "- `tests.a.test_b.test_root`: needs root" in text
    assert "- `tests/c/test_d.py`" in text
    assert "| 1 | canaries seen | 3 | 0 | **no** |" in text
    assert "| relay recorder with 1,000 canaries: canaries seen 0 | **not met** | 1 |" in text
    assert "commit abc1234" in text


def test_several_commits_are_all_named() -> None:
    results = [FileResult(f"tests/{name}.py", name, "2026-01-02 03:04", 1.0) for name in ("aaa", "bbb")]
    assert "commits aaa, bbb" in document(results, [], [])


def test_only_what_failed_is_run_again_and_takes_the_place_of_what_it_gave() -> None:
    before = FileResult("tests/a/test_b.py", "aaa", "2026-01-02 03:04", 60.0, ["tests.a.test_b.test_good"])
    before.failed = ["tests.a.test_b.test_bad[1.5]", "tests.a.test_b.TestAll.test_worse"]
    before.figures = [
        Figure.of("one", "0", "0", "tests/a/test_b.py::test_good", passed=True),
        Figure.of("two", "3", "0", "tests/a/test_b.py::test_bad[1.5]", passed=False),
    ]
    nodes = nodes_of(Path("tests/a/test_b.py"), before)
    assert nodes == ["tests/a/test_b.py::test_bad[1.5]", "tests/a/test_b.py::TestAll::test_worse"]
    assert nodes_of(Path("tests/a/test_b.py"), None) == ["tests/a/test_b.py"]
    now = FileResult("tests/a/test_b.py", "bbb", "2026-01-03 03:04", 5.0, ["tests.a.test_b.test_bad[1.5]"])
    now.failed = ["tests.a.test_b.TestAll.test_worse"]
    now.figures = [Figure.of("two", "0", "0", "tests/a/test_b.py::test_bad[1.5]", passed=True)]
    result = together(before, now)
    assert (result.commit, result.seconds) == ("aaa, bbb", 65.0)
    assert result.passed == ["tests.a.test_b.test_bad[1.5]", "tests.a.test_b.test_good"]
    assert result.failed == ["tests.a.test_b.TestAll.test_worse"]
    assert [(figure.name, figure.met) for figure in result.figures] == [("two", True), ("one", True)]
