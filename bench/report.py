"""What a part of the bench hands back: tables of medians, figures held against their goals, points of the plots."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of several runs."""

    median: float
    least: float
    most: float
    runs: int

    def text(self, digits: int = 2) -> str:
        """As a table shows it."""
        if self.runs == 1:
            return f"**{self.median:,.{digits}f}** (one run)"
        return f"**{self.median:,.{digits}f}** ({self.least:,.{digits}f} to {self.most:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Goal:
    """A figure of the issue held against its goal.

    Attributes:
        figure: what was measured.
        measured: the result as text.
        goal: what it has to be, as text.
        met: whether it is.
    """

    figure: str
    measured: str
    goal: str
    met: bool

    def row(self) -> list[str]:
        """A row of the summary."""
        return [self.figure, self.measured, self.goal, "yes" if self.met else "**no**"]


@dataclass(frozen=True)
class Table:
    """A table under a title, with what one has to know to read it."""

    title: str
    note: str
    headers: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """The table as a section of a Markdown document."""
        lines = [f"## {self.title}", "", self.note, ""] if self.note else [f"## {self.title}", ""]
        return "\n".join([*lines, table_text(self.headers, self.rows)])


@dataclass(frozen=True)
class Point:
    """One point of a plot.

    Attributes:
        plot: which plot it belongs to: ``speed`` or ``growth``.
        group: the line of the plot, as a reader sees it.
        series: whose point it is, one word.
        at: the quantity it depends on; 0 where the group says it all.
        value: seconds for the whole of the work.
        memory: MiB resident, of the side that has more; 0 where it is not known.
    """

    plot: str
    group: str
    series: str
    at: float
    value: float
    memory: float = 0.0


@dataclass
class Report:
    """All that one part measured."""

    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For keeping."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Report:
        """As it was kept."""
        return cls(
            [Table(**table) for table in kept["tables"]],
            [Goal(**goal) for goal in kept["goals"]],
            [Point(**point) for point in kept["points"]],
        )


def table_text(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, columns set to one width so that it also reads as plain text."""
    widths = [max(len(row[index]) for row in (headers, *rows)) for index in range(len(headers))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(headers), line(["-" * width for width in widths]), *map(line, rows)])
