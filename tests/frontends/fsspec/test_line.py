"""How the file system reaches the other side, and how that ends: in processes as people start them."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from gimmal.frontends.fsspec.file_system import GimmalFileSystem
from tests.endtoend.world import FULL, PASSWORD, Plugged, content, new_world, plug_in, until
from tests.patience import within

SEES = """
import fsspec, sys
fs = fsspec.filesystem("gimmal")
"""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugged]:
    """A world of the test's own, which is computer b."""
    with new_world() as world:
        for name, value in world.b.environment.items():
            if name.startswith(("XDG_", "GIMMAL_")):
                monkeypatch.setenv(name, value)
        plugged = plug_in(world)
        world.relay_sees(plugged.agent_a, world.a)
        (plugged.shared / "file").write_text("content")
        yield plugged


def sessions(plugged: Plugged) -> int:
    count: int = plugged.world.agent_status(plugged.world.a)["sessions"]
    return count


def connections() -> list[object]:
    """Of this process to other computers."""
    return [one for one in psutil.Process().net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]


def test_a_program_ends_at_once_and_all_it_did_is_in_the_log(own: Plugged) -> None:
    script = (
        f"{SEES}with fs.open('shared/new', 'wb') as file: file.write(b'x' * 5_000_000)\nprint(fs.ls('shared', False))"
    )
    result = own.world.run(own.world.b, driver=script)
    assert result.lines == ["['shared/file', 'shared/new']"]
    assert result.err == ""
    until(lambda: sessions(own) == 0, "the end of the session")
    assert "wrote 1 in :shared, 5 MB: new" in own.world.run(own.world.b, "log").out


def test_a_program_that_leaves_a_file_open_ends_too(own: Plugged) -> None:
    script = f"{SEES}left = fs.open('shared/left', 'wb'); left.write(b'x'); read = fs.open('shared/file'); read.read(1)"
    assert own.world.run(own.world.b, driver=script).code == 0
    until(lambda: sessions(own) == 0, "the end of the session")


def test_processes_that_are_forked_off_open_sessions_of_their_own(own: Plugged) -> None:
    script = f"""{SEES}
import multiprocessing, warnings
warnings.simplefilter("ignore")  # of threads, from Python 3.12 on
assert fs.cat_file("shared/file") == b"content"
def work(number):
    other = fsspec.filesystem("gimmal")
    other.pipe_file(f"shared/from{{number}}", b"%d" % number)
    return other is fs, other.cat_file("shared/file")
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, range(4)) == [(False, b"content")] * 4
def foreign(_number):
    try:
        fs.cat_file("shared/file")
    except RuntimeError as error:
        return str(error)
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(foreign, [0])[0])
assert fs.cat_file("shared/from3") == b"3"
"""
    result = own.world.run(own.world.b, driver=script)
    assert result.lines == ["This class is not fork-safe"]


def test_threads_share_one_session(own: Plugged) -> None:
    fs = GimmalFileSystem(skip_instance_cache=True)
    barrier = threading.Barrier(8)

    def work(number: int) -> bytes:
        barrier.wait()
        fs.pipe_file(f"shared/{number}", b"%d" % number)
        return fs.cat_file(f"shared/{number}")  # type: ignore[no-any-return]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [b"%d" % number for number in range(8)]
    assert sessions(own) == 1
    fs.close()


def test_it_goes_through_the_agent_of_the_half_where_one_runs(own: Plugged) -> None:
    world = own.world
    agent = world.up(world.b, own.mine)
    agent.wait_connected()
    fs = GimmalFileSystem(skip_instance_cache=True)
    data = content(9 << 20)
    fs.pipe_file("shared/large", data)
    assert fs.cat_file("shared/large") == data
    assert sessions(own) == 1
    with fs.open("shared/large") as file:
        file.seek(5 << 20)
        assert file.read(100) == data[5 << 20 : (5 << 20) + 100]
    agent.stop()
    # Without it the file system finds the way by itself.
    assert fs.cat_file("shared/file") == b"content"
    fs.close()


def test_a_transaction_outlives_the_agent_that_carried_it(own: Plugged) -> None:
    agent = own.world.up(own.world.b, own.mine)
    agent.wait_connected()
    fs = GimmalFileSystem(skip_instance_cache=True)
    data = content(5 << 20)
    with fs.transaction:
        for name in ("one", "two"):
            with fs.open(f"shared/{name}", "wb") as file:
                file.write(data)
        agent.stop()  # and with its session the part files
        assert not fs.exists("shared/one")
    assert fs.cat_file("shared/one") == fs.cat_file("shared/two") == data
    fs.close()


def test_the_half_is_pulled_out_and_plugged_in_again(own: Plugged) -> None:
    fs = GimmalFileSystem(skip_instance_cache=True)
    assert fs.exists("shared/file")
    opened = fs.open("shared/file")
    stick = own.world.b.half
    assert connections()
    stick.rename(stick.with_name("pulled"))
    until(lambda: not connections(), "the end of every connection")
    with pytest.raises(OSError, match="open it again"):
        opened.read(1)
    for ask in (lambda: fs.exists("shared/file"), lambda: fs.find("shared")):
        with pytest.raises(OSError, match="half") as raised:
            ask()
        assert raised.value.errno == errno.ENODEV
    stick.with_name("pulled").rename(stick)
    assert fs.cat_file("shared/file") == b"content"
    opened.close()
    fs.close()


@pytest.mark.campaign
def test_another_side_that_is_silent_is_waited_for_no_longer_than_a_call(own: Plugged) -> None:
    fs = GimmalFileSystem(skip_instance_cache=True)
    (own.shared / "large").write_bytes(content(9 << 20))
    writing = fs.open("shared/new", "wb")
    writing.write(b"x")
    reading = fs.open("shared/large")
    assert fs.isfile("shared/file")
    own.agent_a.signal(signal.SIGSTOP)

    def refused(number: int) -> float:
        asks = (
            lambda: fs.exists("shared/file"),
            lambda: fs.find("shared"),
            lambda: fs.cat_file("shared/large"),
            lambda: reading.read(10),
            writing.close,
            lambda: fs.isdir("shared"),
        )
        began = time.monotonic()
        with pytest.raises(OSError, match="other side") as raised:
            asks[number]()
        assert raised.value.errno == errno.EHOSTUNREACH
        return time.monotonic() - began

    with ThreadPoolExecutor(6) as pool:
        longest = max(pool.map(refused, range(6)))
    assert within(longest, 11.0, "fsspec: longest call while the other side is silent")
    if FULL:
        # Of many questions at once none waits for the tries of the others to reach the other side anew.
        began = time.monotonic()
        answers = fs.cat_ranges(["shared/file"] * 50, 0, 4)
        assert all(isinstance(answer, OSError) for answer in answers)
        assert within(time.monotonic() - began, 11.0, "fsspec: 50 questions while the other side cannot be reached")
    own.agent_a.signal(signal.SIGCONT)
    assert fs.cat_file("shared/file") == b"content"
    # What was asked last may still have come: whole then.
    assert not fs.exists("shared/new") or fs.cat_file("shared/new") == b"x"
    reading.close()
    fs.close()


def test_a_half_with_a_password_is_opened_by_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_world() as world:
        for name, value in world.b.environment.items():
            if name.startswith(("XDG_", "GIMMAL_")):
                monkeypatch.setenv(name, value)
        file = world.base / "password"
        file.write_text(PASSWORD + "\n")
        world.start_relay()
        world.pair("--password-file", file)
        world.relay_sees(world.up(world.a, world.a.folder("shared")), world.a)
        fs = GimmalFileSystem(password_file=file, skip_instance_cache=True)
        assert fs.ls("", detail=False) == ["shared"]
        assert PASSWORD not in fs.to_json() + repr(fs) + repr(fs.line)
        fs.close()
        without = GimmalFileSystem(skip_instance_cache=True)
        with pytest.raises(OSError, match="password"):
            without.ls("")
        without.close()


def test_which_half_is_said_by_an_option(own: Plugged, monkeypatch: pytest.MonkeyPatch) -> None:
    half = os.environ["GIMMAL_HALF"]
    monkeypatch.delenv("GIMMAL_HALF")
    named = GimmalFileSystem(half=half, at=own.agent_a.address, skip_instance_cache=True)
    assert named.ls("", detail=False) == ["shared"]
    named.close()
    for plugged, kind, words in (
        ([], OSError, "no half is plugged in .*storage option half"),
        (
            [Path("/x/GIMMAL"), Path("/y/GIMMAL")],
            ValueError,
            "several halves are plugged in: /x, /y .*storage option half",
        ),
    ):
        monkeypatch.setattr("gimmal.half.plugged.find_plugged", lambda plugged=plugged: plugged)
        fs = GimmalFileSystem(skip_instance_cache=True)
        with pytest.raises(kind, match=words):
            fs.ls("")
    with pytest.raises(OSError, match="/nowhere"):
        GimmalFileSystem(half="/nowhere", skip_instance_cache=True).ls("")


def test_a_share_to_drop_into_takes_what_is_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with new_world() as world:
        for name, value in world.b.environment.items():
            if name.startswith(("XDG_", "GIMMAL_")):
                monkeypatch.setenv(name, value)
        world.start_relay()
        world.pair()
        folder = world.a.folder("box")
        world.relay_sees(world.up(world.a, f"{folder}:drop"), world.a)
        fs = GimmalFileSystem(skip_instance_cache=True)
        (tmp_path / "source").write_bytes(content(5 << 20))
        fs.put(str(tmp_path / "source"), "box/put")
        fs.pipe_file("box/piped", b"x")
        with fs.open("box/written", "xb") as file:
            file.write(b"y")
        assert sorted(path.name for path in folder.iterdir()) == ["piped", "put", "written"]
        with pytest.raises(OSError):
            fs.pipe_file("box/piped", b"other")
        assert (folder / "piped").read_bytes() == b"x"
        assert not fs.exists("box/piped")
        with pytest.raises(PermissionError):
            fs.ls("box")
        fs.close()
