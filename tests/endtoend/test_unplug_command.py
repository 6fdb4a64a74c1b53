"""``gimmal unplug``: the process with the keys is gone before it says that the half may be pulled out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.endtoend.services import halves, start_service
from tests.endtoend.world import PATIENT_RUN, World, digest, until, write_file


def test_it_ends_an_agent_and_tells_the_other_side(world: World) -> None:
    world.start_relay()
    world.pair()
    agent_a = world.up(world.a, world.a.folder("x"))
    agent_b = world.up(world.b, world.b.folder("y"))
    agent_b.wait_connected()
    agent_a.wait_connected()
    assert world.run(world.b, "unplug").lines == ["unplugged: every connection is closed"]
    stat = Path(f"/proc/{agent_b.pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z", "it has ended before"
    result = agent_b.wait()
    assert result.code == 0
    assert result.lines[-1] == "stopped: the half may be pulled out, every connection is closed"
    agent_a.wait_line("disconnected: the other half was unplugged")
    assert not list(world.b.runtime.glob("*.sock"))
    assert world.run(world.b, "unplug").lines == ["unplugged: no agent served it"]
    (value,) = world.json(world.b, "unplug")
    assert value == {
        "half": f"{world.b.half}/GIMMAL",
        "ended": False,
        "ejected": False,
        "edits": {"going_home": 0, "on_this_computer": 0},
    }


@pytest.mark.parametrize("unplugged", ["this half", "the other half"])
def test_a_copy_beside_its_agent_ends_with_this_half_and_waits_for_the_other(world: World, unplugged: str) -> None:
    world.start_relay()
    world.pair()
    shared = world.a.folder("shared")
    write_file(shared / "large", 32 << 20)
    world.up(world.a, shared).wait_ready()
    world.up(world.b, driver=PATIENT_RUN).wait_connected()
    copying = world.start(world.b, "cp", "--limit", "4M", ":shared/large", ".")
    until(lambda: any(world.b.disk.glob(".gimmal-part-*")), "bytes arrive")
    if unplugged == "this half":
        world.run(world.b, "unplug")
        result = copying.wait()
        assert result.code == 5, str(result)
        assert result.error == "the half was unplugged"
        return
    world.run(world.a, "unplug")
    copying.wait_line("waiting for the other side", of_err=True)
    world.up(world.a, shared)
    assert copying.wait().code == 0
    assert digest(world.b.disk / "large") == digest(shared / "large")


def test_the_service_leaves_it_alone_until_it_is_unlocked_or_plugged_in_again(world: World) -> None:
    world.start_relay()
    world.pair()
    service = start_service(world, world.a, world.a.half)
    service.wait_state(world.a.half, "serving")
    world.run(world.a, "unplug")
    service.wait_state(world.a.half, "unplugged by command")
    (half,) = halves(world, world.a)
    assert (half["state"], half["process"]) == ("put_away", None)
    world.run(world.a, "unlock")
    assert halves(world, world.a)[0]["state"] == "serving"
    world.run(world.a, "unplug")
    service.wait_state(world.a.half, "unplugged by command", after=1)
    away = world.a.base / "pocket"
    world.a.half.rename(away)
    service.wait_state(world.a.half, "gone")
    away.rename(world.a.half)
    service.wait_state(world.a.half, "serving", after=2)


def test_no_copy_of_it_is_served_in_its_place(world: World) -> None:
    world.pair(relay=False)
    copy = world.a.base / "copy"
    shutil.copytree(world.a.half, copy)
    start_service(world, world.a, world.a.half, copy)
    until(lambda: sorted(half["state"] for half in halves(world, world.a)) == ["pausing", "serving"], "one is served")
    world.run(world.a, "unplug")
    until(lambda: {half["state"] for half in halves(world, world.a)} == {"put_away"}, "both are left alone")
    assert not list(world.a.runtime.glob("half-*.sock"))


def test_a_service_that_stops_does_not_say_that_halves_were_unplugged_by_command(world: World) -> None:
    world.pair(relay=False)
    service = start_service(world, world.a, world.a.half)
    service.wait_state(world.a.half, "serving")
    assert service.stop().lines[-2:] == [f"half: {world.a.half}/GIMMAL: serving", "stopped: every agent has ended"]


def test_beside_a_service_that_does_not_see_the_half(world: World) -> None:
    world.pair(relay=False)
    start_service(world, world.a)
    agent = world.up(world.a)
    assert world.run(world.a, "unplug").lines == ["unplugged: every connection is closed"]
    assert agent.wait().code == 0


def test_a_half_in_a_folder_is_not_ejected(world: World) -> None:
    world.pair(relay=False)
    result = world.run(world.a, "unplug", "--eject", code=2)
    assert "no disk that could be ejected" in result.error


def test_no_half_no_unplugging(world: World) -> None:
    assert world.run(world.a, "unplug", code=5).error
