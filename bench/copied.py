"""What copies of one row came to, scaled to the whole of the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.contenders import Contender, Run
from bench.report import Spread, spread


@dataclass(frozen=True)
class Copied:
    """One copy.

    Attributes:
        part: of the row's work, 1 for all.
        start_up: seconds that would be the same for all of the work.
        count, size: files and bytes of contents that were copied.
        wire_bytes: IP packets in both directions; 0 where there is no line.
    """

    run: Run
    part: float
    start_up: float
    count: int
    size: int
    wire_bytes: int


Results = Mapping[str, list[Copied]]
"""By the name of the contender."""

HEADERS = ["way", "part", "runs", "seconds for the whole", "MB/s", "files/s", "x scp", "CPU", "peak"]
LINE_HEADERS = [*HEADERS[:5], "of the line", *HEADERS[5:7], "wire MB", *HEADERS[7:]]


def whole_seconds(copies: Sequence[Copied]) -> Spread:
    """Seconds for the whole of the work."""
    return spread([_whole(copied) for copied in copies])


def _whole(copied: Copied) -> float:
    seconds = copied.run.command.seconds
    start_up = min(copied.start_up, seconds / 2)
    return start_up + (seconds - start_up) / copied.part


def wire_bytes(copies: Sequence[Copied]) -> float:
    """Bytes on the wire for the whole of the work."""
    return spread([copied.wire_bytes / copied.part for copied in copies]).median


def bytes_a_second(copies: Sequence[Copied]) -> float:
    """Bytes of contents a second."""
    return copies[0].size / copies[0].part / whole_seconds(copies).median


def peaks(copies: Sequence[Copied]) -> tuple[float, float]:
    """Most resident MiB of the asking and of the answering side; 0 where it is not known."""
    asking = max(copied.run.command.peak_mib for copied in copies)
    return asking, max(copied.run.answerer_peak for copied in copies)


def table_rows(ways: Sequence[Contender], found: Results, rate_bits: float) -> list[list[str]]:
    """A row for each way; a rate of 0 is no line."""
    scp = next((contender.name for contender in ways if contender.kind == "scp"), None)
    base = whole_seconds(found[scp]).median if scp else None
    rows = []
    for contender in ways:
        copies = found[contender.name]
        took, rate, part = whole_seconds(copies), bytes_a_second(copies), copies[0].part
        files = f"{copies[0].count / part / took.median:,.0f}" if copies[0].count > 1 else ""
        cells = [contender.name, "all" if part == 1 else f"1/{1 / part:g}", str(len(copies)), took.text()]
        cells.append(f"{rate / 1e6:.1f}")
        if rate_bits:
            cells.append(f"{8 * rate / rate_bits:.2f}")
        cells += [files, f"{base / took.median:.2f}" if base else "-"]
        if rate_bits:
            cells.append(f"{wire_bytes(copies) / 1e6:,.1f}")
        cells.append(" + ".join(f"{seconds:.2f}" for seconds in _processor(copies)))
        cells.append(" + ".join(f"{peak:.0f}" for peak in peaks(copies)) if contender.ours else "")
        rows.append(cells)
    return rows


def _processor(copies: Sequence[Copied]) -> list[float]:
    """Median processor seconds: asking side with its agent, answering side, and the relay where one carries it."""
    runs = [copied.run for copied in copies]
    sides = [[run.command.cpu_seconds + run.agent_cpu for run in runs], [run.answerer_cpu for run in runs]]
    if any(run.relay_cpu for run in runs):
        sides.append([run.relay_cpu for run in runs])
    return [spread(side).median for side in sides]
