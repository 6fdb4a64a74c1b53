"""``gimmal dav`` as a person uses it: rclone, davfs2 and curl as clients, a line that is cut, and its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from gimmal.frontends.dav.login import Login
from gimmal.frontends.dav.side import ASKED_SECONDS
from tests.endtoend.conftest import Desk
from tests.endtoend.processes import Process
from tests.endtoend.world import FULL, RUN, Plugged, content, until, write_file
from tests.frontends.dav.drive import Client, login_of
from tests.patience import PATIENCE, within

SIZE = 9_000_003

HURRIED = f"from gimmal.frontends.dav import side; side.CALL_SECONDS = 2.0\n{RUN}"
"""A drive that waits less for an answer before it takes the line for down."""


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [one for one in programs if shutil.which(one, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    return pytest.mark.skipif(bool(missing), reason=f"without {', '.join(missing)} (scripts/dav.sh)")


@contextmanager
def running(desk: Desk, *words: str, driver: str = RUN) -> Iterator[tuple[Process, Client]]:
    process = desk.start("dav", *words, driver=driver)
    client = Client(*login_of(process))
    with contextlib.closing(client):
        yield process, client
    if process.running:
        end(process)


def end(process: Process, number: int = signal.SIGINT) -> None:
    process.popen.send_signal(number)
    assert process.wait(60).code == 0


def run(*words: str | Path, code: int = 0, environment: dict[str, str] | None = None, given: str = "") -> str:
    result = subprocess.run(
        words,
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | (environment or {}),
        check=False,
    )
    assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_lasts_until_it_is_ended_and_its_port_can_be_chosen(desk: Desk, number: int) -> None:
    write_file(desk.far / "file", 1000)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(desk, "--port", str(port)) as (process, client):
        assert client.url == f"http://127.0.0.1:{port}/"
        assert client.ask("GET", f"/shared/{desk.far.name}/file").body == content(1000)
        taken = desk.run("dav", "--port", str(port), code=9)
        assert taken.error == f"port {port} of this computer cannot be had"
        end(process, number)
        with pytest.raises(ConnectionError):
            client.ask("GET", "/")
    secret = client.login.password
    assert secret not in Path(f"/proc/{os.getpid()}/cmdline").read_text()
    assert "password" not in process.wait(60).err


def test_it_works_through_the_agent_and_prints_json(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "file", 1000)
    agent = world.up(world.b, plugged.mine)
    process: Process = world.start(world.b, "dav", "--json")
    rest = process.wait_line('{"event":"dav",')
    url, user, password = (rest.split(f'"{name}":"')[1].split('"')[0] for name in ("url", "user", "password"))
    client = Client(url, Login(user, password))
    with contextlib.closing(client):
        assert client.ask("GET", "/shared/file").body == content(1000)
        assert client.ask("PUT", "/shared/new", content(SIZE)).status == 201
    assert (plugged.shared / "new").read_bytes() == content(SIZE)
    assert agent.running
    end(process)


def test_pulling_the_half_ends_it_within_a_second(plugged: Plugged) -> None:
    world = plugged.world
    with (plugged.shared / "film.mkv").open("wb") as film:
        film.truncate(1 << 30)
    desk = Desk(plugged, plugged.shared, plugged.mine)
    with running(desk) as (process, client), socket.create_connection((client.host, client.port), PATIENCE) as reader:
        head = f"GET /shared/film.mkv HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n"
        reader.sendall(f"{head}Authorization: Basic {client.secret}\r\n\r\n".encode())
        assert reader.recv(1000).startswith(b"HTTP/1.1 200 OK")
        began = time.monotonic()
        world.b.half.rename(world.b.half.with_name("pulled"))
        result = process.wait(60)
        assert within(time.monotonic() - began, 1.0, "dav: seconds from the pulled half to the end")
        assert (result.code, result.error) == (5, "the half was pulled out")
        with contextlib.suppress(ConnectionError):
            while reader.recv(1 << 20):
                pass


def test_a_line_that_is_cut_freezes_nobody_and_comes_back(plugged: Plugged) -> None:
    (plugged.shared / "folder").mkdir()
    write_file(plugged.shared / "folder" / "known", 1000)
    write_file(plugged.shared / "folder" / "large", SIZE)
    desk = Desk(plugged, plugged.shared, plugged.mine)
    with running(desk, driver=RUN if FULL else HURRIED) as (process, client):
        assert client.ask("PROPFIND", "/shared/folder", depth="1").status == 207
        assert client.ask("GET", "/shared/folder/known").body == content(1000)
        plugged.agent_a.popen.send_signal(signal.SIGSTOP)
        try:
            longest = 0.0

            def ask(method: str, path: str, body: bytes | None = None, **fields: str) -> int:
                nonlocal longest
                began = time.monotonic()
                answer = client.ask(method, path, body, **fields)
                longest = max(longest, time.monotonic() - began)
                if answer.status in (503, 504):
                    assert answer.fields["retry-after"] == "10"
                return answer.status

            assert ask("GET", "/shared/folder/large", range="bytes=8000000-8000009") in (503, 504)
            until(lambda: "warning" in client.ask("PROPFIND", "/shared/folder", depth="1").fields, "known before")
            listed = client.ask("PROPFIND", "/shared/folder", depth="1")
            assert (listed.status, listed.fields["warning"][:3]) == (207, "110")
            assert b"known" in listed.body
            assert ask("MKCOL", "/shared/other") in (201, 503, 504)
            assert ask("PUT", "/shared/folder/kept", content(5000)) == 201
            assert ask("PUT", "/shared/folder/known", content(2000, 2)) == 204
            assert client.ask("GET", "/shared/folder/kept").body == content(5000)
            assert within(longest, ASKED_SECONDS + 3, "dav: longest call without a line, seconds")
            assert not (plugged.shared / "folder" / "kept").exists()
        finally:
            plugged.agent_a.popen.send_signal(signal.SIGCONT)
        until(lambda: (plugged.shared / "folder" / "kept").exists(), "what was put has gone home")
        until(lambda: (plugged.shared / "folder" / "known").read_bytes() == content(2000, 2), "and the other, too")
        assert (plugged.shared / "folder" / "kept").read_bytes() == content(5000)
        until(lambda: client.ask("GET", "/shared/folder/large").body == content(SIZE), "all as before", PATIENCE)
        assert process.running


@needs("rclone")
def test_rclone_copies_both_ways_and_finds_no_difference(desk: Desk) -> None:
    here = desk.near / "tree"
    for name in ("a", "b c", "ü", "x?y%20"):
        (here / name).mkdir(parents=True)
        write_file(here / name / "small", 1000)
    write_file(here / "large", SIZE)
    (here / "empty").touch()
    with running(desk) as (_process, client):
        obscured = run("rclone", "obscure", "-", given=client.login.password).strip()
        settings = {
            "RCLONE_CONFIG_HOME_TYPE": "webdav",
            "RCLONE_CONFIG_HOME_URL": client.url,
            "RCLONE_CONFIG_HOME_VENDOR": "nextcloud",
            "RCLONE_CONFIG_HOME_USER": client.login.user,
            "RCLONE_CONFIG_HOME_PASS": obscured,
            "RCLONE_CONFIG": "/dev/null",
        }
        there = f"home:shared/{desk.far.name}/tree"
        run("rclone", "copy", here, there, environment=settings)
        run("rclone", "check", "--download", here, there, environment=settings)
        assert (desk.far / "tree" / "large").read_bytes() == content(SIZE)
        assert int((desk.far / "tree" / "large").stat().st_mtime) == int((here / "large").stat().st_mtime)
        run("rclone", "copy", there, desk.near / "back", environment=settings)
        run("diff", "-r", here, desk.near / "back")
        assert served(settings, f"home:shared/{desk.far.name}/tree", "large") == content(SIZE)
        run("rclone", "moveto", f"{there}/large", f"{there}/ü/moved", environment=settings)
        assert (desk.far / "tree" / "ü" / "moved").read_bytes() == content(SIZE)
        run("rclone", "purge", there, environment=settings)
        assert not (desk.far / "tree").exists()
        assert "Free:" in run("rclone", "about", f"home:shared/{desk.far.name}", environment=settings)


def served(settings: dict[str, str], remote: str, name: str) -> bytes:
    """A file as `rclone serve http` gives it to a browser."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    serving = subprocess.Popen(
        ["rclone", "serve", "http", remote, "--addr", address],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def answers() -> bool:
            with contextlib.suppress(ConnectionError), socket.create_connection(address.split(":"), 1):
                return True
            return False

        until(answers, "rclone serves")
        with urlopen(f"http://{address}/{name}", timeout=PATIENCE) as answer:
            data: bytes = answer.read()
        return data
    finally:
        serving.terminate()
        serving.wait(PATIENCE)


def test_a_move_between_shares_leaves_nothing_out(plugged: Plugged) -> None:
    world = plugged.world
    other = world.a.folder("other")
    plugged.agent_a.popen.send_signal(signal.SIGTERM)
    plugged.agent_a.wait(60)
    world.up(world.a, plugged.shared, other)
    folder = plugged.shared / "folder"
    folder.mkdir()
    write_file(folder / "file", 1000)
    (folder / "link").symlink_to("file")
    with running(Desk(plugged, plugged.shared, plugged.mine)) as (_process, client):
        assert client.ask("MOVE", "/shared/folder", destination="/other/folder").status == 403
        assert (folder / "link").is_symlink()
        assert (folder / "file").read_bytes() == content(1000)
        (folder / "link").unlink()
        assert not (other / "folder").exists()
        assert client.ask("MOVE", "/shared/folder", destination="/other/folder").status == 201
        assert (other / "folder" / "file").read_bytes() == content(1000)
        assert not folder.exists()


@needs("curl")
def test_curl_reads_ranges_and_writes_with_a_digest(desk: Desk) -> None:
    write_file(desk.far / "film.mkv", SIZE)
    with running(desk) as (_process, client):
        netrc = desk.near / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login {client.login.user} password {client.login.password}\n")
        target = desk.near / "got"
        url = f"{client.url}shared/{desk.far.name}/"
        curl = ("curl", "-s", "-S", "-f", "--digest", "--netrc-file", netrc)
        run(*curl, "-o", target, url + "film.mkv")
        assert target.read_bytes() == content(SIZE)
        run(*curl, "-r", "8000000-8000099", "-o", target, url + "film.mkv")
        assert target.read_bytes() == content(SIZE)[8_000_000:8_000_100]
        write_file(desk.near / "up", SIZE)
        run(*curl, "-T", desk.near / "up", url)
        assert (desk.far / "up").read_bytes() == content(SIZE)
        run(*curl, "-T", "-", url + "piped", given="in chunks")
        assert (desk.far / "piped").read_text() == "in chunks"


DAVFS = """
set -e
mount --bind "$WORK/conf" /etc/davfs2/davfs2.conf
mount.davfs -o conf="$WORK/own" "$URL" "$WORK/here"
trap 'umount.davfs "$WORK/here"' EXIT
cd "$WORK/here/shared/$DESK"
cp film.mkv "$WORK/read"
cp film.mkv "a copy.mkv"
mkdir folder
echo "from davfs2" > folder/note.txt
mv folder/note.txt folder/renamed.txt
rm film.mkv
cd /
"""
"""What a person does in a drive that davfs2 mounts, in a view of the file systems of its own: there davfs2 runs as the
user who mounts, as it does for everyone but root. Of another user's program the drive takes no byte. Nothing is listed:
davfs2 1.6.1 answers no readdir of the length that newer kernels ask for, whatever its server."""


@needs("mount.davfs", "unshare")
@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/fuse"), reason="needs root and /dev/fuse")
def test_davfs2_mounts_it_reads_and_writes(desk: Desk) -> None:
    write_file(desk.far / "film.mkv", SIZE)
    with running(desk) as (_process, client), tempfile.TemporaryDirectory(prefix="gm-davfs-") as made:
        work = Path(made)
        (work / "here").mkdir()
        (work / "cache").mkdir()
        (work / "secrets").write_text(f'"{client.url}" {client.login.user} {client.login.password}\n')
        (work / "secrets").chmod(0o600)
        (work / "conf").write_text("dav_user root\ndav_group root\n")
        (work / "own").write_text(f"secrets {work}/secrets\ncache_dir {work}/cache\nask_auth 0\nuse_locks 1\n")
        environment = {"WORK": made, "URL": client.url, "DESK": desk.far.name}
        run("unshare", "-m", "sh", "-c", DAVFS, environment=environment)
        assert (work / "read").read_bytes() == content(SIZE)
    # It writes back until it is unmounted.
    assert (desk.far / "a copy.mkv").read_bytes() == content(SIZE)
    assert (desk.far / "folder" / "renamed.txt").read_text() == "from davfs2\n"
    assert not (desk.far / "film.mkv").exists()
