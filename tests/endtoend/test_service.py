"""``gimmal service``: halves are served by themselves, one process each, from plugging in to pulling out."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gimmal.agent.plugged import computer_name
from tests.agent.service.desktop import Desktop, session_bus
from tests.endtoend.processes import Process
from tests.endtoend.services import OWN_MOUNTS, halves, start_service
from tests.endtoend.world import PASSWORD, RUN, World, until
from tests.figures import figure
from tests.patience import PATIENCE, within

IDLE_MEMORY = 60 << 20


@pytest.fixture
def paired(world: World) -> World:
    world.start_relay()
    world.pair()
    world.run(world.a, "shares", "add", world.a.folder("shared"))
    (world.a.disk / "shared" / "file").touch()
    return world


def ended(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


def test_plugged_in_served_and_pulled_out(paired: World) -> None:
    world = paired
    away = world.a.base / "pocket"
    world.a.half.rename(away)
    service = start_service(world, world.a, world.a.half)
    assert halves(world, world.a) == []
    away.rename(world.a.half)
    service.wait_state(world.a.half, "serving")
    assert world.run(world.b, "ls", ":shared").lines == ["file"]
    (half,) = halves(world, world.a)
    assert (half["half"], half["pair"], half["side"], half["state"]) == (
        f"{world.a.half}/GIMMAL",
        "Home",
        "a",
        "serving",
    )
    assert abs(half["since"] - time.time()) < 2 * PATIENCE
    child = half["process"]
    assert child not in (None, service.pid)
    other = world.up(world.b, world.b.folder("mine"))
    assert other.wait_connected() in ("direct", "relayed"), "it begins on what answers first"
    assert other.wait_line("connected: the other side on ").startswith(f"{computer_name()}, ")
    until(lambda: halves(world, world.a)[0]["connected"], "the service knows that the other side is there")
    assert "serving, the other side is connected" in world.run(world.a, "service", "status").out
    # Pulled out: the process with the keys ends, its socket is gone, the other side knows. Then in again.
    sockets = set(world.a.runtime.glob("half-*.sock"))
    assert len(sockets) == 1
    world.a.half.rename(away)
    pulled = time.monotonic()
    other.wait_line("disconnected: the other half was unplugged")
    assert within(time.monotonic() - pulled, 1.0, "pulled under the service, to peer informed")
    until(lambda: ended(child), "the process with the keys has ended")
    assert within(time.monotonic() - pulled, 1.0, "pulled under the service, to process ended")
    assert not set(world.a.runtime.glob("half-*.sock"))
    service.wait_state(world.a.half, "gone")
    assert not service.count_lines(f"half: {world.a.half}/GIMMAL: starting again soon"), "nothing failed"
    away.rename(world.a.half)
    other.wait_connected(after=1)
    assert world.run(world.b, "ls", ":shared").lines == ["file"]
    result = service.stop()
    assert result.code == 0
    assert result.lines[-1] == "stopped: every agent has ended"
    assert not list(world.a.runtime.glob("*.sock"))
    for word in ("Home", "shared", "connected"):
        assert word not in result.out + result.err, "what is printed stays in the log of a guest's system"


def test_two_pairs_at_once(paired: World) -> None:
    world = paired
    assert world.relay is not None
    sticks = [world.a.folder("stick1"), world.b.folder("stick2")]
    world.run(world.a, "pair", *sticks, "--name", "Work", "--relay", world.relay.url, "--no-password")
    world.run(world.a, "shares", "add", world.a.folder("work"), "--half", sticks[0])
    service = start_service(world, world.a, world.a.half, sticks[0])
    service.wait_state(world.a.half, "serving")
    service.wait_state(sticks[0], "serving")
    assert world.run(world.b, "ls").lines == ["shared/"]
    assert world.run(world.b, "ls", "--half", sticks[1]).lines == ["work/"]
    assert len({half["process"] for half in halves(world, world.a)}) == 2
    sticks[0].rename(world.a.disk / "gone")
    service.wait_state(sticks[0], "gone")
    assert world.run(world.b, "ls").lines == ["shared/"], "the other pair does not notice"


def test_a_child_that_crashes_is_started_again(paired: World) -> None:
    world = paired
    service = start_service(world, world.a, world.a.half)
    service.wait_state(world.a.half, "serving")
    child = halves(world, world.a)[0]["process"]
    os.kill(child, signal.SIGKILL)
    service.wait_state(world.a.half, "starting again soon")
    service.wait_state(world.a.half, "serving", after=1)
    assert halves(world, world.a)[0]["process"] != child
    assert world.run(world.b, "ls", ":shared").lines == ["file"]


def test_what_keeps_a_half_from_being_served_is_said(paired: World) -> None:
    world = paired
    by_hand = world.up(world.a)
    service = start_service(world, world.a, world.a.half)
    service.wait_state(world.a.half, "starting again soon")
    (half,) = halves(world, world.a)
    assert "another program" in half["reason"]
    assert "error: another program" in world.run(world.a, "service", "status").out
    by_hand.stop()
    service.wait_state(world.a.half, "serving")
    assert halves(world, world.a)[0]["reason"] == ""


def test_a_damaged_half_is_refused_and_served_once_it_is_whole(paired: World) -> None:
    world = paired
    file = world.a.half / "GIMMAL" / "half.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:200])
    service = start_service(world, world.a, world.a.half)
    service.wait_state(world.a.half, "cannot be served")
    assert halves(world, world.a)[0]["reason"]
    file.write_bytes(whole)
    service.wait_state(world.a.half, "serving")


def test_the_password_goes_to_the_child_alone(world: World) -> None:
    secret = world.a.base / "password"
    secret.write_text(PASSWORD)
    world.start_relay()
    world.pair("--password-file", secret, "--password-for", "a")
    world.run(world.a, "shares", "add", world.a.folder("shared"), "--password-file", secret)
    service = start_service(world, world.a, world.a.half)
    service.wait_state(world.a.half, "waiting for its password")
    hint = f"      waiting for its password: gimmal unlock --half {world.a.half}"
    assert world.run(world.a, "service", "status").lines[-1] == hint
    # Without one, with a wrong one, with the right one.
    assert world.run(world.a, "unlock", code=6).error == "this half has a password"
    wrong = world.a.base / "wrong"
    wrong.write_text("another kettle entirely")
    assert "password" in world.run(world.a, "unlock", "--password-file", wrong, code=6).error
    assert halves(world, world.a)[0]["state"] == "locked"
    assert world.run(world.a, "unlock", "--password-file", secret).lines == [f"served: {world.a.half}/GIMMAL"]
    assert world.run(world.b, "ls").lines == ["shared/"]
    child = halves(world, world.a)[0]["process"]
    for process in (service.pid, child):
        for name in ("cmdline", "environ"):
            assert PASSWORD.encode() not in Path(f"/proc/{process}/{name}").read_bytes()
    if os.geteuid() == 0:
        memory = memory_of(service.pid)
        assert os.fsencode(world.a.half) in memory, "it was read"
        assert PASSWORD.encode() not in memory, "the service hands it on unread"
    # Served already: no question, no failure. After a crash nobody has it any more.
    world.run(world.a, "unlock", "--password-file", secret)
    # How often it was said so far is not fixed: a child that meets a wrong password may be over between two looks.
    said = service.count_lines(f"half: {world.a.half}/GIMMAL: waiting for its password")
    os.kill(child, signal.SIGKILL)
    service.wait_state(world.a.half, "waiting for its password", after=said)
    world.run(world.a, "unlock", "--password-file", secret)
    assert halves(world, world.a)[0]["state"] == "serving"


def memory_of(process: int) -> bytes:
    """What is in the memory of a process that it may write to."""
    found = bytearray()
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as memory:
        for line in maps:
            area, rights = line.split()[:2]
            if rights.startswith("rw"):
                begin, end = (int(number, 16) for number in area.split("-"))
                memory.seek(begin)
                try:
                    found += memory.read(end - begin)
                except OSError:
                    continue
    return bytes(found)


def test_commands_without_a_service_say_so(world: World) -> None:
    world.pair(relay=False)
    assert world.run(world.a, "unlock", code=9).error == "no service runs for this user"
    result = world.run(world.a, "service", "status", code=9)
    assert result.lines == ["service: not installed, not running"]
    (value, error) = world.run(world.a, "service", "status", "--json", code=9).objects
    assert value == {"installed": False, "running": False, "process": None, "halves": []}
    assert error["exit_code"] == 9


def test_unlock_of_a_half_that_the_service_does_not_see(world: World) -> None:
    world.pair(relay=False)
    start_service(world, world.a)
    result = world.run(world.a, "unlock", code=5)
    assert result.error == "the service does not see this half"


def test_a_runtime_folder_with_too_long_a_path_is_named_and_what_to_do(world: World) -> None:
    world.pair(relay=False)
    deep = world.a.base / ("d" * 100)
    deep.mkdir(mode=0o700)
    environment = {"XDG_RUNTIME_DIR": str(deep)}
    for words in (("up",), ("service", "run")):
        result = world.run(world.a, *words, environment=environment, code=9)
        assert result.error.startswith(f"cannot make the socket {deep}/gimmal/")
        assert result.error.endswith(": its path is too long")
        assert "XDG_RUNTIME_DIR" in result.err
    assert world.run(world.a, "unlock", environment=environment, code=9).error == "no service runs for this user"
    assert world.run(world.a, "unplug", environment=environment).lines == ["unplugged: no agent served it"]


def test_a_service_that_does_not_answer_is_not_waited_for_without_end(world: World) -> None:
    service = start_service(world, world.a)
    service.signal(signal.SIGSTOP)
    driver = "from gimmal.agent.service import asking; asking._SECONDS = 0.2\n"
    result = world.run(world.a, "service", "status", code=9, driver=driver + RUN)
    assert result.error == "the service on this computer did not answer"
    assert "hint: start it anew: gimmal service install" in result.err
    assert service.stop().code == 0


def test_one_service_for_a_user(world: World) -> None:
    start_service(world, world.a)
    assert world.run(world.a, "service", "run", code=9).error == "the service runs already for this user"


def test_children_end_with_a_service_that_is_killed(paired: World) -> None:
    world = paired
    service = start_service(world, world.a, world.a.half)
    service.wait_state(world.a.half, "serving")
    child = halves(world, world.a)[0]["process"]
    service.kill()
    until(lambda: ended(child), "the child has ended by itself")
    again = start_service(world, world.a, world.a.half)
    again.wait_state(world.a.half, "serving")


def test_the_idle_service_is_small(world: World) -> None:
    service = start_service(world, world.a, world.a.half)
    looks = 20
    before = times_of(service)
    threading.Event().wait(looks)  # measures, and waits for nothing
    used = (times_of(service) - before) / looks
    memory = service.memory()
    figure("idle service: resident bytes", memory, f"<= {IDLE_MEMORY}")
    figure("idle service: share of a core", round(used, 5), "<= 0.002")
    assert memory <= IDLE_MEMORY
    assert used <= 0.02


def times_of(process: Process) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_json_events(paired: World) -> None:
    world = paired
    service = world.start(
        world.a, "service", "run", "--json", "--no-notify", "--half", world.a.half, driver=OWN_MOUNTS + RUN
    )
    until(lambda: "serving" in service.out, "served")
    events = service.stop().events
    assert events[0] == {"event": "half", "text": f"{world.a.half}/GIMMAL: starting"}
    assert {"event": "ready", "text": "the service looks for halves"} in events
    assert events[-1] == {"event": "stopped", "text": "every agent has ended"}


def test_it_goes_on_when_nobody_reads_what_it_says(paired: World) -> None:
    world = paired
    reading, writing = os.pipe()
    words = [sys.executable, "-c", OWN_MOUNTS + RUN, "service", "run", "--no-notify", "--half", str(world.a.half)]
    with subprocess.Popen(words, env=world.a.environment, stdout=writing, cwd=world.a.disk) as service:
        try:
            os.close(writing)
            os.read(reading, 1)
            os.close(reading)
            until(lambda: [half["state"] for half in halves(world, world.a)] == ["serving"], "served")
        finally:
            service.terminate()
        assert service.wait(PATIENCE) == 0


def test_the_desktop_hears_of_use_once(paired: World) -> None:
    world = paired
    with session_bus(world.base) as address:
        desktop = Desktop(address)
        desktop.begin()
        service = start_service(
            world, world.a, world.a.half, notify=True, environment={"DBUS_SESSION_BUS_ADDRESS": address}
        )
        service.wait_state(world.a.half, "serving")
        assert world.run(world.b, "ls").lines == ["shared/"]
        desktop.join(PATIENCE)
    assert desktop.taken[3] == "Home: the other half is in use"
    assert "by a command of the other side" in desktop.taken[4]


def test_the_manager_hears_that_it_is_ready_and_from_nobody_else(paired: World) -> None:
    world = paired
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.bind(str(world.base / "notify"))
        manager.settimeout(PATIENCE)
        service = start_service(world, world.a, world.a.half, environment={"NOTIFY_SOCKET": str(world.base / "notify")})
        heard, senders = set(), set()

        def hear() -> None:
            text, credentials, _flags, _address = manager.recvmsg(1000, 1000)
            heard.add(text)
            senders.add(struct.unpack("3i", credentials[0][2])[0])

        while {b"READY=1", b"STATUS=halves: 1, served: 1"} - heard:
            hear()
        service.stop()
        while b"STOPPING=1" not in heard:
            hear()
        assert senders == {service.pid}


def test_install_prints_what_each_system_would_be_given(world: World) -> None:
    for manager, mark in (("systemd", "ExecStart="), ("launchd", "ProgramArguments"), ("windows", "<Exec>")):
        shown = world.run(
            world.a, "service", "install", "--print", "--manager", manager, "--half", "/h", "--no-notify"
        ).out
        assert mark in shown
        for word in (sys.executable, "/h", "--no-notify"):
            assert word in shown
    strict = {"PYTHONIOENCODING": "utf-8:strict"}
    shown = world.run(world.a, "service", "install", "--print", "--half", "/\udcff", environment=strict).out
    assert '"/\udcff"' in shown
    assert not (world.a.base / "home" / ".config").exists()
    assert world.run(world.a, "service", "install", "--manager", "launchd", code=2).error


def test_installed_without_starting_and_removed(world: World) -> None:
    unit = world.a.base / "home" / ".config" / "systemd" / "user" / "gimmal.service"
    result = world.run(world.a, "service", "install", "--no-start")
    assert result.lines == [f"installed: {unit}"]
    assert "gimmal.frontends.cli.main" in unit.read_text()
    assert world.run(world.a, "service", "status", code=9).lines == ["service: installed, not running"]
    world.run(world.a, "service", "remove")
    assert not unit.exists()


def test_a_system_that_does_not_start_it_is_quoted(world: World) -> None:
    result = world.run(world.a, "service", "install", code=9)
    assert result.error.startswith("the service is installed but not started: ")
