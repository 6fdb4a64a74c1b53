"""What ``gimmal speed`` prints: a table and a sentence, or one JSON object."""

from __future__ import annotations

from typing import Any

from gimmal.base.display import displayable
from gimmal.frontends.cli.output import human_size, print_json
from gimmal.frontends.cli.speed_run import LineSpeed, Speeds
from gimmal.remote.narrow_part import Part, narrowest, sentence

_WIDTHS = (26, 12, 12, 11)


def print_speeds(speeds: Speeds, *, as_json: bool) -> None:
    """Print what was measured, and the one sentence."""
    parts = parts_of(speeds)
    conclusion = sentence(parts, rate)
    if as_json:
        print_json(as_object(speeds, parts, conclusion))
        return
    for line in table(speeds):
        print(line)
    print()
    print(conclusion)


def parts_of(speeds: Speeds) -> list[Part]:
    """The parts that a copy passes, by the line that it would take."""
    parts = [
        Part("the disk there", speeds.disk_there.read, speeds.disk_there.write),
        Part("the cipher there", speeds.cipher_there, speeds.cipher_there),
        Part("the cipher here", speeds.cipher_here, speeds.cipher_here),
        Part("the disk here", speeds.disk_here.write, speeds.disk_here.read),
    ]
    line = taken(speeds.lines)
    if line is not None:
        parts.insert(2, Part(f"the line, {line.path}", line.from_there, line.to_there))
    return parts


def taken(lines: list[LineSpeed]) -> LineSpeed | None:
    """The line that a copy would take: the first that carries anything."""
    return next((line for line in lines if line.from_there or line.to_there), None)


def table(speeds: Speeds) -> list[str]:
    """One line for each part, under headings."""
    disk_there = f"disk there, {speeds.there}" if speeds.there else "disk there"
    rows = [
        ("", "read", "written", "", ""),
        (
            f"disk here, {displayable(speeds.here)}",
            rate(speeds.disk_here.read),
            rate(speeds.disk_here.write),
            "",
            speeds.disk_here.note,
        ),
        (disk_there, rate(speeds.disk_there.read), rate(speeds.disk_there.write), "", speeds.disk_there.note),
        ("", "sealed", "", "", ""),
        ("cipher here", rate(speeds.cipher_here), "", "", ""),
        ("cipher there", rate(speeds.cipher_there), "", "", speeds.cipher_note),
        ("", "from there", "to there", "round trip", ""),
    ]
    for line in speeds.lines:
        name = f"line, {line.path}"
        rows.append((name, rate(line.from_there), rate(line.to_there), _milliseconds(line.round_trip), line.note))
    for relay in speeds.relays:
        name = f"relay {displayable(relay.address)}"
        rows.append((name, "", "", _milliseconds(relay.round_trip), relay.note))
    first = max(_WIDTHS[0], max(len(row[0]) for row in rows))
    return [_row(row, (first, *_WIDTHS[1:])) for row in rows]


def _row(row: tuple[str, str, str, str, str], widths: tuple[int, ...]) -> str:
    name, *cells = row[:4]
    text = name.ljust(widths[0]) + "".join(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
    note = displayable(row[4])
    return f"{text}  {note}".rstrip()


def rate(bytes_a_second: float | None) -> str:
    """A rate as a person reads it, a dash where there is none."""
    return "-" if bytes_a_second is None else f"{human_size(int(bytes_a_second))}/s"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.3g} ms"


def as_object(speeds: Speeds, parts: list[Part], conclusion: str) -> dict[str, Any]:
    """All of it for a program; rates are bytes a second."""
    narrow = {}
    for key, to_there in (("from_there", False), ("to_there", True)):
        found = narrowest(parts, to_there=to_there)
        narrow[key] = None if found is None else {"part": found[0].name, "bytes_per_second": round(found[1])}
    return {
        "here": speeds.here,
        "there": speeds.there,
        "disk_here": _disk(speeds.disk_here.read, speeds.disk_here.write, speeds.disk_here.note),
        "disk_there": _disk(speeds.disk_there.read, speeds.disk_there.write, speeds.disk_there.note),
        "cipher_here": _rounded(speeds.cipher_here),
        "cipher_there": _rounded(speeds.cipher_there),
        "lines": [
            {
                "path": line.path,
                "from_there": _rounded(line.from_there),
                "to_there": _rounded(line.to_there),
                "round_trip_ms": _in_milliseconds(line.round_trip),
                "note": line.note,
            }
            for line in speeds.lines
        ],
        "relays": [
            {"relay": relay.address, "round_trip_ms": _in_milliseconds(relay.round_trip), "note": relay.note}
            for relay in speeds.relays
        ],
        "narrow": narrow,
        "sentence": conclusion,
    }


def _disk(read: float | None, write: float | None, note: str) -> dict[str, Any]:
    return {"read": _rounded(read), "write": _rounded(write), "note": note}


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _in_milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
