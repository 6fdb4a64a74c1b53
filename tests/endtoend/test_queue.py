"""Queued copies and syncs between two computers: several at once, paused, cancelled, killed, unplugged, continued."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gimmal.agent.queue.messages import Act, TransfersQuestion
from gimmal.frontends.cli.transfers_output import json_of
from tests.agent.queue.asking import ask_transfers, connect
from tests.endtoend.processes import Agent
from tests.endtoend.test_unplug import INFORMED_SECONDS, pull
from tests.endtoend.world import Computer, Plugged, World, digest, part_files, plug_in, snapshot, until, write_file
from tests.figures import figure
from tests.patience import within

MIB = 1 << 20
BLOCK = 4 * MIB

LARGE, RATE = 80 * MIB, "8M"
"""Ten seconds: time for some commands in its midst, also on a busy machine."""


@pytest.fixture
def two(world: World) -> Plugged:
    """Both sides plugged in, each sharing a folder."""
    return plug_in(world, both=True)


def queue(plugged: Plugged, *words: str | Path, code: int = 0) -> int:
    """Queue a command on computer b; its number."""
    verb, *rest = words
    return int(plugged.world.run(plugged.world.b, verb, "--queue", *rest, "--json", code=code).object["transfer"])


def transfers(plugged: Plugged) -> dict[int, dict[str, Any]]:
    """As `gimmal transfers --json` prints them, but asked without starting a process."""
    with connect(plugged.world, plugged.world.b) as connection:
        views = ask_transfers(connection, TransfersQuestion(Act.LIST))
    return {view.number: json_of(view) for view in views}


@contextmanager
def standing_still(plugged: Plugged) -> Iterator[None]:
    """Nothing moves meanwhile, however long commands take on a busy machine: the other side's program is held."""
    plugged.agent_a.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        plugged.agent_a.signal(signal.SIGCONT)


def steer(plugged: Plugged, *words: str) -> dict[str, Any]:
    return plugged.world.run(plugged.world.b, "transfers", *words, "--json").object


def wait_for(plugged: Plugged, number: int, holds: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
    """Wait until something holds of a transfer; what it is then."""
    found: dict[str, Any] = {}

    def look() -> bool:
        found.clear()
        found.update(transfers(plugged)[number])
        return bool(holds(found))

    try:
        until(look, what, every=0.02)
    except AssertionError as exc:
        raise AssertionError(f"{exc}: {found}") from None
    return found


def wait_end(plugged: Plugged, number: int, state: str = "done") -> dict[str, Any]:
    over = ("done", "failed", "partly done", "cancelled")
    found = wait_for(plugged, number, lambda one: one["state"] in over and not one["running"], "the end")
    assert found["state"] == state, found
    return found


def arrived(least: int) -> Callable[[dict[str, Any]], bool]:
    return lambda one: one["bytes"] >= least


def agent_of(plugged: Plugged) -> Agent:
    assert plugged.agent_b is not None
    return plugged.agent_b


def restart(plugged: Plugged, computer: Computer | None = None) -> None:
    """Plug b, or the one named, in again."""
    world = plugged.world
    if computer is world.a:
        plugged.agent_a = world.up(world.a, plugged.shared)
    else:
        plugged.agent_b = world.up(world.b, plugged.mine)


def test_several_at_once_in_both_directions(two: Plugged) -> None:
    world = two.world
    size = 40 * MIB
    write_file(two.shared / "down", size, 1)
    write_file(two.mine / "up", size, 2)
    write_file(two.shared / "tree" / "deep" / "one", 1000, 3)
    with standing_still(two):
        first = queue(two, "cp", "--limit", "8M", ":shared/down", two.mine)
        second = queue(two, "cp", "--limit", "8M", two.mine / "up", ":shared")
        third = queue(two, "cp", "-r", ":shared/tree", ":shared/tree2")
    assert (first, second, third) == (1, 2, 3)

    def both_move() -> bool:
        now = transfers(two)
        return all(now[number]["state"] == "running" and now[number]["bytes"] for number in (first, second))

    until(both_move, "both move at once")
    with standing_still(two):
        listed = world.run(world.b, "transfers")
        (one, *_others) = world.json(world.b, "transfers", "list")
    assert f"     copy :shared/down to {two.mine}" in listed.lines
    assert (one["transfer"], one["running"]) == (1, True)
    ended = [wait_end(two, number) for number in (first, second, third)]
    assert [one["direction"] for one in ended] == ["down", "up", "far"]
    assert [(one["files"], one["bytes"]) for one in ended] == [(1, size), (1, size), (1, 1000)]
    assert ended[0]["sources"] == [":shared/down"]
    assert ended[1]["sources"] == [str(two.mine / "up")]
    assert all(one["ended"] >= one["queued"] for one in ended)
    assert digest(two.mine / "down") == digest(two.shared / "down")
    assert digest(two.mine / "up") == digest(two.shared / "up")
    assert (two.shared / "tree2" / "deep" / "one").exists()
    assert steer(two, "clear") == {"cleared": [1, 2, 3]}
    assert world.run(world.b, "transfers").out == ""
    write_file(two.mine / "more", 10)
    assert queue(two, "cp", two.mine / "more", ":shared") == 4, "numbers are not given again"
    agent_of(two).wait_line("transfer: 4 done")
    names = ("down", "tree", "more", str(two.mine))
    assert not any(name in line for line in agent_of(two).out.splitlines()[2:] for name in names)


@pytest.mark.parametrize("way", ["down", "up"])
def test_a_pause_keeps_what_has_arrived(two: Plugged, way: str) -> None:
    source, target = (two.shared, two.mine) if way == "down" else (two.mine, two.shared)
    write_file(source / "large", LARGE, 1)
    words = [":shared/large", two.mine] if way == "down" else [source / "large", ":shared"]
    number = queue(two, "cp", "--limit", RATE, *words)
    wait_for(two, number, arrived(3 * BLOCK), "some blocks arrive")
    with standing_still(two):
        assert steer(two, "pause", str(number)) == {"paused": [number]}
    paused = wait_for(two, number, lambda one: not one["running"], "it has stopped")
    assert paused["state"] == "paused"
    had = paused["bytes"]
    assert 3 * BLOCK <= had < LARGE
    (part,) = part_files(target)
    before = part.stat()
    assert steer(two, "pause", "all") == {"paused": []}
    assert steer(two, "resume", "all") == {"resumed": [number]}
    ended = wait_end(two, number)
    figure(f"pause and resume ({way}): bytes sent again of {LARGE}", had - ended["resumed_bytes"], "0")
    assert ended["resumed_bytes"] >= had
    assert before.st_ino == (target / "large").stat().st_ino, "the same part file was gone on with"
    assert digest(target / "large") == digest(source / "large")


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.parametrize("discard", [False, True])
def test_a_cancelled_one_leaves_its_part_only_if_it_may(two: Plugged, way: str, discard: bool) -> None:
    source, target = (two.shared, two.mine) if way == "down" else (two.mine, two.shared)
    write_file(source / "large", LARGE, 1)
    words = [":shared/large", two.mine] if way == "down" else [source / "large", ":shared"]
    number = queue(two, "cp", "--limit", RATE, *words)
    wait_for(two, number, arrived(BLOCK), "a block arrives")
    with standing_still(two):
        if way == "up":
            steer(two, "pause", str(number))
        assert steer(two, "cancel", str(number), *(["--discard"] if discard else [])) == {"cancelled": [number]}
    wait_for(two, number, lambda one: not one["running"] and not one["discarding"], "it has ended")
    assert transfers(two)[number]["state"] == "cancelled"
    assert len(part_files(target)) == (0 if discard else 1)
    assert not (target / "large").exists()
    if not discard:
        # A plain copy goes on with it.
        (report,) = two.world.json(two.world.b, "cp", *words)
        assert report["resumed_bytes"] >= BLOCK


def test_a_killed_agent_goes_on_where_it_was(two: Plugged) -> None:
    world = two.world
    write_file(two.shared / "down", LARGE, 1)
    write_file(two.mine / "up", LARGE, 2)
    for index in range(300):
        write_file(two.mine / "tree" / f"{index % 10}" / f"{index}", 100_000, index, mtime=1_600_000_000)
    write_file(two.mine / "later", 100, 4)
    write_file(two.mine / "paused", 100, 5)
    with standing_still(two):
        down = queue(two, "cp", "--limit", RATE, ":shared/down", two.mine)
        up = queue(two, "cp", "--limit", RATE, two.mine / "up", ":shared")
        tree = queue(two, "cp", "-r", "--limit", "2M", two.mine / "tree", ":shared/new-name")
        later = queue(two, "cp", two.mine / "later", ":shared")
        paused = queue(two, "cp", two.mine / "paused", ":shared")
        steer(two, "pause", str(paused))
    for number in (down, up):
        wait_for(two, number, arrived(2 * BLOCK), "some blocks arrive")
    wait_for(two, tree, lambda one: one["files"] >= 20, "some files arrive")
    assert transfers(two)[later]["waiting_for"] == "its turn"
    before = transfers(two)
    agent_of(two).kill()
    restart(two)
    assert transfers(two)[paused]["state"] == "paused"
    ended = {number: wait_end(two, number) for number in (down, up, tree, later)}
    for number in (down, up):
        lost = before[number]["bytes"] - ended[number]["resumed_bytes"]
        figure(f"agent killed, transfer {number}: bytes sent again that were verified", max(0, lost), "<= 1 block")
        assert lost <= BLOCK
    assert digest(two.mine / "down") == digest(two.shared / "down")
    assert digest(two.mine / "up") == digest(two.shared / "up")
    assert snapshot(two.shared / "new-name") == snapshot(two.mine / "tree"), "not one level below itself"
    # Files that were done after it was last noted are met as there.
    assert ended[tree]["files"] + ended[tree]["skipped"] == 300
    assert ended[tree]["skipped"] < 300
    assert not (two.shared / "paused").exists()
    steer(two, "resume", str(paused))
    wait_end(two, paused)
    assert world.run(world.b, "transfers", "resume", str(paused), code=2).error == f"transfer {paused} is done already"


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_it_waits_for_the_other_side_and_goes_on_when_it_is_back(two: Plugged, how: str) -> None:
    write_file(two.shared / "large", LARGE, 1)
    number = queue(two, "cp", "--limit", RATE, ":shared/large", two.mine)
    wait_for(two, number, arrived(2 * BLOCK), "some blocks arrive")
    if how == "killed":
        two.agent_a.kill()
    else:
        two.agent_a.stop()
    away = wait_for(two, number, lambda one: one["waiting_for"], "it is told")
    assert away["state"] == "waiting"
    assert away["waiting_for"].startswith("the other side: ")
    restart(two, two.world.a)
    ended = wait_end(two, number)
    assert ended["resumed_bytes"] >= 2 * BLOCK
    assert digest(two.mine / "large") == digest(two.shared / "large")


def test_it_may_be_queued_while_the_other_side_is_away(world: World) -> None:
    world.pair(relay=False)
    shared, mine = world.a.folder("shared"), world.b.folder("mine")
    write_file(mine / "note", 10)
    plugged = Plugged(world, world.up(world.a, shared), None, shared, mine)
    port = plugged.agent_a.port
    plugged.agent_a.stop()
    plugged.agent_b = world.up(world.b, mine, more=["--at", f"127.0.0.1:{port}"])
    number = queue(plugged, "cp", mine / "note", ":shared")
    away = wait_for(plugged, number, lambda one: one["waiting_for"].startswith("the other side"), "it is told")
    assert away["state"] == "waiting"
    world.up(world.a, shared, listen=f"127.0.0.1:{port}")
    wait_end(plugged, number)


def test_unplugging_stops_it_within_a_second_and_it_stays_queued(two: Plugged) -> None:
    world = two.world
    write_file(two.shared / "down", LARGE, 1)
    write_file(two.mine / "up", LARGE, 2)
    with standing_still(two):
        numbers = [
            queue(two, "cp", "--limit", RATE, ":shared/down", two.mine),
            queue(two, "cp", "--limit", RATE, two.mine / "up", ":shared"),
        ]
    for number in numbers:
        wait_for(two, number, arrived(2 * BLOCK), "some blocks arrive")
    pulled = pull(world.b, "renamed")
    result = agent_of(two).wait()
    ended = agent_of(two).ended_at - pulled
    figure("unplug to the end of an agent with two transfers under way", round(ended, 3), "<= 1 s")
    assert result.code == 0, result
    assert result.lines[-1] == "unplugged: the half is gone, every connection is closed"
    assert ended <= INFORMED_SECONDS
    assert world.run(world.b, "transfers", code=5).err
    (world.b.half / "elsewhere").rename(world.b.half / "GIMMAL")
    restart(two)
    for number in numbers:
        assert wait_end(two, number)["resumed_bytes"] >= 2 * BLOCK
    assert digest(two.mine / "down") == digest(two.shared / "down")
    assert digest(two.mine / "up") == digest(two.shared / "up")


def test_what_is_kept_is_noise_without_the_half_and_goes_on_when_joined_again(two: Plugged) -> None:
    world = two.world
    source = two.mine / "letters-of-anna"
    write_file(source / "secret-name", 40 * MIB, 1)
    number = queue(two, "cp", "-r", "--limit", "8M", source, ":shared/hidden-place")
    wait_for(two, number, arrived(BLOCK), "a block arrives")
    with standing_still(two):
        steer(two, "pause", "all")
    wait_for(two, number, lambda one: not one["running"], "it has stopped")
    seen = bytearray()
    for path in world.b.state.rglob("*"):
        seen += str(path.relative_to(world.b.state)).encode()
        if path.is_file():
            seen += path.read_bytes()
    assert len(seen) > 500
    for word in (b"letters-of-anna", b"secret-name", b"hidden-place", b"shared", os.fsencode(source), b"paused"):
        assert word not in seen
    figure("names of a queued transfer met in what is kept on the computer", 0, "0")
    agent_of(two).stop()
    two.agent_a.stop()
    # Another pair on the same computer has another queue.
    other = [world.base / "other-a", world.base / "other-b"]
    for folder in other:
        folder.mkdir()
    world.run(world.b, "pair", *other, "--name", "Other", "--no-password")
    stranger = world.up(world.b, environment={"GIMMAL_HALF": str(other[1])})
    assert world.run(world.b, "transfers", "--half", other[1]).out == ""
    stranger.stop()
    # The same pair, joined again: all keys are new but one.
    world.pair(name="Again")
    two.agent_a = world.up(world.a, two.shared)
    restart(two)
    assert transfers(two)[number]["state"] == "paused"
    steer(two, "resume", str(number))
    assert wait_end(two, number)["resumed_bytes"] >= BLOCK
    assert digest(two.shared / "hidden-place" / "secret-name") == digest(source / "secret-name")


def test_what_fails_is_named_and_can_be_tried_again(two: Plugged) -> None:
    world = two.world
    write_file(two.mine / "one", 100)
    write_file(two.mine / "two", 100)
    write_file(two.shared / "two", 5)
    write_file(two.mine / "vanishing", 100)
    write_file(two.mine / "slow", 64 * MIB)
    # Fills all places, so that what comes next is looked at again later.
    first = [queue(two, "cp", "--limit", "1M", two.mine / "slow", f":shared/slow{index}") for index in range(3)]
    gone = queue(two, "cp", two.mine / "vanishing", ":shared")
    partly = queue(two, "cp", two.mine / "one", two.mine / "two", ":shared")
    (two.mine / "vanishing").unlink()
    steer(two, "cancel", str(first[0]), "--discard")
    failed = wait_end(two, gone, "failed")
    assert failed["error"] == f"{two.mine / 'vanishing'}: no such file or directory"
    found = wait_end(two, partly, "partly done")
    assert found["failed"] == 1
    assert "already there" in found["failures"][0]["reason"]
    assert (two.shared / "one").exists()
    shown = world.run(world.b, "transfers", "show", str(partly))
    assert "     failed: " in shown.out
    write_file(two.mine / "vanishing", 100)
    (two.shared / "two").unlink()
    assert steer(two, "resume", str(gone)) == {"resumed": [gone]}
    assert steer(two, "resume", str(partly)) == {"resumed": [partly]}
    wait_end(two, gone)
    assert wait_end(two, partly)["failures"] == []
    assert steer(two, "cancel", "all") == {"cancelled": first[1:]}


def test_a_sync_carries_all_its_options(two: Plugged) -> None:
    write_file(two.mine / "from" / "keep", 100, 1, 1_600_000_000)
    write_file(two.mine / "from" / "left.tmp", 100, 1, 1_600_000_000)
    write_file(two.shared / "to" / "old", 100, 1, 1_600_000_000)
    write_file(two.shared / "to" / "own.tmp", 100, 1, 1_600_000_000)
    number = queue(two, "sync", "--delete", "--exclude", "*.tmp", two.mine / "from", ":shared/to")
    ended = wait_end(two, number)
    assert (ended["kind"], ended["deleted"]) == ("sync", 1)
    assert sorted(path.name for path in (two.shared / "to").iterdir()) == ["keep", "own.tmp"]
    number = queue(two, "sync", ":shared/to", two.mine / "back")
    wait_end(two, number)
    assert snapshot(two.mine / "back") == snapshot(two.shared / "to")


def test_patterns_and_all_options_of_a_copy_hold(two: Plugged) -> None:
    for name in ("one", "two"):
        (two.shared / f"{name}.log").write_bytes(name.encode() * (3 * MIB))
    write_file(two.shared / "three.bin", MIB, 3)
    number = queue(two, "cp", "--verify", "--compress", ":shared/*.log", f"{two.mine}/")
    ended = wait_end(two, number)
    assert (ended["files"], ended["verified"], ended["sources"]) == (2, 2, [":shared/*.log"])
    assert ended["saved_bytes"] > ended["bytes"] / 2
    assert sorted(path.name for path in two.mine.iterdir()) == ["one.log", "two.log"]
    write_file(two.mine / "old", 16 * MIB, 4, 1_600_000_000)
    for words, reuses in ((["--overwrite"], True), (["--overwrite", "--whole-file"], False)):
        data = bytearray((two.mine / "old").read_bytes())
        data[MIB : MIB + 10] = b"0123456789"
        (two.shared / "new").write_bytes(data)
        os.utime(two.shared / "new", (1_700_000_000, 1_700_000_000))
        (two.mine / "new").unlink(missing_ok=True)
        os.link(two.mine / "old", two.mine / "new")
        ended = wait_end(two, queue(two, "cp", *words, "--no-compress", "--limit", "4M", ":shared/new", two.mine))
        assert (ended["reused_bytes"] > 8 * MIB, ended["saved_bytes"]) == (reuses, 0), ended
        assert (two.mine / "new").read_bytes() == data


def test_paths_mean_what_they_meant_where_the_command_was_run(two: Plugged) -> None:
    world = two.world
    odd = os.fsdecode(b"odd \xff")
    work = two.mine / "work"
    write_file(work / "in" / odd, 10)
    world.run(world.b, "cp", "-r", "--queue", "./in/.", ":shared", directory=work)
    until(lambda: len(list(two.shared.iterdir())) == 1, "it arrives")
    world.run(world.b, "cp", "--queue", f"in/{odd}", ":shared/plain", directory=work)
    until(lambda: (two.shared / "plain").exists(), "it arrives")
    world.run(world.b, "cp", "--queue", ":shared/plain", ".", directory=work)
    until(lambda: (work / "plain").exists(), "it arrives")
    assert "\\xff" in world.run(world.b, "transfers").out
    assert f"{work}/in/odd \\xff" in transfers(two)[2]["sources"][0]


def test_what_cannot_be_queued_is_said_at_once(two: Plugged) -> None:
    world = two.world
    write_file(two.mine / "x", 10)
    for words, code, says in (
        (["cp", "missing", ":shared"], 9, "no such file"),
        (["cp", ":shared/x", "no/such/folder"], 9, "no such file"),
        (["cp", "x", "y"], 2, "on the other side"),
        (["cp", "--dry-run", "x", ":shared"], 2, "--dry-run"),
        (["cp", "--at", "127.0.0.1:1", "x", ":shared"], 2, "agent's way"),
        (["cp", "--wait", "5", "x", ":shared"], 2, "waits for ever"),
        (["sync", "missing", ":shared"], 9, "no such file"),
        (["sync", "--exclude", "!", ".", ":shared"], 2, "pattern"),
    ):
        result = world.run(world.b, words[0], "--queue", *words[1:], directory=two.mine, code=code)
        assert says in result.error, result
    assert transfers(two) == {}
    for words, says in ((["pause", "7"], "no transfer 7"), (["show", "7"], "no transfer 7")):
        assert says in world.run(world.b, "transfers", *words, code=4).error
    assert "neither the number" in world.run(world.b, "transfers", "cancel", "seven", code=2).error
    agent_of(two).stop()
    for words in (["cp", "--queue", "x", ":shared"], ["transfers"], ["transfers", "pause", "1"]):
        result = world.run(world.b, *words, directory=two.mine, code=9)
        assert result.error == "no agent runs for this half on this computer"
        assert "hint: start `gimmal up`" in result.err


def test_a_queue_that_cannot_be_kept_does_not_keep_the_agent(two: Plugged) -> None:
    world = two.world
    agent_of(two).stop()
    (kept,) = world.b.state.glob("gimmal/*/queue")
    kept.rename(kept.with_name("away"))
    kept.write_bytes(b"")
    restart(two)
    agent_of(two).wait_line("error: cannot open the transfer queue")
    assert world.run(world.b, "ls").lines == ["shared/"]
    write_file(two.mine / "x", 10)
    assert "transfer queue" in world.run(world.b, "cp", "--queue", two.mine / "x", ":shared", code=9).error


def test_a_queue_that_cannot_be_read_is_named_and_put_aside(two: Plugged) -> None:
    world = two.world
    write_file(two.mine / "x", 10)
    wait_end(two, queue(two, "cp", two.mine / "x", ":shared"))
    agent_of(two).stop()
    (kept,) = [path for path in world.b.state.glob("gimmal/*/queue/*") if not path.suffix]
    kept.write_bytes(os.urandom(3000))
    restart(two)
    until(lambda: "the transfer queue cannot be read and begins anew" in agent_of(two).err, "it is named")
    assert transfers(two) == {}
    assert kept.with_suffix(".unreadable").stat().st_size == 3000
    wait_end(two, queue(two, "cp", two.mine / "x", ":shared/again"))


def test_watching_goes_on_until_it_is_interrupted(two: Plugged) -> None:
    write_file(two.mine / "x", 10)
    wait_end(two, queue(two, "cp", two.mine / "x", ":shared"))
    watching = two.world.start(two.world.b, "transfers", "list", "--watch")
    watching.wait_line("  1  done", after=1)
    watching.signal(signal.SIGINT)
    result = watching.wait()
    assert (result.code, result.err) == (0, ""), result


def test_the_memory_of_three_at_once(two: Plugged) -> None:
    """Three large transfers take no more memory than the bound of one, beside what a listing takes."""
    size = 160 * MIB
    write_file(two.shared / "large", size, 1)
    write_file(two.mine / "large", size, 2)
    before = agent_of(two).memory()
    numbers = [
        queue(two, "cp", ":shared/large", two.mine / "down1"),
        queue(two, "cp", ":shared/large", two.mine / "down2"),
        queue(two, "cp", two.mine / "large", ":shared/up1"),
    ]
    for number in numbers:
        wait_end(two, number)
    peak = agent_of(two).peak_memory() - before
    figure("memory that three queued transfers of 160 MiB at once take", f"{peak >> 20} MiB", "<= 160 MiB")
    assert peak <= 160 * MIB
    for left, right in ((two.mine / "down2", two.shared / "large"), (two.shared / "up1", two.mine / "large")):
        assert digest(left) == digest(right)


def test_a_stopped_agent_ends_with_good_words(two: Plugged) -> None:
    write_file(two.mine / "up", LARGE, 2)
    number = queue(two, "cp", "--limit", "8M", two.mine / "up", ":shared")
    wait_for(two, number, arrived(BLOCK), "a block arrives")
    started = time.monotonic()
    result = agent_of(two).stop()
    assert within(time.monotonic() - started, 3)
    assert result.code == 0
    assert result.err == ""
    assert result.lines[-1] == "stopped: every connection is closed"
    restart(two)
    wait_for(two, number, lambda one: one["bytes"] > BLOCK and one["state"] == "running", "it goes on")
    agent_of(two).signal(signal.SIGTERM)
    assert agent_of(two).wait().err == ""
