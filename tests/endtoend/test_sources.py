"""Sources that change, are damaged, vanish or may not be read; folders of many entries; long and odd names."""

from __future__ import annotations

import os
import threading
import time
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest

from tests.endtoend.conftest import Desk
from tests.endtoend.world import RUN, World, digest, snapshot, write_file
from tests.figures import figure
from tests.patience import within

MIB = 1 << 20


def test_a_source_that_changes_while_it_is_read_is_told_and_never_mixed(desk: Desk) -> None:
    """A writer replaces the file's content again and again: what arrives is one version, whole, or nothing."""
    path = desk.far / "changing"
    size = 40 * MIB

    def fill(number: int) -> None:
        with path.open("r+b" if path.exists() else "wb") as file:
            for _ in range(size // MIB):
                file.write(bytes([number]) * MIB)

    fill(0)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) % 250
            fill(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for index in range(3):
            result = desk.run("cp", desk.at("changing"), f"got{index}", code=None)
            got = desk.near / f"got{index}"
            if result.code == 0:
                assert got.stat().st_size == size
            else:
                assert result.code in (3, 4), str(result)
                assert "changed" in result.err
                assert not got.exists()
    finally:
        stop.set()
        writer.join()
    desk.run("cp", desk.at("changing"), "quiet")
    assert digest(desk.near / "quiet") == digest(path)


def test_a_log_that_grows_is_reported_and_the_rest_is_copied(desk: Desk) -> None:
    write_file(desk.near / "tree" / "still", 3 * MIB)
    log = write_file(desk.near / "tree" / "log", 20 * MIB)
    stop = threading.Event()

    def grow() -> None:
        with log.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"line\n" * 1000)
                time.sleep(0)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        result = desk.run("cp", "-r", "tree", desk.at(), code=None)
    finally:
        stop.set()
        writer.join()
    assert result.code in (0, 3), str(result)
    assert digest(desk.far / "tree" / "still") == digest(desk.near / "tree" / "still")
    assert (result.code == 3) == ("changed" in result.err)
    assert (desk.far / "tree" / "log").exists() == (result.code == 0)


DAMAGED = (
    """
import errno, os
from gimmal.share import reading, bundle_reading
inner = os.preadv
marked = lambda descriptor: b"damaged" in os.fsencode(os.readlink(f"/proc/self/fd/{descriptor}"))
def preadv(descriptor, buffers, offset, *more):
    if marked(descriptor):
        raise OSError(errno.EIO, "input/output error")
    return inner(descriptor, buffers, offset, *more)
os.preadv = preadv
reading_one = os.pread
def pread(descriptor, count, offset):
    if marked(descriptor):
        raise OSError(errno.EIO, "input/output error")
    return reading_one(descriptor, count, offset)
os.pread = pread
reading_plain = os.read
def read(descriptor, count):
    if marked(descriptor):
        raise OSError(errno.EIO, "input/output error")
    return reading_plain(descriptor, count)
os.read = read
"""
    + RUN
)


@pytest.mark.parametrize("way", ["down", "up"])
def test_damaged_files_are_listed_and_the_rest_is_copied(world: World, way: str) -> None:
    """The disk under the source reports errors for two files of a tree (a driver makes the system calls fail)."""
    world.start_relay()
    world.pair()
    shared, mine = world.a.folder("shared"), world.b.folder("mine")
    world.up(world.a, shared, driver=DAMAGED)
    source, target = (shared, mine) if way == "down" else (mine, shared)
    for name in ("good1", "damaged small", "sub/good2"):
        write_file(source / "tree" / name, 1000, len(name))
    for name in ("good large", "damaged large"):
        write_file(source / "tree" / name, 6 * MIB, len(name))
    words = [":shared/tree", mine] if way == "down" else [mine / "tree", ":shared"]
    driver = DAMAGED if way == "up" else RUN
    result = world.run(world.b, "cp", "-r", *words, code=3, driver=driver)
    for name in ("damaged small", "damaged large"):
        assert any(line.startswith("failed: ") and name in line for line in result.err.splitlines()), str(result)
        assert not (target / "tree" / name).exists()
    for name in ("good1", "sub/good2", "good large"):
        assert digest(target / "tree" / name) == digest(source / "tree" / name)
    spoken = world.run(world.b, "cp", "-r", *words, "--json", code=3, driver=driver).objects
    assert spoken[0]["failed"] == 2
    assert spoken[0]["skipped"] == 3
    assert len(spoken[1]["failures"]) == 2
    assert spoken[1]["exit_code"] == 3


def test_files_that_vanish_during_the_copy(desk: Desk) -> None:
    for index in range(1500):
        write_file(desk.far / "tree" / f"{index:05}", 3000, index % 5)
    stop = threading.Event()

    def remove() -> None:
        for index in range(1499, 0, -3):
            if stop.is_set():
                return
            with suppress(FileNotFoundError):
                (desk.far / "tree" / f"{index:05}").unlink()

    remover = threading.Thread(target=remove)
    copy = desk.start("cp", "-r", desk.at("tree"), ".")
    remover.start()
    result = copy.wait()
    stop.set()
    remover.join()
    assert result.code in (0, 3), str(result)
    for path in (desk.far / "tree").iterdir():
        assert (desk.near / "tree" / path.name).read_bytes() == path.read_bytes()
    if result.code == 3:
        assert "no such file" in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; see test_fidelity, as another user")
def test_files_and_folders_that_may_not_be_read(desk: Desk) -> None:
    for name in ("tree/good", "tree/closed", "tree/folder/inner"):
        write_file(desk.far / name, 10)
    (desk.far / "tree" / "closed").chmod(0)
    (desk.far / "tree" / "folder").chmod(0)
    result = desk.run("cp", "-r", desk.at("tree"), ".", code=3)
    assert result.err.count("failed: ") == 2
    (desk.far / "tree" / "folder").chmod(0o755)
    assert (desk.near / "tree" / "good").exists()


# Many ----------------------------------------------------------------------------------------------------------------


def test_a_folder_of_many_entries(desk: Desk) -> None:
    count = 100_000
    folder = desk.far / "many"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    for index in range(count):
        os.close(os.open(f"entry-{index:06}", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=descriptor))
    os.close(descriptor)
    process = desk.start("ls", desk.at("many"))
    result = process.wait()
    assert result.code == 0, str(result)
    assert len(set(result.lines)) == len(result.lines) == count
    assert within(result.seconds, 10, f"ls of {count:,} entries, seconds with the command's start")
    agent = desk.plugged.agent_a.peak_memory()
    figure("agent's most resident MiB while it listed them", round(agent / MIB), "<= 120")
    assert agent < 120 * MIB


# Names ---------------------------------------------------------------------------------------------------------------

RAW_NAMES = [
    b"new\nline",
    b"escape\x1b[31mred\x1b[0m",
    b"bell\x07 tab\t return\r",
    "right\u202eto\u202cleft".encode(),
    "isolate\u2066x\u2069".encode(),
    "zero\u200bwidth\u2060joiner\ufeff".encode(),
    b"invalid \xff\xfe utf-8",
    b"latin-\xe9",
    b"back\\slash",
    b"C:drive",
    b"c1 \xc2\x9b31m",
    b"delete\x7f",
    "tag\U000e0041".encode(),
    ("p\uee0arivate").encode(),
    b"-r",
    b"--overwrite",
    b" leading and trailing ",
    b"trailing.",
    b"~",
    b"$HOME",
    b"*",
    b"con",
    "ü".encode(),
    unicodedata.normalize("NFD", "é").encode(),
    ("n" * 255).encode(),
    ("ü" * 127).encode() + b"x",
    "表".encode() * 85,
    b"README",
    b"readme",
]


def make_odd_names(root: Path) -> list[bytes]:
    made = []
    for index, name in enumerate(RAW_NAMES):
        path = os.path.join(os.fsencode(root), name)
        with suppress(OSError), open(path, "xb") as file:
            file.write(b"content %d" % index)
            made.append(name)
    return made


def raw_characters(text: str) -> list[str]:
    """Control, bidi and invisible characters that reached a terminal."""
    return [
        one
        for one in text
        if one != "\n" and (unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co") or one in "\u2028\u2029")
    ]


def test_odd_names_travel_both_ways_and_never_reach_the_terminal_raw(desk: Desk) -> None:
    (desk.far / "odd").mkdir()
    names = make_odd_names(desk.far / "odd")
    assert len(names) > 20
    listed = desk.run("ls", desk.at("odd"))
    assert len(listed.out.split("\n")) == len(names) + 1, "a line each"
    outputs = [listed.out, desk.run("tree", desk.at("odd")).out, desk.run("ls", "-l", desk.at("odd")).out]
    exact = desk.json("ls", desk.at("odd"))
    assert len({one["name"] for one in exact}) == len(names)
    down = desk.run("cp", "-r", desk.at("odd"), ".")
    outputs.append(down.err)
    got = {path.read_bytes() for path in (desk.near / "odd").iterdir()}
    assert got == {b"content %d" % RAW_NAMES.index(name) for name in names}
    plain = [name for name in names if name in [one["name"].encode() for one in exact]]
    for name in plain:
        assert os.path.exists(os.path.join(os.fsencode(desk.near / "odd"), name))
    # Back to where they came from: the mapped ones are found under their own names.
    back = desk.json("cp", "-r", "odd", desk.at())
    assert back[0]["failed"] == 0
    (desk.near / "up").mkdir()
    up_names = make_odd_names(desk.near / "up")
    up = desk.run("cp", "-r", "up", desk.at())
    outputs.append(up.err)
    assert {path.read_bytes() for path in (desk.far / "up").iterdir()} == {
        b"content %d" % RAW_NAMES.index(name) for name in up_names
    }
    dry = desk.run("cp", "-r", "--dry-run", "up", desk.at("again"))
    outputs += [dry.out, dry.err]
    # Each can be named as ls --json gives it, alone.
    for one in exact:
        outputs.append(
            desk.run("stat", desk.at("odd/" + one["name"])).out if one["name"].startswith(("n", "e")) else ""
        )
    for bad in ("\x1b[31mmissing", "right\u202eleft", "in\x9bvalid", "back\\slash"):
        for verb in ("ls", "cat", "rm", "mkdir", "stat"):
            result = desk.run(verb, desk.at(bad), code=2)
            outputs += [result.out, result.err]
        result = desk.run("cp", bad, desk.at(), code=9)
        outputs.append(result.err)
    raw = [one for text in outputs for one in raw_characters(text)]
    figure("raw control or bidi characters in terminal output", len(raw), "0")
    assert raw == []


def test_names_differing_in_case_only_travel_both_ways(desk: Desk) -> None:
    (desk.far / "tree").mkdir()
    (desk.far / "tree" / "README").write_text("upper")
    (desk.far / "tree" / "readme").write_text("lower")
    desk.run("cp", "-r", desk.at("tree"), ".")
    desk.run("cp", "-r", "tree", desk.at("back"))
    there = snapshot(desk.far / "tree")
    assert len(there) == 2
    assert snapshot(desk.near / "tree") == there
    assert snapshot(desk.far / "back") == there


def test_paths_as_deep_as_they_may_be_and_deeper(desk: Desk) -> None:
    deep = desk.far / "deep"
    for _ in range(60):
        deep = deep / "d"
    write_file(deep / "file", 10)
    desk.run("cp", "-r", desk.at("deep"), ".")
    assert len(snapshot(desk.near / "deep")) == 61
    deeper = deep
    for _ in range(10):
        deeper = deeper / "d"
    write_file(deeper / "file", 10)
    result = desk.run("cp", "-r", desk.at("deep"), "again", code=3)
    assert result.err.count("failed: ") >= 1
    assert (desk.near / "again" / Path(*["d"] * 60) / "file").exists()
