"""The table of ``gimmal speed``, and what a copy would pass."""

from __future__ import annotations

import pytest

from gimmal.frontends.cli.speed_report import as_object, parts_of, print_speeds, table, taken
from gimmal.frontends.cli.speed_run import LineSpeed, RelaySpeed, Speeds
from gimmal.remote.part_speed import DiskSpeed

SPEEDS = Speeds(
    here="/home/ada",
    there=":Pictures",
    disk_here=DiskSpeed(500e6, 300e6),
    disk_there=DiskSpeed(120e6, None, "it may not be written"),
    cipher_here=3e9,
    cipher_there=2e9,
    lines=[
        LineSpeed("direct", note="no address of the other side answered"),
        LineSpeed("relayed", 23e6, 21e6, 0.0241),
    ],
    relays=[RelaySpeed("relay.example.org:7117", 0.012)],
)


def test_a_copy_takes_the_first_line_that_carries_anything() -> None:
    assert taken(SPEEDS.lines) is SPEEDS.lines[1]
    assert taken([]) is None
    assert [part.name for part in parts_of(SPEEDS)] == [
        "the disk there",
        "the cipher there",
        "the line, relayed",
        "the cipher here",
        "the disk here",
    ]


def test_the_disk_that_is_read_depends_on_the_way() -> None:
    parts = parts_of(SPEEDS)
    assert (parts[0].from_there, parts[0].to_there) == (120e6, None)
    assert (parts[-1].from_there, parts[-1].to_there) == (300e6, 500e6)


def test_the_table_and_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_speeds(SPEEDS, as_json=False)
    *rows, empty, conclusion = capsys.readouterr().out.splitlines()
    assert [row.split("  ")[0].rstrip() for row in rows if row[0] != " "] == [
        "disk here, /home/ada",
        "disk there, :Pictures",
        "cipher here",
        "cipher there",
        "line, direct",
        "line, relayed",
        "relay relay.example.org:7117",
    ]
    assert [row.split() for row in rows if row[0] == " "] == [
        ["read", "written"],
        ["sealed"],
        ["from", "there", "to", "there", "round", "trip"],
    ]
    assert rows[1].split()[-4:] == ["500", "MB/s", "300", "MB/s"]
    assert rows[2].endswith("  120 MB/s           -             it may not be written")
    assert rows[-3].endswith("  no address of the other side answered")
    assert rows[-2].split()[-6:] == ["23", "MB/s", "21", "MB/s", "24.1", "ms"]
    assert rows[-1].endswith("  12 ms")
    # Numbers of a column end below each other.
    assert len({row.index("MB/s") for row in (rows[1], rows[2], rows[-2])}) == 1
    assert not empty
    assert conclusion == (
        "the narrow part is the line, relayed: a copy from there is bounded by it, 23 MB/s, "
        "and so is one to there, 21 MB/s"
    )


def test_for_programs_rates_are_numbers() -> None:
    value = as_object(SPEEDS, parts_of(SPEEDS), "sentence")
    assert value["disk_there"] == {"read": 120_000_000, "write": None, "note": "it may not be written"}
    assert value["narrow"]["from_there"] == {"part": "the line, relayed", "bytes_per_second": 23_000_000}
    assert value["lines"][1]["round_trip_ms"] == 24.1
    assert value["relays"][0]["relay"] == "relay.example.org:7117"


def test_what_comes_from_elsewhere_moves_no_cursor() -> None:
    speeds = Speeds(here="/a\x1b[31m", there=":b", lines=[LineSpeed("direct", note="bad \x1b]0;x")])
    assert all(line.isprintable() for line in table(speeds))
