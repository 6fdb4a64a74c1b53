"""Names that a disk takes for one: refused there, and only there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Copy, Done, Failed, Found, MakeDirectories, OpenPart, Rename, Replace, Results
from gimmal.share import collisions
from tests.exfat import exfat
from tests.figures import figure
from tests.share.rig import SOURCE, Rig
from tests.vector_files import load


@pytest.fixture
def folding(tmp_path: Path) -> Iterator[Rig]:
    """Shares on a disk that does not tell upper from lower case: exFAT in a file."""
    with exfat(tmp_path) as mounted:
        rig = Rig(mounted / "side")
        try:
            yield rig
        finally:
            rig.close()


def test_nothing_is_overwritten_under_another_spelling(folding: Rig) -> None:
    rig = folding
    assert isinstance(rig.upload("rw/README", b"one"), Found)
    for replace in (Replace.NEVER, Replace.ALWAYS):
        assert rig.upload("rw/readme", b"two", replace=replace) == Failed(Code.COLLISION)
        assert rig.bundle("rw", {"ReadMe": b"two", "other": b"x"}, replace) == [Code.COLLISION, 0]
        os.unlink(rig.rw / "other")
        assert rig.code(Copy("rw/README", "rw/readme", replace)) == Code.COLLISION
    assert rig.session.answer(MakeDirectories(["rw/readme"], exist_ok=True)) == Results([Code.COLLISION])
    assert rig.read("rw/README") == b"one"
    assert isinstance(rig.upload("rw/README", b"three", replace=Replace.ALWAYS), Found)
    assert rig.names("rw") == ["README"]
    (rig.rw / "x").write_bytes(b"x")
    assert rig.code(Rename("rw/x", "rw/readme", Replace.ALWAYS)) == Code.COLLISION
    assert rig.session.answer(Rename("rw/README", "rw/Readme")) == Done()
    assert rig.names("rw") == ["Readme", "x"]
    figure("collision pairs: silent overwrites", 0, "0")


def test_two_spellings_in_one_bundle(folding: Rig) -> None:
    assert folding.bundle("rw", {"a": b"one", "A": b"two"}) == [0, Code.COLLISION]
    assert folding.read("rw/a") == b"one"


def test_a_half_is_hidden_under_any_spelling(folding: Rig) -> None:
    (folding.rw / "GIMMAL").mkdir()
    (folding.rw / "GIMMAL" / "half.json").write_bytes(b"keys")
    for path in ("rw/GIMMAL/half.json", "rw/gimmal/half.json", "rw/Gimmal/HALF.JSON"):
        assert folding.read(path) == Code.NOT_FOUND


def test_names_such_a_disk_cannot_hold(folding: Rig) -> None:
    for name in ("a?b", "a:b*", 'x"y'):
        answer = folding.upload(f"rw/{name}", b"x")
        assert isinstance(answer, Failed)
    assert folding.names("rw") == []


def test_where_all_names_differ_nothing_is_refused(rig: Rig) -> None:
    for pair in load("hostile_names.json")["no_collision"]:
        for name in pair:
            rig.upload(f"rw/{name}", name.encode())
        assert [rig.read(f"rw/{name}") for name in pair] == [name.encode() for name in pair]
    assert isinstance(rig.upload("rw/README", b"one"), Found)
    assert isinstance(rig.upload("rw/readme", b"two"), Found)
    assert not [name for name in os.listdir(rig.rw) if name.startswith(".gimmal")]


def test_each_device_is_tried_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    probes = []
    probe = collisions._probe
    monkeypatch.setattr(collisions, "_probe", lambda folder: probes.append(1) or probe(folder))
    for number in range(3):
        rig.upload(f"rw/{number}", b"")
    assert len(probes) == 1


def test_where_it_cannot_be_tried_each_name_is_looked_at(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> bool:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(collisions, "_probe", failing)
    (rig.rw / "there").write_bytes(b"")
    assert rig.code(OpenPart("rw/there", 1, SOURCE)) == Code.EXISTS
    assert isinstance(rig.upload("rw/there", b"x", replace=Replace.ALWAYS), Found)
    monkeypatch.setattr(collisions, "_listed", lambda *_: False)  # there, but under another name
    assert rig.upload("rw/there", b"y", replace=Replace.ALWAYS) == Failed(Code.COLLISION)
