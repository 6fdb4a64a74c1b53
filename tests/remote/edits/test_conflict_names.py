"""Names of files that had to make way."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.paths import parse_wire_path
from gimmal.remote.edits.beside import local_time
from gimmal.remote.edits.conflict_names import conflict_path

MOMENT = datetime(2026, 11, 26, 20, 15, 3)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("docs/report.odt", "docs/report (conflict anna-laptop 2026-11-26 20.15.03).odt"),
        ("docs/a/archive.tar.gz", "docs/a/archive.tar (conflict anna-laptop 2026-11-26 20.15.03).gz"),
        ("docs/Makefile", "docs/Makefile (conflict anna-laptop 2026-11-26 20.15.03)"),
        ("docs/.bashrc", "docs/.bashrc (conflict anna-laptop 2026-11-26 20.15.03)"),
    ],
)
def test_it_says_whose_and_since_when_and_stays_what_it_is(path: str, expected: str) -> None:
    assert conflict_path(path, "anna-laptop", MOMENT) == expected


def test_where_the_name_is_taken_it_is_counted() -> None:
    assert conflict_path("d/x.txt", "anna", MOMENT, 2) == "d/x (conflict anna 2026-11-26 20.15.03 2).txt"


@given(
    st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/\\:"), min_size=1, max_size=85), st.text()
)
def test_it_can_be_a_name_wherever_the_own_one_can(name: str, computer: str) -> None:
    path = conflict_path(f"docs/{name}", computer, MOMENT, 3)
    component = path.removeprefix("docs/")
    assert "/" not in component
    assert len(component.encode()) <= 255
    assert "conflict" in component
    assert parse_wire_path(path)[0] == "docs"
    assert not set(component) & (set('<>:"|?*\\') - set(name))


def test_times_beyond_all_calendars_have_one() -> None:
    assert local_time(1e300).year in (1969, 1970)
    assert local_time(0).year in (1969, 1970)
