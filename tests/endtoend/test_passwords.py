"""Halves with a password: from the terminal, a file, a descriptor; wrong ones."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endtoend.world import PASSWORD, RUN, Plugged, World, new_world
from tests.patience import PATIENCE

WRONG = "tram violet kettle orbits"


@pytest.fixture(scope="module")
def sealed() -> Iterator[Plugged]:
    """The travelling half, b, has a password; a has none."""
    with new_world() as world:
        world.start_relay()
        file = world.base / "password"
        file.write_text(PASSWORD + "\n")
        (world.base / "wrong").write_text(WRONG)
        world.pair("--password-file", file)
        yield Plugged(world, world.up(world.a, world.a.folder("shared")), None, world.a.disk, world.b.disk)


def test_the_right_password_from_a_file(sealed: Plugged) -> None:
    world = sealed.world
    assert world.run(world.b, "ls", "--password-file", world.base / "password").lines == ["shared/"]
    assert world.run(world.b, "ls", "--password-file", "-", stdin=PASSWORD.encode()).lines == ["shared/"]


def test_the_right_password_from_a_descriptor(sealed: Plugged) -> None:
    world = sealed.world
    reader, writer = os.pipe()
    os.write(writer, PASSWORD.encode())
    os.close(writer)
    result = world.run(world.b, "ls", "--password-fd", str(reader), pass_fds=[reader])
    os.close(reader)
    assert result.lines == ["shared/"]


def test_a_wrong_one_none_and_an_unreadable_one(sealed: Plugged) -> None:
    world = sealed.world
    wrong = world.run(world.b, "ls", "--password-file", world.base / "wrong", code=6)
    assert wrong.error
    assert WRONG not in wrong.err
    none = world.run(world.b, "ls", code=6)
    assert "--password" in none.err
    assert world.run(world.b, "ls", "--password-file", world.base / "missing", code=9).error
    assert world.run(world.b, "ls", "--password-fd", "77", code=9).error
    up = world.run(world.b, "up", "--password-file", world.base / "wrong", code=6)
    assert up.error == wrong.error
    assert world.run(world.b, "cp", ":shared/x", ".", "--password-file", world.base / "wrong", code=6).error
    (spoken,) = world.json(world.b, "ls", "--password-file", world.base / "wrong", code=6)
    assert spoken["exit_code"] == 6


def test_beside_an_agent_no_password_is_asked(sealed: Plugged) -> None:
    world = sealed.world
    agent = world.up(world.b, more=["--password-file", world.base / "password"])
    agent.wait_connected()
    assert world.run(world.b, "ls").lines == ["shared/"]
    assert agent.stop().code == 0


def on_terminal(world: World, words: list[str | Path], typed: list[str]) -> tuple[int, str, bytes]:
    """Run a command whose input and talk are a terminal; types a line whenever a prompt waits."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *map(os.fspath, words)],
        env=world.b.environment,
        cwd=world.b.disk,
        stdin=terminal,
        stderr=terminal,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(terminal)
    shown = bytearray()
    waiting = list(typed)
    until = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < until:
            if not select.select([controller], [], [], 0.1)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                more = os.read(controller, 4096)
            except OSError:
                break
            if not more:
                break
            shown += more
            if shown.endswith(b": ") and waiting:
                os.write(controller, waiting.pop(0).encode() + b"\n")
        out, _err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    return process.returncode, shown.decode(), out


def test_asked_on_the_terminal(sealed: Plugged) -> None:
    code, shown, out = on_terminal(sealed.world, ["ls"], [PASSWORD])
    assert (code, out) == (0, b"shared/\n")
    assert PASSWORD not in shown
    assert shown.count("password of this half: ") == 1
    code, shown, out = on_terminal(sealed.world, ["ls"], [WRONG])
    assert (code, out) == (6, b"")
    assert shown.count("error: ") == 1


def test_pairing_with_a_password_typed_on_a_terminal(world: World) -> None:
    """Default: the travelling half, b, gets it; asked twice, never shown."""
    code, shown, out = on_terminal(world, ["pair", world.a.half, world.b.half, "--name", "X"], [PASSWORD, PASSWORD])
    assert code == 0, shown
    assert PASSWORD not in shown
    assert b"disable code: " in out
    assert "password: yes" in world.run(world.b, "half", world.b.half).out
    assert "password: no" in world.run(world.b, "half", world.a.half).out
