"""What copies across a line came to, scaled to the whole of the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.contenders import Contender, Run
from bench.line import Line
from bench.report import Spread, spread


@dataclass(frozen=True)
class Copied:
    """One copy.

    Attributes:
        part: of the row's work, 1 for all.
        start_up: seconds that would be the same for all of the work.
        count, size: files and bytes of contents that were copied.
        wire_bytes: IP packets in both directions.
    """

    run: Run
    part: float
    start_up: float
    count: int
    size: int
    wire_bytes: int


Results = Mapping[str, list[Copied]]


def whole_seconds(copies: Sequence[Copied]) -> Spread:
    """Seconds for the whole of the work."""
    return spread([copied.start_up + (copied.run.command.seconds - copied.start_up) / copied.part for copied in copies])


def wire_megabytes(copies: Sequence[Copied]) -> float:
    """Megabytes on the wire for the whole of the work."""
    return spread([copied.wire_bytes / copied.part for copied in copies]).median / 1e6


def line_share(copies: Sequence[Copied], laid: Line) -> float:
    """Bits of contents against what the line could carry in the time."""
    size = copies[0].size / copies[0].part
    return 8 * size / whole_seconds(copies).median / laid.rate_bits


def peaks(copies: Sequence[Copied]) -> tuple[float, float]:
    """Most resident MiB of the asking and of the answering side; 0 where it is not known."""
    asking = max(copied.run.command.peak_mib for copied in copies)
    return asking, max(copied.run.answerer_peak for copied in copies)


def table_rows(ways: Sequence[Contender], found: Results, laid: Line) -> list[list[str]]:
    """A row for each way."""
    scp = next((contender.name for contender in ways if contender.kind == "scp"), None)
    base = whole_seconds(found[scp]).median if scp else None
    rows = []
    for contender in ways:
        copies = found[contender.name]
        took, share = whole_seconds(copies), line_share(copies, laid)
        part = copies[0].part
        processor = [
            spread([copied.run.command.cpu_seconds for copied in copies]).median,
            spread([copied.run.answerer_cpu for copied in copies]).median,
        ]
        rows.append(
            [
                contender.name,
                "all" if part == 1 else f"1/{1 / part:g}",
                took.text(),
                f"{share * laid.rate_bits / 1e6:.1f}",
                f"{share:.2f}",
                f"{copies[0].count / copies[0].part / took.median:,.0f}" if copies[0].count > 1 else "",
                f"{base / took.median:.2f}" if base else "-",
                f"{wire_megabytes(copies):,.1f}",
                " + ".join(f"{seconds:.2f}" for seconds in processor),
                " + ".join(f"{peak:.0f}" for peak in peaks(copies)) if contender.ours else "",
            ]
        )
    return rows
