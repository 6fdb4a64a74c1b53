"""``gimmal speed`` between two computers: each path, by rights, through an agent; and nothing stays behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend.world import World, new_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as made:
        made.start_relay()
        made.pair()
        (made.a.folder("only") / "large").write_bytes(os.urandom(9_000_000))
        agent = made.up(made.a, made.a.folder("shared"), f"{made.a.folder('only')}:ro", f"{made.a.folder('in')}:drop")
        made.relay_sees(agent, made.a)
        yield made


def speed(world: World, *words: str | Path) -> dict[str, Any]:
    (value,) = world.json(world.b, "speed", "--seconds", "2", *words)
    return value


def left_behind(world: World) -> list[str]:
    return sorted(str(path) for base in (world.a.disk, world.b.disk) for path in base.rglob(".gimmal*"))


def test_every_part_is_measured_by_every_path(world: World) -> None:
    value = speed(world)
    assert value["there"] == ":shared"
    for disk in ("disk_here", "disk_there"):
        assert value[disk]["read"] > 0
        assert value[disk]["write"] > 0
    assert value["cipher_here"] > 0
    assert value["cipher_there"] > 0
    assert [line["path"] for line in value["lines"]] == ["direct", "relayed"]
    for line in value["lines"]:
        assert not line["note"]
        assert line["from_there"] > 1e5
        assert line["to_there"] > 1e5
        assert 0 < line["round_trip_ms"] < 10_000
    (relay,) = value["relays"]
    assert world.relay is not None
    assert relay["relay"] == f"127.0.0.1:{world.relay.port}"
    assert relay["round_trip_ms"] > 0
    rates = {
        "the disk there": value["disk_there"]["read"],
        "the cipher there": value["cipher_there"],
        "the line, direct": value["lines"][0]["from_there"],
        "the cipher here": value["cipher_here"],
        "the disk here": value["disk_here"]["write"],
    }
    assert value["narrow"]["from_there"]["part"] == min(rates, key=lambda name: rates[name])
    assert value["narrow"]["from_there"]["part"] in value["sentence"]
    assert not left_behind(world)


def test_rights_bound_what_is_measured(world: World) -> None:
    only = speed(world, ":only", "--path", "direct")
    assert only["disk_there"]["read"] > 0
    assert only["disk_there"]["write"] is None
    into = speed(world, ":in", "--path", "direct")
    assert into["disk_there"]["read"] is None
    assert into["disk_there"]["write"] > 0
    missing = speed(world, ":none", "--path", "direct")
    assert missing["disk_there"]["note"].endswith("no such file or folder")
    assert missing["lines"][0]["from_there"] > 0
    assert not left_behind(world)


def test_it_reads_like_a_table_and_a_sentence(world: World) -> None:
    result = world.run(world.b, "speed", "--seconds", "2", "--path", "relayed", ":shared", world.b.disk)
    assert "line, relayed" in result.out
    assert "bounded by" in result.lines[-1]


def test_a_folder_that_is_not_there_and_too_many_places_are_refused(world: World) -> None:
    assert "no such file" in world.run(world.b, "speed", ":shared", "none", code=9).error
    world.run(world.b, "speed", ":shared", ":only", code=2)
    world.run(world.b, "speed", "one", "two", code=2)


def test_where_only_the_other_side_dials_its_session_is_measured() -> None:
    """No relay, and a computer that nobody can dial: its own agent's session is the only way, and it is used."""
    with new_world() as made:
        made.pair(relay=False)
        there = made.up(made.b, made.b.folder("shared"))
        made.up(made.a, more=["--at", there.address], listen=None)
        made.run(made.a, "ls")
        (value,) = made.json(made.a, "speed", "--seconds", "2")
        (line,) = value["lines"]
        assert line["path"] == "direct"
        assert line["from_there"] > 1e5
        assert line["to_there"] > 1e5
