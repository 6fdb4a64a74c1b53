"""What a copy says on its way: to programs as events, to people on a terminal of any width."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator

import pytest
from rich.cells import cell_len

from tests.endtoend.processes import DEADLINE
from tests.endtoend.world import World, new_world

SIZE = 6_000_000
HOSTILE = ["red \x1b[31m", "back\rspace", "line\nbreak", "reversed \u202egnp", "wide 日本語", "tab\t"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as made:
        made.pair(relay=False)
        shared = made.a.folder("shared")
        (shared / "tree").mkdir()
        (shared / "large").write_bytes(os.urandom(SIZE))
        for number, name in enumerate(HOSTILE):
            (shared / "tree" / name).write_bytes(os.urandom(300_000 + number))
        made.up(made.a, shared)
        yield made


@pytest.fixture(scope="module")
def at(world: World) -> str:
    return next(process.address for process in world.processes if hasattr(process, "address"))


class TestEvents:
    def test_a_copy_tells_how_far_it_is_and_ends_with_its_summary(self, world: World, at: str) -> None:
        result = world.run(world.b, "cp", "--json", "--limit", "2M", "--at", at, ":shared/large", "slow")
        first, *on_the_way, last = result.events
        assert first == {"event": "start", "what": "copy"}
        assert last["event"] == "summary"
        assert (last["files"], last["bytes"]) == (1, SIZE)
        assert result.object == last
        assert {event["event"] for event in on_the_way} == {"progress"}
        assert 2 <= len(on_the_way) <= 2 * last["seconds"] + 1
        counted = [event["bytes"] for event in on_the_way]
        assert counted == sorted(counted)
        assert on_the_way[-1]["total_bytes"] == SIZE
        assert on_the_way[-1]["totals_known"]
        assert on_the_way[-1]["current"] == ":shared/large"
        assert all(line.isascii() for line in result.lines)

    def test_failures_are_told_one_by_one_and_the_error_stays_last(self, world: World, at: str) -> None:
        there = world.b.folder("there")
        (there / "tree" / "tab\uee09").mkdir(parents=True)
        result = world.run(world.b, "cp", "-r", "--json", "--at", at, ":shared/tree", "there", code=3)
        failed = [event for event in result.events if event.get("event") == "failed"]
        assert [event["reason"] for event in failed] == ["it is a folder"]
        assert [event.get("event", "error") for event in result.events][-3:] == ["failed", "summary", "error"]
        assert result.events[-1]["failures"] == [{key: failed[0][key] for key in ("name", "reason")}]

    def test_what_is_not_there_here_is_told_too(self, world: World, at: str) -> None:
        small = world.b.folder("some") / "small"
        small.write_bytes(b"x")
        result = world.run(world.b, "cp", "--json", "--at", at, small, "missing", ":shared", code=3)
        told = [event.get("event", "error") for event in result.events]
        assert [kind for kind in told if kind != "progress"] == ["start", "failed", "summary", "error"]
        assert [event["name"] for event in result.events if event.get("event") == "failed"] == ["missing"]

    def test_quiet_and_a_dry_run_print_no_events(self, world: World, at: str) -> None:
        quiet = world.run(world.b, "cp", "--json", "-q", "--at", at, ":shared/large", "quiet")
        assert [event["event"] for event in quiet.events] == ["summary"]
        dry = world.run(world.b, "cp", "--json", "--dry-run", "--at", at, ":shared/large", "dry")
        assert [list(event) for event in dry.events] == [["would", "path"]]

    def test_a_sync_prints_them_too(self, world: World, at: str) -> None:
        result = world.run(world.b, "sync", "--json", "--at", at, ":shared/tree", "mirror")
        assert result.events[0] == {"event": "start", "what": "sync"}
        assert result.events[-1]["event"] == "summary"
        assert result.events[-1]["files"] == len(HOSTILE)

    def test_a_reader_that_does_not_read_holds_up_no_copy(self, world: World, at: str) -> None:
        """The pipe is full before the copy begins; all the same it is done, and its summary waits for the reader."""
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        filling = b"\n" * 4096
        assert os.write(writer, filling) == 4096
        os.set_blocking(writer, True)
        process = subprocess.Popen(
            [*_program(world), "cp", "--json", "--limit", "3M", "--at", at, ":shared/large", "unread"],
            env=world.b.environment,
            cwd=world.b.disk,
            stdout=writer,
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        try:
            target = world.b.disk / "unread"
            until = time.monotonic() + DEADLINE
            while not target.exists():
                assert time.monotonic() < until
                assert process.poll() is None
                time.sleep(0.02)
            with os.fdopen(reader, "rb") as file:
                read = file.read()
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
            process.wait()
        events = [json.loads(line) for line in read.split(b"\n") if line]
        assert [event["event"] for event in events] == ["start", "summary"]


@pytest.mark.parametrize("columns", [24, 80, 160])
def test_a_terminal_shows_one_line_that_fits_and_obeys_no_name(world: World, at: str, columns: int) -> None:
    words = ["cp", "-r", "--no-compress", "--limit", "600K", "--at", at, ":shared/tree", f"terminal-{columns}"]
    shown = _in_terminal(world, words, columns)
    lines = re.split(r"\r\n|\r|\n", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.replace("\x1b[31m", "RED")))
    bars = [line.rstrip() for line in lines if " of " in line]
    assert len(bars) >= 3, shown
    assert max(cell_len(line) for line in bars) < columns
    assert "RED" not in shown
    assert "\u202e" not in shown
    if columns == 160:
        # A control character travels as a private one, which is shown by its number.
        assert any(name in shown for name in ("red \\uee1b[31m", "back\\uee0d", "line\\uee0a", "tab\\uee09"))


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_says_how_long_a_copy_will_still_take(world: World, at: str, columns: int) -> None:
    """One large file moves in steps that are small to the seconds it takes, so that on any machine something can be
    learned from them; bundles of a few files may come all at once."""
    words = ["cp", "--no-compress", "--limit", "1500K", "--at", at, ":shared/large", f"timed-{columns}"]
    shown = _in_terminal(world, words, columns)
    assert re.search(r"\d+ s left", shown), shown


def _in_terminal(world: World, words: list[str], columns: int) -> str:
    """What a command prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = world.b.environment | {"TERM": "xterm"}
    process = subprocess.Popen(
        [*_program(world), *words], env=environment, cwd=world.b.disk, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    parts: list[bytes] = []

    def read() -> None:
        while True:
            try:
                some = os.read(ours, 65536)
            except OSError:
                return
            if not some:
                return
            parts.append(some)

    reading = threading.Thread(target=read)
    reading.start()
    try:
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
        reading.join(DEADLINE)
        os.close(ours)
    return b"".join(parts).decode()


def _program(_world: World) -> list[str]:
    import sys

    from tests.endtoend.world import RUN

    return [sys.executable, "-c", RUN]
