"""How sizes, times, errors and progress are shown."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gimmal.frontends.cli.output import human_size, local_time
from tests.endtoend.world import RUN, Plugged, new_world, plug_in, write_file
from tests.patience import PATIENCE


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (99_949, "99.9 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (1_234_567, "1.23 MB"),
        (10**12, "1 TB"),
        (10**15, "1 PB"),
        (2**63 - 1, "9.22 EB"),
    ],
)
def test_sizes(size: int, shown: str) -> None:
    assert human_size(size) == shown


@pytest.mark.parametrize("wild", [2**63 - 1, -(2**63), 10**30])
def test_wild_times_are_a_question_mark(wild: int) -> None:
    assert local_time(wild) == "?" or len(local_time(wild)) == 16


@pytest.fixture(scope="module")
def plugged() -> Iterator[Plugged]:
    with new_world() as world:
        yield plug_in(world)


def test_progress_on_a_terminal_shows_no_raw_name(plugged: Plugged) -> None:
    """A file whose name holds escape sequences; the bar moves, the name is escaped."""
    world = plugged.world
    folder = plugged.mine / "tree"
    write_file(folder / "evil\x1b]0;title\x07\x1b[31m\u202ename", 700 << 20)
    controller, terminal = pty.openpty()
    environment = world.b.environment | {"TERM": "xterm-256color", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "cp", "-r", str(folder), ":shared"],
        env=environment,
        cwd=plugged.mine,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = bytearray()
    try:
        while more := os.read(controller, 65536):
            shown += more
    except OSError:
        pass  # the terminal's other end is closed
    out, _err = process.communicate(timeout=PATIENCE)
    os.close(controller)
    text = shown.decode()
    assert process.returncode == 0, text
    assert out == b""
    assert "copied 1 file" in text
    assert "MB" in text
    assert "1/1" in text, "the bar was drawn"
    for raw in ("\x1b]0;title", "\x07", "\x1b[31m\u202e", "\u202e"):
        assert raw not in text
