"""``gimmal log``: each side knows what the other did there, and nobody else does."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from tests.endtoend.world import FULL, PASSWORD, RUN, Computer, Plugged, World, plug_in, until, write_file
from tests.figures import figure

COUNTED = (
    """
import os
from gimmal.agent.use_log.store import UseLogStore
append = UseLogStore.append
def counted(self, records):
    with open(os.environ["BATCHES"], "a") as file:
        file.write(f"{len(records)}\\n")
    append(self, records)
UseLogStore.append = counted
"""
    + RUN
)


def log(world: World, computer: Computer, *more: str | Path, **options: Any) -> list[dict[str, Any]]:
    return world.run(computer, "log", "--json", *more, **options).objects


def done(entries: list[dict[str, Any]], event: str) -> list[str]:
    return [f"{entry['folder']}/{name}" for entry in entries if entry["event"] == event for name in entry["names"]]


def test_the_log_says_who_did_what_when(world: World) -> None:
    plugged = plug_in(world, both=True)
    shared = plugged.shared
    for name in ("read", "removed", "moved", "trashed"):
        write_file(shared / "docs" / name, 1000)
    (plugged.mine / "new").write_bytes(b"12345")
    b = world.b
    world.run(b, "ls", ":shared/docs")
    world.run(b, "cat", ":shared/docs/read")
    world.run(b, "cp", "new", ":shared/docs/written", directory=plugged.mine)
    world.run(b, "mkdir", ":shared/docs/made")
    world.run(b, "mv", ":shared/docs/moved", ":shared/docs/made/here")
    world.run(b, "rm", ":shared/docs/removed")
    entries = log(world, world.a)
    assert entries[0]["event"] == "plugged"
    connected = [entry for entry in entries if entry["event"] == "connected"]
    assert {entry["computer"] for entry in connected} == {socket.gethostname().partition(".")[0][:64]}
    assert {entry["side"] for entry in connected} == {"b"}
    assert "shared/docs" in done(entries, "listed")
    assert done(entries, "read") == ["shared/docs/read"]
    assert [entry["bytes"] for entry in entries if entry["event"] == "read"] == [1000]
    assert done(entries, "wrote") == ["shared/docs/written"]
    assert done(entries, "made") == ["shared/docs/made"]
    assert done(entries, "removed") == ["shared/docs/removed"]
    (moved,) = [entry for entry in entries if entry["event"] == "moved"]
    assert (moved["names"], moved["targets"]) == (["moved"], ["shared/docs/made/here"])
    sessions = {entry["session"] for entry in connected}
    assert all(entry["session"] in sessions for entry in entries if "session" in entry)
    # The other side was asked for nothing, and its log says so; and what was done from there.
    theirs = log(world, b)
    assert not any(entry["event"] in ("read", "removed", "wrote") for entry in theirs if not entry["from_here"])
    own = [entry for entry in theirs if entry["from_here"]]
    assert not any(entry["from_here"] for entry in entries)
    for event in ("read", "wrote", "made", "removed", "moved"):
        assert done(own, event) == done(entries, event), event
    host = connected[0]["computer"]
    assert {(entry["side"], entry["computer"]) for entry in own} == {("a", host)}
    said = f"  from here on {host}: removed 1 in :shared/docs: removed"
    assert any(line.endswith(said) for line in world.run(b, "log").lines)
    lines = world.run(world.a, "log").lines
    assert any(line.endswith(": removed 1 in :shared/docs: removed") for line in lines)
    assert world.run(world.a, "log", "--since", "5m").lines == lines
    early = world.run(world.a, "log", "--since", "2099-01-01")
    assert early.lines == []
    assert "nothing is in the log since then" in early.err
    wrong = world.run(world.a, "log", "--since", "yesterday", code=2)
    assert "is no time" in wrong.err


def test_without_an_agent_commands_keep_their_own_log(world: World) -> None:
    plugged = plug_in(world)
    names = [f"marker-of-a-file-{number}" for number in range(6)]
    for name in names:
        write_file(plugged.shared / name, 10)
    world.run(world.b, "cp", "-r", ":shared", world.b.folder("here"))
    started = [world.start(world.b, "rm", f":shared/{name}") for name in names]
    for process in started:
        assert process.wait().code == 0
    own = log(world, world.b)
    assert all(entry["from_here"] for entry in own)
    assert sorted(done(own, "removed")) == [f"shared/{name}" for name in names]
    assert sum(entry["bytes"] for entry in own if entry["event"] == "read") == 60
    # Only with the half.
    for folder, _folders, files in os.walk(world.b.state):
        for file in files:
            assert "marker" not in file
            assert b"marker" not in (Path(folder) / file).read_bytes()


def test_what_the_queue_does_there_is_in_ones_own_log(world: World) -> None:
    plugged = plug_in(world, both=True)
    write_file(plugged.mine / "film", 1000)
    world.run(world.b, "cp", "--queue", plugged.mine / "film", ":shared")
    until(lambda: (plugged.shared / "film").exists(), "the queued copy")
    until(lambda: done(log(world, world.b), "wrote") == ["shared/film"], "its entry")
    (entry,) = [entry for entry in log(world, world.b) if entry["event"] == "wrote"]
    assert entry["from_here"] and entry["side"] == "a" and entry["bytes"] == 1000


def test_what_fails_there_ends_no_log(world: World) -> None:
    plugged = plug_in(world)
    write_file(plugged.shared / "file", 10)
    world.run(world.b, "cat", ":shared/file", ":shared/missing", code=None)
    assert done(log(world, world.b), "read") == ["shared/file"]


def test_what_is_not_granted_is_in_the_log(world: World) -> None:
    world.start_relay()
    world.pair()
    only = world.a.folder("only")
    write_file(only / "file", 10)
    world.up(world.a, f"{only}:ro")
    world.run(world.b, "rm", ":only/file", code=4)
    assert done(log(world, world.a), "refused") == ["only/file"]
    assert done(log(world, world.b), "refused") == ["only/file"]


def test_a_log_outlives_kill_restart_and_joining_and_is_noise_without_the_half(plugged: Plugged) -> None:
    world = plugged.world
    for number in range(3):
        write_file(plugged.shared / f"marker{number}", 10)
    world.run(world.b, "rm", ":shared/marker0")
    assert done(log(world, world.a), "removed") == ["shared/marker0"]
    plugged.agent_a.kill()
    assert done(log(world, world.a), "removed") == ["shared/marker0"]
    agent = world.up(world.a, plugged.shared)
    world.run(world.b, "rm", ":shared/marker1")
    agent.stop()
    assert done(log(world, world.a), "removed") == ["shared/marker0", "shared/marker1"]
    world.pair()
    agent = world.up(world.a, plugged.shared)
    world.run(world.b, "rm", ":shared/marker2")
    assert done(log(world, world.a), "removed") == [f"shared/marker{number}" for number in range(3)]
    agent.stop()
    (world.a.half / "GIMMAL").rename(world.a.half / "elsewhere")
    world.run(world.a, "log", code=5)
    kept = [path for path in world.a.state.rglob("*") if path.is_file()]
    assert any("log" in path.parts for path in kept)
    assert not any(b"marker" in path.read_bytes() or "marker" in str(path) for path in kept)
    # The other half opens no log but its own.
    assert all(entry["from_here"] for entry in log(world, world.b))


def test_a_log_of_a_half_with_a_password_wants_it(world: World) -> None:
    world.start_relay()
    password, wrong = world.base / "password", world.base / "wrong"
    password.write_text(PASSWORD)
    wrong.write_text(PASSWORD + "x")
    world.pair("--password-file", password, "--password-for", "a")
    agent = world.up(world.a, world.a.folder("shared"), more=["--password-file", password])
    assert [entry["event"] for entry in log(world, world.a)] == ["plugged"]  # the agent has it open
    agent.stop()
    assert [entry["event"] for entry in log(world, world.a, "--password-file", password)] == ["plugged", "stopped"]
    world.run(world.a, "log", "--password-file", wrong, code=6)
    world.run(world.a, "log", code=6)


def test_a_log_that_was_cut_or_altered_says_so(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "one", 10)
    world.run(world.b, "rm", ":shared/one")
    plugged.agent_a.stop()
    (path,) = world.a.state.glob("gimmal/*/log/*/0*")
    path.write_bytes(path.read_bytes()[:-1])
    entries = log(world, world.a)
    assert entries[-1] == {"event": "unreadable", "newer_records": 0, "torn": True, "from_here": False}
    assert done(entries, "removed") == ["shared/one"]
    assert "warning: " in world.run(world.a, "log").lines[-1]


def test_a_copy_of_many_files_is_few_batches(world: World) -> None:
    count = 10_000 if FULL else 1000
    world.start_relay()
    world.pair()
    batches = world.base / "batches"
    shared = world.a.folder("shared")
    world.up(world.a, shared, driver=COUNTED, environment={"BATCHES": str(batches)})
    tree = world.b.folder("mine") / "tree"
    for number in range(count):
        folder = tree / str(number // 500)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}").write_bytes(b"%d" % number)
    copy = world.run(world.b, "cp", "-r", tree, ":shared")
    entries = log(world, world.a)
    assert len(done(entries, "wrote")) == count
    assert len(set(done(entries, "wrote"))) == count
    written = len(batches.read_text().splitlines())
    figure(f"batches that the log of use writes in a copy of {count} files", written, "1 a second and 4")
    assert written <= copy.seconds + 4


def test_a_log_on_a_full_disk_stops_no_copy(world: World) -> None:
    world.start_relay()
    world.pair()
    shared = world.a.folder("shared")
    write_file(shared / "file", 1000)
    (state,) = [world.a.state / "gimmal"]
    agent = world.up(world.a, shared)
    (folder,) = [path for path in state.iterdir() if path.is_dir()]
    until(lambda: (folder / "log").exists(), "the log was begun")
    agent.stop()
    (folder / "log").rename(folder / "away")
    (folder / "log").write_bytes(b"")
    agent = world.up(world.a, shared)
    agent.wait_line("log: cannot write to the log of use in ")
    assert len(world.run(world.b, "cat", ":shared/file").out_bytes) == 1000
    os.unlink(folder / "log")
    (folder / "away").rename(folder / "log")
    agent.stop()
    assert done(log(world, world.a), "read") == ["shared/file"]
