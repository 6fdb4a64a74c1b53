"""Halves that are empty, damaged, of another pair, dead, doubled, unreadable or on a read-only disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.endtoend.world import World, until
from tests.patience import within

COMMANDS = (["ls"], ["up", "--listen", "127.0.0.1:0"], ["status"], ["cp", ":shared/x", "."])


def each_command_ends(world: World, code: int, *says: str) -> None:
    """Every command that opens the half of b refuses with one clear error."""
    for words in COMMANDS:
        result = world.run(world.b, *words, code=code)
        assert any(text in result.error for text in says), str(result)
        assert "hint: " in result.err, str(result)
    (spoken,) = world.json(world.b, "ls", code=code)
    assert spoken["exit_code"] == code


@pytest.fixture
def joined(world: World) -> World:
    world.start_relay()
    world.pair()
    return world


def half_file(world: World) -> Path:
    return world.b.half / "GIMMAL" / "half.json"


def test_an_empty_folder(joined: World) -> None:
    shutil.rmtree(joined.b.half / "GIMMAL")
    each_command_ends(joined, 5, "there is no half")
    (joined.b.half / "GIMMAL").mkdir()
    each_command_ends(joined, 5, "there is no half", "damaged", "no half")


def test_a_truncated_half(joined: World) -> None:
    whole = half_file(joined).read_bytes()
    for size in (0, 1, len(whole) - 1):
        half_file(joined).write_bytes(whole[:size])
        assert joined.run(joined.b, "ls", code=5).error
    half_file(joined).write_bytes(whole[: len(whole) // 2])
    each_command_ends(joined, 5, "damaged", "cut")


def test_an_altered_half(joined: World) -> None:
    whole = half_file(joined).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 8)):
        altered = bytearray(whole)
        altered[at] ^= 1
        half_file(joined).write_bytes(altered)
        assert joined.run(joined.b, "ls", code=5).error


def test_a_half_of_a_newer_version(joined: World) -> None:
    half = json.loads(half_file(joined).read_text())
    holder = half if "version" in half else half["header"]
    holder["version"] = 99
    half_file(joined).write_text(json.dumps(half, sort_keys=True, separators=(",", ":")))
    each_command_ends(joined, 5, "newer", "version")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; see the test as another user below")
def test_a_half_that_may_not_be_read(joined: World) -> None:
    half_file(joined).chmod(0)
    each_command_ends(joined, 9, "permission denied")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_half_that_another_user_may_not_read(joined: World) -> None:
    for path in (joined.base, *joined.base.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    half_file(joined).chmod(0o600)
    # Everything is loaded first: the other user may not even read this Python.
    driver = (
        "import os, traceback, gimmal.frontends.cli.main as main, gimmal.frontends.cli.listing, gimmal.agent.reach\n"
        "import gimmal.frontends.cli.ls\n"
        "os.setgid(65534); os.setuid(65534); main.run()"
    )
    run, state = joined.base / "run-nobody", joined.base / "state-nobody"
    for folder in (run, state):
        folder.mkdir(mode=0o700)
        os.chown(folder, 65534, 65534)
    environment = {"XDG_RUNTIME_DIR": str(run), "XDG_STATE_HOME": str(state), "HOME": str(state)}
    result = joined.run(joined.b, "ls", code=None, driver=driver, environment=environment)
    assert result.code in (5, 9), str(result)
    assert "denied" in result.error or "cannot" in result.error
    assert "hint: " in result.err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a read-only disk")
def test_a_half_on_a_read_only_disk(joined: World) -> None:
    """Listing needs to write nothing; what is said must be clear either way."""
    agent = joined.up(joined.a, joined.a.folder("shared"))
    mounted = subprocess.run(["mount", "--bind", joined.b.half, joined.b.half], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("this system lets nothing be mounted")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", joined.b.half], check=True)
        result = joined.run(joined.b, "ls", code=None)
        assert result.code in (0, 5, 9), str(result)
        assert (result.lines == ["shared/"]) == (result.code == 0)
        assert result.code == 0 or "read-only" in result.error
        up = joined.up(joined.b, ready=False)
        until(lambda: "ready: " in up.out or not up.running, "an answer")
        assert up.running or "read-only" in up.wait().err
        up.stop()
    finally:
        subprocess.run(["umount", joined.b.half], check=True)
    assert agent.running


def test_two_halves_of_the_same_side(joined: World) -> None:
    """A copy of half a in the place of b: they are never the two halves of a pair."""
    agent = joined.up(joined.a, joined.a.folder("shared"))
    shutil.rmtree(joined.b.half / "GIMMAL")
    shutil.copytree(joined.a.half / "GIMMAL", joined.b.half / "GIMMAL")
    result = joined.run(joined.b, "ls", code=7)
    assert result.error
    result = joined.run(joined.b, "ls", "--at", agent.address, code=7)
    assert "did not answer" in result.error
    assert "hint: " in result.err


def test_a_half_of_another_pair(joined: World, tmp_path: Path) -> None:
    agent = joined.up(joined.a, joined.a.folder("shared"))
    shutil.rmtree(joined.b.half / "GIMMAL")
    (tmp_path / "other").mkdir()
    relay = joined.relay
    assert relay is not None
    words = ["pair", tmp_path / "other", joined.b.half, "--name", "Other", "--no-password", "--relay", relay.url]
    joined.run(joined.b, *words)
    result = joined.run(joined.b, "ls", "--at", agent.address, code=7)
    assert "did not answer" in result.error
    result = joined.run(joined.b, "ls", code=7)
    assert "not connected" in result.error


@pytest.mark.parametrize("how", ["relay", "--at"])
def test_a_half_of_an_older_generation_is_dead(joined: World, how: str) -> None:
    """Joined again, the old copy of the travelling half gets not a byte from the other side."""
    old = joined.base / "old"
    shutil.copytree(joined.b.half / "GIMMAL", old / "GIMMAL")
    result = joined.pair()
    assert "generation: 2" in result.out or '"generation":2' in result.out or "2" in result.out
    agent = joined.up(joined.a, joined.a.folder("shared"))
    joined.relay_sees(agent, joined.a)
    words = ["--at", agent.address] if how == "--at" else []
    dead = joined.run(joined.b, "ls", "--half", old, *words, code=7)
    assert "joined again" in dead.err
    assert "dead" in dead.err
    assert not dead.out
    assert joined.run(joined.b, "ls", *words).lines == ["shared/"]


def test_the_relay_is_absent(world: World) -> None:
    relay = world.start_relay()
    world.pair()
    assert relay.stop().code == 0
    result = world.run(world.b, "ls", code=7)
    assert str(relay.port) in result.error
    assert "hint: " in result.err
    assert within(result.seconds, 5)
    # An agent stays up without its relay, and is found when the relay comes back.
    agent = world.up(world.a, world.a.folder("shared"))
    assert world.run(world.b, "ls", "--at", agent.address).lines == ["shared/"]
    (known,) = world.agent_status(world.a)["relays"]
    assert known["connected"] is False
    assert known["failure"]
    world.restart_relay()
    until(lambda: world.run(world.b, "ls", code=None).lines == ["shared/"], "the relay is found again")


def test_the_relay_has_another_key_than_the_url_pins(world: World) -> None:
    relay = world.start_relay()
    world.pair()
    assert relay.stop().code == 0
    impostor = world.start_relay(port=relay.port, state="impostor")
    assert impostor.url != relay.url
    result = world.run(world.b, "ls", code=7)
    assert "key" in result.error
    assert "hint: " in result.err
    agent = world.up(world.a, world.a.folder("shared"))

    def told() -> bool:
        return "key" in str(world.agent_status(world.a)["relays"][0]["failure"])

    until(told, "the agent names it too")
    assert agent.running


def test_a_second_relay_takes_over(world: World) -> None:
    first = world.start_relay(state="first")
    second = world.start_relay(state="second")
    world.pair("--relay", first.url)
    agent = world.up(world.a, world.a.folder("shared"), listen=None)
    world.relay_sees(agent, world.a)
    assert world.run(world.b, "ls").lines == ["shared/"]
    for relay in (first, second):
        relay.stop()
        other = second if relay is first else first
        if other.running:
            assert world.run(world.b, "ls").lines == ["shared/"]


def test_the_other_side_is_not_plugged_in(joined: World) -> None:
    never = joined.run(joined.b, "ls", code=7)
    assert "never seen" in never.error
    agent = joined.up(joined.a, joined.a.folder("shared"))
    joined.relay_sees(agent, joined.a)
    agent.stop()
    later = joined.run(joined.b, "ls", code=7)
    assert re.search(r"last seen (20..-..-.. )?[0-9][0-9]:[0-9][0-9]\)", later.error)
    assert "hint: " in later.err
    assert within(later.seconds, 5)
    (spoken,) = joined.json(joined.b, "ls", code=7)
    assert spoken["exit_code"] == 7
    # A copy waits as long as it is told to.
    waited = joined.run(joined.b, "cp", "--wait", "4", ":shared/x", ".", code=7)
    assert waited.seconds >= 4
    assert within(waited.seconds, 8)
    assert "waiting for the other side" in waited.err
    copy = joined.start(joined.b, "cp", ":shared/x", ".")
    copy.wait_line("waiting for the other side", of_err=True)
    (joined.a.folder("shared") / "x").write_bytes(b"x")
    joined.up(joined.a, joined.a.folder("shared"))
    assert copy.wait().code == 0
