"""No secret in arguments, environment, logs, tracebacks, or what is kept on the computer."""

from __future__ import annotations

import base64
from pathlib import Path

from gimmal.half.reading import open_half
from tests.endtoend.processes import Process
from tests.endtoend.test_relay_recorder import secrets_of
from tests.endtoend.world import PASSWORD, RUN, World, write_file
from tests.figures import figure

MIB = 1 << 20

# A bug in the midst of a command: the traceback is printed, as it would be.
BROKEN = (
    """
from gimmal.remote import remote_files
def fail(self, *arguments, **named):
    half_key = self.session.keys
    raise RuntimeError("a bug")
remote_files.RemoteFiles.ask = fail
"""
    + RUN
)


def visible(process: Process) -> bytes:
    """What every user of the computer may see of a process."""
    return b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm"))


def forms(secret: bytes) -> list[bytes]:
    found = [secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"="), repr(secret)[2:-1].encode()]
    return [*found, secret.hex(" ").encode(), secret.hex().upper().encode()]


def test_no_secret_is_shown_logged_or_left_behind(world: World) -> None:
    world.start_relay("--log-level", "debug")
    password = world.base / "password"
    password.write_text(PASSWORD)
    paired = world.pair("--password-file", password, "--password-for", "b")
    code = next(line for line in paired.lines if line.startswith("disable code: ")).split()[-1]
    shared = world.a.folder("shared")
    write_file(shared / "secret-name" / "large", 100 * MIB)
    given = ["--password-file", password]
    agent_a = world.up(world.a, shared, more=["--verbose"])
    agent_b = world.up(world.b, world.b.folder("mine"), more=["--verbose", *given])
    agent_b.wait_connected()
    seen = bytearray()
    for words in (["ls", ":shared"], ["cp", "-r", ":shared/secret-name", "."], ["ls", "--path", "relayed", *given]):
        process = world.start(world.b, *words)
        seen += visible(process) if process.running else b""
        result = process.wait()
        assert result.code == 0, str(result)
        seen += result.err_bytes
    broken = world.start(world.b, "ls", *given, "--path", "direct", driver=BROKEN)
    traceback = broken.wait()
    assert traceback.code == 1
    assert "RuntimeError: a bug" in traceback.err
    broken.popen.stdout.close() if broken.popen.stdout else None
    seen += traceback.err_bytes
    world.processes.remove(broken)
    wrong = world.base / "wrong"
    wrong.write_text(PASSWORD + "x")
    seen += world.run(world.b, "ls", "--path", "direct", "--password-file", wrong, code=6).err_bytes
    for process in (agent_a, agent_b, world.relay):
        assert process is not None
        seen += visible(process)
        assert process.stop().code == 0
        seen += (process.out + process.err).encode()
    # What stays on the computers, apart from the halves and what the person copied.
    for computer in (world.a, world.b):
        for folder in ("home", "run", "state"):
            for path in (computer.base / folder).rglob("*"):
                seen += str(path).encode()
                if path.is_file():
                    seen += path.read_bytes()
    secrets = {
        "password": PASSWORD.encode(),
        "disable code": code.encode(),
        "plain code": code.replace("-", "").encode(),
    }
    for computer in (world.a, world.b):
        half = open_half(computer.half, lambda: PASSWORD)
        secrets |= {f"{name} of {computer.side}": secret for name, secret in secrets_of(half).items()}
    found = [name for name, secret in secrets.items() if any(form in seen for form in forms(secret))]
    figure(f"secrets (of {len(secrets)}) seen in {len(seen):,} bytes of processes, logs and state", len(found), "0")
    assert found == []
    # A name of a file is no key, but none of the other side's is left on this computer either.
    left = b"".join(path.read_bytes() for path in world.b.state.rglob("*") if path.is_file())
    assert b"secret-name" not in left


def test_what_is_kept_on_the_computer_is_owner_only(world: World) -> None:
    world.start_relay()
    world.pair()
    shared = world.a.folder("shared")
    write_file(shared / "large", 200 * MIB)
    world.up(world.a, shared)
    copy = world.start(world.b, "cp", ":shared/large", ".")
    from tests.endtoend.test_interruptions import reaches

    assert reaches(world.b.disk, 20 * MIB, copy)
    (part,) = world.b.disk.glob(".gimmal-part-*")
    assert part.stat().st_mode & 0o077 == 0, "an unfinished file is the owner's alone"
    copy.kill()
    for computer in (world.a, world.b):
        for folder in ("run", "state"):
            for path in (computer.base / folder / "gimmal").rglob("*"):
                assert path.stat().st_mode & 0o077 == 0, path
    for computer in (world.a, world.b):
        for path in (computer.half / "GIMMAL").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
