"""``gimmal up``: what it prints, what it refuses, both sides at once, and how it stops."""

from __future__ import annotations

import signal
import socket
import stat

import pytest

from tests.endtoend.world import World, until, write_file


def test_prints_shares_then_ready_and_stops_with_a_word(world: World) -> None:
    world.start_relay()
    world.pair(name="Our two computers")
    shared = world.a.folder("shared")
    agent = world.up(world.a, f"Docs={shared}:ro")
    lines = agent.out.splitlines()
    assert lines[0] == f"share: Docs ro {shared}"
    assert lines[-1] == f"ready: Our two computers a {agent.address}"
    assert agent.address.startswith("127.0.0.1:")
    world.relay_sees(agent, world.a)
    socket_files = [path for path in world.a.runtime.iterdir() if path.suffix == ".sock"]
    assert len(socket_files) == 1
    assert stat.S_IMODE(socket_files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(world.a.runtime.stat().st_mode) == 0o700
    result = agent.stop()
    assert result.code == 0
    assert result.lines[-1] == "stopped: every connection is closed"
    assert not socket_files[0].exists()


def test_json_events(world: World) -> None:
    world.pair(relay=False)
    agent = world.up(world.a, world.a.folder("x"), more=["--json"], ready=False)
    until(lambda: '"ready"' in agent.out, "ready event")
    agent.signal(signal.SIGINT)
    result = agent.wait()
    assert result.code == 0
    assert [one["event"] for one in result.objects] == ["share", "relay", "ready", "stopped"]


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        (["a/docs", "b/docs"], "two shares are called docs"),
        (["a/docs", "Docs=b/docs"], "look alike"),
        (["missing"], "no such file"),
        (["a/file"], "no folder"),
        (["a/docs:rx"], "no such file"),
        (["x\x1b=a/docs"], "cannot travel"),
        (["..=a/docs"], "cannot travel"),
    ],
)
def test_refuses_shares_that_mean_nothing(world: World, shares: list[str], says: str) -> None:
    world.pair(relay=False)
    for name in ("a/docs", "b/docs"):
        world.a.folder(name)
    write_file(world.a.disk / "a" / "file", 1)
    words = [word for share in shares for word in ("--share", share)]
    result = world.run(world.a, "up", *words, code=2)
    assert says in result.error
    assert "hint: " in result.err
    assert "\x1b" not in result.err


def test_a_half_is_never_shared(world: World) -> None:
    world.start_relay()
    world.pair()
    result = world.run(world.a, "up", "--share", world.a.half / "GIMMAL", code=2)
    assert "half" in result.error
    # A stick that is shared whole shows everything but the half.
    write_file(world.a.half / "photo", 10)
    world.up(world.a, f"stick={world.a.half}")
    assert world.run(world.b, "ls", ":stick").lines == ["photo"]
    assert world.run(world.b, "tree", ":stick").lines == ["photo"]
    for path in (":stick/GIMMAL", ":stick/GIMMAL/half.json", ":stick/gimmal/half.json"):
        assert world.run(world.b, "cat", path, code=4).out == ""
    local = write_file(world.b.disk / "x", 5)
    for words in (["cp", "--overwrite", local, ":stick/GIMMAL/half.json"], ["rm", "-r", ":stick/GIMMAL"]):
        assert world.run(world.b, *words, code=4).error
    assert world.run(world.b, "half", world.a.half).out.startswith("half: ")


def test_a_second_agent_on_one_half_is_refused(world: World) -> None:
    world.pair(relay=False)
    first = world.up(world.a, world.a.folder("x"))
    result = world.run(world.a, "up", "--listen", "127.0.0.1:0", code=5)
    assert f"process {first.pid}" in result.error
    assert "hint: " in result.err
    assert first.running
    first.kill()
    again = world.up(world.a, world.a.folder("x"))
    assert again.running


def test_a_copy_of_the_half_on_another_computer_is_told_that_the_first_answers(world: World) -> None:
    world.start_relay()
    world.pair()
    agent = world.up(world.a, world.a.folder("x"))
    world.relay_sees(agent, world.a)
    # Another computer has another runtime folder; b's own is free.
    second = world.up(world.a, world.a.folder("x"), environment={"XDG_RUNTIME_DIR": str(world.b.base / "run")})
    until(
        lambda: "another program already answers" in world.agent_status(world.b)["relays"][0]["failure"],
        "the second agent is refused by the relay",
    )
    assert second.stop().code == 0
    assert world.run(world.b, "ls").lines == ["x/"]


def test_a_port_that_is_taken(world: World) -> None:
    world.pair(relay=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = world.run(world.a, "up", "--listen", address, code=9)
    assert address.rpartition(":")[2] in result.error
    for bad in ("127.0.0.1", "127.0.0.1:x", ":99999", "127.0.0.1:-1"):
        assert world.run(world.a, "up", "--listen", bad, code=2).error


def test_without_a_relay_the_pair_works_by_address_only(world: World) -> None:
    result = world.pair(relay=False)
    assert "--at" in result.out + result.err
    agent = world.up(world.a, world.a.folder("shared"))
    assert "relay: none" in agent.out
    refused = world.run(world.b, "ls", code=2)
    assert "no relay" in refused.error
    assert "--at" in refused.err
    assert world.run(world.b, "ls", "--at", agent.address).lines == ["shared/"]
    # The other side's agent dials where it is told to, and serves its own commands.
    world.up(world.b, world.b.folder("mine"), more=["--at", agent.address])
    agent.wait_connected()
    assert world.run(world.b, "ls").lines == ["shared/"]
    assert world.run(world.a, "ls").lines == ["mine/"]


def test_an_agent_may_keep_off_the_relays(world: World) -> None:
    relay = world.start_relay("--json", "--log-level", "debug")
    world.pair()
    agent = world.up(world.a, world.a.folder("shared"), more=["--no-relay"])
    assert world.run(world.b, "ls", "--at", agent.address).lines == ["shared/"]
    result = world.run(world.b, "ls", code=7)
    # This computer saw it a moment ago, by the other way.
    said = "the other side is not connected (never seen by this relay); the other side was last seen "
    assert result.error.startswith(said), str(result)
    assert "plug in the other half" in result.err
    assert relay.running


def test_both_sides_share_and_reach_at_once(world: World) -> None:
    world.start_relay()
    world.pair()
    for computer in (world.a, world.b):
        write_file(computer.disk / f"of-{computer.side}" / "file", 3 << 20, ord(computer.side))
    agent_a = world.up(world.a, world.a.disk / "of-a")
    agent_b = world.up(world.b, world.b.disk / "of-b")
    agent_a.wait_connected()
    agent_b.wait_connected()
    copies = []
    for computer, other in ((world.a, world.b), (world.b, world.a)):
        for index in range(3):
            words = ["cp", f":of-{other.side}/file", computer.disk / f"down{index}"]
            copies.append(world.start(computer, *words))
            words = ["cp", computer.disk / f"of-{computer.side}" / "file", f":of-{other.side}/up{index}"]
            copies.append(world.start(computer, *words))
        copies.append(world.start(computer, "ls", f":of-{other.side}/file"))
    for process in copies:
        result = process.wait()
        assert result.code == 0, str(result)
    for computer, other in ((world.a, world.b), (world.b, world.a)):
        own = (computer.disk / f"of-{computer.side}" / "file").read_bytes()
        for index in range(3):
            assert (other.disk / f"down{index}").read_bytes() == own
            assert (other.disk / f"of-{other.side}" / f"up{index}").read_bytes() == own


@pytest.mark.parametrize("more", [[], ["--at"], ["--path", "relayed"], ["--path", "direct"]])
def test_commands_beside_a_running_agent_take_each_way(world: World, more: list[str]) -> None:
    world.start_relay()
    world.pair()
    write_file(world.a.folder("shared") / "x", 2 << 20)
    agent = world.up(world.a, world.a.folder("shared"))
    world.up(world.b, world.b.folder("mine")).wait_connected()
    words = [*more, agent.address] if more == ["--at"] else more
    assert world.run(world.b, "ls", *words, ":shared").lines == ["x"]
    (report,) = world.json(world.b, "cp", *words, ":shared/x", ".")
    assert report["path"] == (more[1] if len(more) == 2 else report["path"])
    assert (world.b.disk / "x").read_bytes() == (world.a.disk / "shared" / "x").read_bytes()
    shown = world.run(world.b, "status", "--json", *words).object
    assert shown["other_side"]["reached"] is True
    assert shown["agent"]["connected"] is True
