"""Exit codes: the contract of the command line, class by class and as real commands end with them."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator

import pytest

from gimmal.base import errors
from gimmal.base.errors import ExitCode
from gimmal.frontends.cli.output import report_error, want_json
from tests.endtoend.world import PASSWORD, RUN, Plugged, new_world, write_file

CODES = {
    errors.InternalError: 1,
    errors.UsageError: 2,
    errors.PartlyDone: 3,
    errors.RemoteError: 4,
    errors.BadName: 4,
    errors.HalfMissing: 5,
    errors.HalfDamaged: 5,
    errors.HalfUnsupported: 5,
    errors.JoinAgain: 5,
    errors.PairRefused: 5,
    errors.HalfInUse: 5,
    errors.HalfGone: 5,
    errors.WrongPassword: 6,
    errors.RelayError: 7,
    errors.PeerAbsent: 7,
    errors.PeerSilent: 7,
    errors.DeadlinePassed: 7,
    errors.Interrupted: 8,
    errors.LocalError: 9,
    errors.AuthenticationFailed: 10,
    errors.ProtocolViolation: 10,
    errors.VersionMismatch: 10,
    errors.HalfDisabled: 11,
}


def test_every_class_has_its_code() -> None:
    assert {kind: int(kind.exit_code) for kind in CODES} == CODES
    assert set(CODES.values()) | {0} == {int(code) for code in ExitCode}


def test_an_error_is_printed_as_error_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    want_json(False)
    assert report_error(errors.LocalError("the disk is full", "make room")) == 9
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: the disk is full\nhint: make room\n"


def test_an_error_is_printed_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    want_json(True)
    try:
        assert report_error(errors.PartlyDone("1 of 2 failed", "look above", (("name", "reason"),))) == 3
    finally:
        want_json(False)
    assert json.loads(capsys.readouterr().out) == {
        "error": "1 of 2 failed",
        "hint": "look above",
        "exit_code": 3,
        "failures": [{"name": "name", "reason": "reason"}],
    }


@pytest.fixture(scope="module")
def plugged() -> Iterator[Plugged]:
    with new_world() as world:
        password = world.base / "password"
        password.write_text(PASSWORD)
        world.pair("--password-file", password, relay=False)
        shared, mine = world.a.folder("shared"), world.b.folder("mine")
        write_file(shared / "x", 10)
        (shared / "tree").mkdir()
        write_file(shared / "tree" / "y", 10)
        os.mkfifo(shared / "tree" / "pipe")  # neither a file nor a folder: left out, and said
        yield Plugged(world, world.up(world.a, shared), None, shared, mine)


def test_each_code_as_a_command_ends_with_it(plugged: Plugged) -> None:
    world = plugged.world
    way = ["--at", plugged.agent_a.address, "--password-file", world.base / "password"]
    b = world.b

    assert world.run(b, "ls", *way, ":shared", code=0).err == ""
    for words in (["--help"], ["ls", "--help"], ["--version"]):
        assert world.run(b, *words, code=0).out
    world.run(b, code=2)
    for words in (["no-such-command"], ["ls", "--no-such-option"], ["ls", "--at", "nonsense"], ["cp", ":shared/x"]):
        result = world.run(b, *words, code=2)
        assert result.error
        assert result.error[0].islower() or not result.error[0].isalpha()
    assert world.run(b, "cp", "-r", *way, ":shared/tree", "tree", code=3).error
    assert world.run(b, "cat", *way, ":shared/missing", code=4).error
    assert world.run(b, "ls", "--half", b.folder("empty"), code=5).error
    (world.base / "wrong").write_text("wrong wrong wrong")
    wrong = ["--at", plugged.agent_a.address, "--password-file", world.base / "wrong"]
    assert world.run(b, "ls", *wrong, code=6).error
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert world.run(b, "ls", "--at", f"127.0.0.1:{port}", *way[2:], code=7).error
    assert world.run(b, "cp", *way, "missing", ":shared", code=9).error
    broken = "import gimmal.protocol.limits as limits; limits.PROTOCOL_VERSION = 2\n" + RUN
    assert world.run(b, "ls", *way, code=10, driver=broken).error


def test_a_mistake_of_its_own_is_owned(plugged: Plugged) -> None:
    world = plugged.world
    driver = "import gimmal.half.plugged as plugged\ndel plugged.choose_half\n" + RUN
    process = world.start(world.b, "ls", driver=driver)
    result = process.wait()
    world.processes.remove(process)
    for stream in (process.popen.stdout, process.popen.stderr):
        stream.close()
    assert result.code == 1
    assert "Traceback" in result.err
    assert result.error == "gimmal failed by a mistake of its own"


def test_a_disabled_half(plugged: Plugged) -> None:
    """What is left of a disabled half tells so, with a code of its own."""
    world = plugged.world
    kept = world.base / "disabled"
    shutil.copytree(world.a.half / "GIMMAL", kept / "GIMMAL")
    header = json.loads((kept / "GIMMAL" / "half.json").read_text())["header"]
    note = {
        "format": "gimmal disabled half",
        "generation": header["generation"],
        "pair_id": header["pair_id"],
        "pair_name": header["pair_name"],
        "side": header["side"],
        "version": 1,
    }
    for path in (kept / "GIMMAL").iterdir():
        path.unlink()
    (kept / "GIMMAL" / "disabled.json").write_text(json.dumps(note, sort_keys=True, separators=(",", ":")))
    assert world.run(world.b, "ls", "--half", kept, code=11).error


def test_a_broken_connection_inside_is_never_taken_for_a_reader_that_left(plugged: Plugged) -> None:
    world = plugged.world
    driver = (
        "import gimmal.agent.reach as reach\n"
        "async def broken(self, deadline=0): raise BrokenPipeError(32, 'Broken pipe')\n"
        "reach.Reach.open = broken\n" + RUN
    )
    process = world.start(world.b, "ls", driver=driver)
    result = process.wait()
    world.processes.remove(process)
    for stream in (process.popen.stdout, process.popen.stderr):
        stream.close()
    assert result.code == 1
    assert result.error
