"""The one guard: hostile names with every operation, gimmal's own places, mapped names."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gimmal.protocol.codec import decode_request
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    BundleFile,
    Copy,
    DigestBlocks,
    Done,
    Failed,
    FolderTimes,
    Found,
    List,
    MakeDirectories,
    Measure,
    Measured,
    OpenPart,
    Page,
    Read,
    RemoveMany,
    Rename,
    Replace,
    Results,
    SetAttributes,
    Stat,
    StatFileSystem,
    Tree,
    WriteBundle,
)
from tests.figures import figure
from tests.patience import within
from tests.share.rig import SOURCE, Rig, bundle_of, code_of, entries, tree_of
from tests.vector_files import load

VECTORS = load("hostile_names.json")["names"]


OPERATIONS: dict[str, Callable[[Rig, str], int]] = {
    "stat": lambda rig, path: code_of(rig.session.answer(Stat(f"rw/{path}"))),
    "list": lambda rig, path: code_of(rig.session.answer(List(f"rw/{path}"))),
    "tree": lambda rig, path: code_of(rig.session.answer(Tree(f"rw/{path}"))),
    "statfs": lambda rig, path: code_of(rig.session.answer(StatFileSystem(f"rw/{path}"))),
    "read": lambda rig, path: code_of(rig.read(f"rw/{path}")),
    "read bundle": lambda rig, path: rig.bundled("rw", path),
    "read bundle folder": lambda rig, path: rig.bundled(f"rw/{path}", "x"),
    "digest blocks": lambda rig, path: code_of(rig.session.answer(DigestBlocks(f"rw/{path}"))),
    "digest files": lambda rig, path: rig.digested("rw", path),
    "digest files folder": lambda rig, path: rig.digested(f"rw/{path}", "x"),
    "measure": lambda rig, path: code_of(rig.session.answer(Measure(Measured.DISK, 1, f"rw/{path}"))),
    "open part": lambda rig, path: code_of(rig.session.answer(OpenPart(f"rw/{path}", 5, SOURCE))),
    "write bundle": lambda rig, path: code_of(rig.bundle("rw", {path: b"x"})),
    "write bundle folder": lambda rig, path: code_of(rig.bundle(f"rw/{path}", {"x": b"x"})),
    "make": lambda rig, path: code_of(rig.session.answer(MakeDirectories([f"rw/{path}"], parents=True))),
    "remove": lambda rig, path: code_of(rig.session.answer(RemoveMany([f"rw/{path}"]))),
    "rename from": lambda rig, path: code_of(rig.session.answer(Rename(f"rw/{path}", "rw/target"))),
    "rename to": lambda rig, path: code_of(rig.session.answer(Rename("rw/there", f"rw/{path}"))),
    "copy from": lambda rig, path: code_of(rig.session.answer(Copy(f"rw/{path}", "rw/target"))),
    "copy to": lambda rig, path: code_of(rig.session.answer(Copy("rw/there", f"rw/{path}"))),
    "attributes": lambda rig, path: code_of(rig.session.answer(SetAttributes([FolderTimes(f"rw/{path}", 1, 0o777)]))),
}


@pytest.fixture
def outside(rig: Rig) -> Path:
    """Everything that the peer must not reach: the folder around the shares."""
    (rig.base / "secret").write_bytes(b"secret")
    (rig.base / "x").write_bytes(b"also secret")
    (rig.rw / "there").write_bytes(b"there")
    return rig.base


def _around(base: Path) -> dict[str, object]:
    """Everything but the writable share and the notes on uploads."""
    return {name: what for name, what in tree_of(base).items() if not name.startswith(("rw", "journals"))}


def test_hostile_names_with_every_operation(rig: Rig, outside: Path) -> None:
    before = _around(outside)
    right = 0
    for vector in VECTORS:
        if "path_hex" in vector:
            right += _refused_by_the_codec(bytes.fromhex(vector["path_hex"]))
            continue
        path = vector["path"]
        codes = {name: operation(rig, path) for name, operation in OPERATIONS.items()}
        assert _around(outside) == before, vector["id"]
        if vector["create"] == "reject":
            assert set(codes.values()) == {Code.BAD_NAME}, (vector["id"], codes)
            assert os.listdir(rig.rw) == ["there"], vector["id"]
            right += 1
        else:
            _clean(rig)
            right += _created_as_it_is(rig, path)
            assert _around(outside) == before, vector["id"]
    figure("hostile names x every operation: verdicts", f"{right}/{len(VECTORS)}", "166/166")
    figure("hostile names x every operation: changes outside the root", 0, "0")
    assert right == 166


def _refused_by_the_codec(path: bytes) -> bool:
    packed = b"\x92\x01" + bytes([0xD9, len(path)]) + path
    assert decode_request(b"\x92\x01\xd9\x02rw") == Stat("rw")
    return decode_request(packed) is None


def _created_as_it_is(rig: Rig, path: str) -> bool:
    folder, _, name = path.rpartition("/")
    if folder:
        assert code_of(rig.session.answer(MakeDirectories([f"rw/{folder}"], parents=True))) == 0, path
    assert isinstance(rig.upload(f"rw/{path}", b"content"), Found), path
    assert (rig.rw / path).read_bytes() == b"content"
    assert name in rig.names(f"rw/{folder}" if folder else "rw")
    assert rig.read(f"rw/{path}") == b"content"
    _clean(rig)
    return True


def _clean(rig: Rig) -> None:
    rig.again()
    for name in os.listdir(rig.rw):
        if (rig.rw / name).is_dir():
            shutil.rmtree(rig.rw / name)
        else:
            os.unlink(rig.rw / name)
    (rig.rw / "there").write_bytes(b"there")


@pytest.mark.parametrize(
    "path", ["out/secret", "up/secret", "absolute/passwd", "out", "deep/out/x", "magic/x", "loop/x"]
)
def test_links_lead_nowhere_with_any_operation(rig: Rig, outside: Path, path: str) -> None:
    (rig.rw / "out").symlink_to(outside)
    (rig.rw / "up").symlink_to("..")
    (rig.rw / "absolute").symlink_to("/etc")
    (rig.rw / "magic").symlink_to("/proc/self/root")
    (rig.rw / "loop").symlink_to("loop")
    (rig.rw / "deep").mkdir()
    (rig.rw / "deep" / "out").symlink_to("../../x")
    before = _around(outside)
    for name, operation in OPERATIONS.items():
        if path == "out" and name in ("stat", "remove", "rename from"):
            continue  # the link itself, below
        code = operation(rig, path)
        if path == "out" and code == Code.EXISTS:
            continue
        assert code == Code.LINK_REFUSED, name
        assert _around(outside) == before, name
    found = rig.session.answer(Stat("rw/out"))
    assert isinstance(found, Found)
    assert found.attributes.target == str(outside)
    assert rig.session.answer(Rename("rw/out", "rw/moved")) == Done()
    assert rig.session.answer(RemoveMany(["rw/moved"])) == Results([0])
    assert (outside / "secret").read_bytes() == b"secret"


def test_devices_pipes_and_sockets_are_refused_without_waiting(rig: Rig) -> None:
    os.mkfifo(rig.rw / "pipe")
    here = os.open(rig.rw, os.O_RDONLY)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{here}/socket")
    os.close(here)
    names = ["pipe", "socket"]
    with suppress(PermissionError):
        os.mknod(rig.rw / "device", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        names.append("device")
    begun = time.monotonic()
    for name in names:
        assert rig.read(f"rw/{name}") == Code.SPECIAL_FILE
        assert rig.bundled("rw", name) == Code.SPECIAL_FILE
        assert rig.code(Copy(f"rw/{name}", "rw/copy")) == Code.SPECIAL_FILE
        assert rig.session.answer(SetAttributes([FolderTimes(f"rw/{name}", 1)])) == Results([Code.SPECIAL_FILE])
        assert rig.code(OpenPart(f"rw/{name}", 5, SOURCE, Replace.ALWAYS)) == Code.SPECIAL_FILE
        assert rig.bundle("rw", {name: b"x"}, Replace.ALWAYS) == [Code.SPECIAL_FILE]
        assert rig.code(List(f"rw/{name}")) == Code.NOT_A_DIRECTORY
        assert rig.code(List(f"rw/{name}/x")) == Code.NOT_A_DIRECTORY
    assert within(time.monotonic() - begun, 2)
    listener.close()


@pytest.mark.parametrize("path", ["GIMMAL", "GIMMAL/half.json", "GIMMAL/state-0", "sub/Gimmal", "sub/Gimmal/new"])
def test_a_half_inside_a_share_is_hidden_from_every_operation(rig: Rig, path: str) -> None:
    (rig.rw / "there").write_bytes(b"there")
    for folder in (rig.rw / "GIMMAL", rig.rw / "sub" / "Gimmal"):
        folder.mkdir(parents=True)
        (folder / "half.json").write_bytes(b"keys")
        (folder / "state-0").write_bytes(b"state")
    before = tree_of(rig.rw)
    for name, operation in OPERATIONS.items():
        assert operation(rig, path) == Code.NOT_FOUND, name
    assert tree_of(rig.rw) == before
    assert rig.names("rw") == ["sub", "there"]
    assert [entry.name for entry in entries(rig.session, Tree("rw"))] == ["sub", "there"]


def test_a_half_being_joined_is_hidden_too(rig: Rig) -> None:
    (rig.rw / "GIMMAL").mkdir()
    (rig.rw / "GIMMAL" / "half.new").write_bytes(b"keys")
    assert rig.read("rw/GIMMAL/half.new") == Code.NOT_FOUND
    assert rig.names("rw") == []


def test_a_half_cannot_be_planted(rig: Rig) -> None:
    (rig.rw / "there").write_bytes(b"{}")
    (rig.rw / "gimmal").mkdir()
    (rig.rw / "other").mkdir()
    (rig.rw / "other" / "half.json").write_bytes(b"{}")
    for name in ("open part", "write bundle", "make", "rename to", "copy to"):
        assert OPERATIONS[name](rig, "gimmal/half.json") == Code.NOT_GRANTED, name
        assert OPERATIONS[name](rig, "gimmal/HALF.json") == Code.NOT_GRANTED, name
        assert OPERATIONS[name](rig, "gimmal/half.new") == Code.NOT_GRANTED, name
    assert rig.code(Rename("rw/other", "rw/sub-gimmal/GIMMAL")) == Code.NOT_FOUND
    assert rig.code(Rename("rw/other", "rw/GIMMAL")) == Code.NOT_GRANTED
    assert isinstance(rig.upload("rw/gimmal/other.json", b"x"), Found)  # an ordinary folder of that name


def test_part_files_are_gimmals_own(rig: Rig) -> None:
    (rig.rw / "there").write_bytes(b"there")
    own = ".gimmal-part-" + "0" * 24
    (rig.rw / own).write_bytes(b"part")
    for name, operation in OPERATIONS.items():
        assert operation(rig, own.upper()) in (Code.NOT_FOUND, Code.BAD_NAME), name
    looking = ("stat", "list", "tree", "statfs", "read", "read bundle", "read bundle folder", "copy from")
    looking += ("digest blocks", "digest files", "digest files folder")
    for name, operation in OPERATIONS.items():
        assert operation(rig, own) == (Code.NOT_FOUND if name in looking else Code.BAD_NAME), name
    assert (rig.rw / own).read_bytes() == b"part"
    assert rig.names("rw") == ["there"]


MAPPED = {b"a\\b": "a\uee5cb", b"new\nline": "new\uee0aline", b"\xff\xfe": "\ueeff\ueefe", b"C:": "C\uee3a"}


@pytest.mark.parametrize("local", MAPPED)
def test_mapped_names_find_their_files(rig: Rig, local: bytes) -> None:
    wire = MAPPED[local]
    (rig.rw / os.fsdecode(local)).mkdir()
    (rig.rw / os.fsdecode(local) / "inner").write_bytes(b"content")
    (entry,) = entries(rig.session, List("rw"))
    assert (entry.name, entry.mapped) == (wire, True)
    assert [e.name for e in entries(rig.session, Tree("rw"))] == [wire, f"{wire}/inner"]
    assert rig.read(f"rw/{wire}/inner") == b"content"
    assert isinstance(rig.upload(f"rw/{wire}/second", b"x"), Found)
    assert rig.session.answer(Rename(f"rw/{wire}", "rw/plain")) == Done()
    assert rig.names("rw/plain") == ["inner", "second"]


def test_a_mapped_name_never_makes_the_refused_one(rig: Rig) -> None:
    wire = "a\uee0ab"
    assert isinstance(rig.upload(f"rw/{wire}", b"content"), Found)
    assert os.listdir(rig.rw) == [wire]
    assert rig.read(f"rw/{wire}") == b"content"
    assert rig.upload(f"rw/{wire}", b"other") == Failed(Code.EXISTS)
    (listed,) = rig.names("rw")
    assert listed != wire
    assert rig.read(f"rw/{listed}") == b"content"
    (rig.rw / "a\nb").write_bytes(b"the real one")
    assert rig.read(f"rw/{wire}") == b"the real one"
    assert rig.read(f"rw/{listed}") == b"content"
    assert rig.session.answer(MakeDirectories(["rw/d\uee0ae/f\uee0ag"], parents=True)) == Results([0])
    assert (rig.rw / "d\uee0ae" / "f\uee0ag").is_dir()


@pytest.mark.parametrize("wire", ["\uee2e\uee2e", "\uee2e\uee2e/secret", "a\uee2fb", "a\uee00", "x\uee41"])
def test_mapping_is_no_way_out(rig: Rig, outside: Path, wire: str) -> None:
    for name, operation in OPERATIONS.items():
        assert operation(rig, wire) == Code.BAD_NAME, name


def test_unknown_shares_and_the_list_of_shares(rig: Rig) -> None:
    for path in ("nowhere", "nowhere/x", "RW", "rw.", "rw "):
        assert rig.code(Stat(path)) == Code.NOT_FOUND
    answer = rig.session.answer(Stat(""))
    assert isinstance(answer, Found)
    page = rig.session.answer(List(""))
    assert isinstance(page, Page)
    assert [(entry.name, oct(entry.attributes.mode)) for entry in page.entries] == [
        ("drop", "0o333"),
        ("ro", "0o555"),
        ("rw", "0o755"),
    ]
    assert rig.code(OpenPart("", 1, SOURCE)) == Code.NOT_GRANTED
    assert rig.code(OpenPart("new", 1, SOURCE)) == Code.NOT_FOUND
    assert rig.session.answer(MakeDirectories(["new", ""])) == Results([Code.NOT_FOUND, Code.NOT_GRANTED])
    assert rig.session.answer(RemoveMany(["rw", ""])) == Results([Code.NOT_GRANTED, Code.NOT_GRANTED])
    assert rig.code(Rename("rw", "rw/x")) in (Code.NOT_GRANTED, Code.INVALID)
    assert rig.read("rw") == Code.IS_A_DIRECTORY
    assert rig.read("") == Code.NOT_GRANTED


def test_long_names(rig: Rig) -> None:
    name = "n" * 255
    assert isinstance(rig.upload(f"rw/{name}", b"x"), Found)
    assert rig.bundle("rw", {"é" * 127 + "x": b"y"}) == [0]
    assert rig.names("rw") == [name, "é" * 127 + "x"]
    assert rig.code(Stat("rw/" + "n" * 256)) == Code.BAD_NAME
    wire = "\uee5c" * 255  # 765 bytes that stand for 255
    (rig.rw / ("\\" * 255)).write_bytes(b"z")
    assert rig.read(f"rw/{wire}") == b"z"
    os.unlink(rig.rw / ("\\" * 255))
    assert rig.code(OpenPart(f"rw/{wire}", 1, SOURCE)) == Code.NAME_TOO_LONG


def test_readme_and_readme_side_by_side(rig: Rig) -> None:
    pairs: list[dict[str, Any]] = load("hostile_names.json")["collisions"]
    for pair in pairs:
        one, other = pair["a"], pair["b"]
        if other.startswith(one + "/"):
            assert isinstance(rig.upload(f"rw/{one}", b"file"), Found)
            assert rig.code(OpenPart(f"rw/{other}", 1, SOURCE)) == Code.NOT_A_DIRECTORY
            assert rig.session.answer(RemoveMany([f"rw/{one}"])) == Results([0])
            continue
        for name, content in ((one, b"one"), (other, b"other")):
            folder, _, _ = name.rpartition("/")
            if folder:
                assert rig.session.answer(MakeDirectories([f"rw/{folder}"])) == Results([0])
            if (result := rig.upload(f"rw/{name}", content)) == Failed(Code.EXISTS):
                continue  # written by an earlier pair
            assert isinstance(result, Found), pair
        assert rig.read(f"rw/{one}") != rig.read(f"rw/{other}"), pair


def test_bundle_header_and_contents_must_agree(rig: Rig) -> None:
    headers, _ = bundle_of({"a": b"content"})
    answer = rig.session.write_bundle(WriteBundle("rw"), headers, [memoryview(b"other!!")])
    assert answer.codes == [Code.CORRUPT]
    wrong = [BundleFile("a", 3, headers[0].digest, 0)]
    answer = rig.session.write_bundle(WriteBundle("rw"), wrong, [memoryview(b"content")])
    assert answer.codes == [Code.CORRUPT]
    assert os.listdir(rig.rw) == []


def test_reading_a_range_leaves_no_descriptor(rig: Rig) -> None:
    (rig.rw / "f").write_bytes(b"x")
    before = len(os.listdir("/proc/self/fd"))
    for path in ("rw/f", "rw/none", "ro/../f", "rw", "drop/f"):
        opened = rig.session.open_range(Read(path, 0, 10))
        if not isinstance(opened, Failed):
            opened.close()
            opened.close()
    assert len(os.listdir("/proc/self/fd")) == before
