"""The row measures what its table says, on this machine's loopback and at a hundredth of the work."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from bench.as_if_here import _Place, _Work
from bench.copying import Wish

from bench import as_if_here

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not os.path.exists("/dev/fuse"), reason="nothing can be mounted here"
)


def measured(place: _Place, kinds: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[list[list[str]], str]:
    monkeypatch.setattr(as_if_here, "_PLACES", (place,))
    # Unix sockets have names of at most 107 bytes; pytest's folders are too deep.
    with tempfile.TemporaryDirectory(prefix="gm-", dir="/tmp") as folder:
        report = as_if_here.measure(Wish(1, Path(folder), percent=2, kinds=kinds))
        assert list(Path(folder).iterdir()) == []
    (table,) = report.tables
    assert report.goals == []
    return table.rows, table.note


def test_everyone_reads_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyfuse3")
    place = _Place("loopback", (_Work("read", as_if_here._large(64 << 20)),))
    rows, note = measured(place, [], monkeypatch)
    assert [row[:2] for row in rows] == [["loopback", "read in order"]]
    for cell in rows[0][2:5]:
        assert "(one run) MB/s" in cell or "is not installed" in note
    assert float(rows[0][5]) > 0 or "is not installed" in note


def test_the_mount_is_walked_changed_and_read_here_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyfuse3")
    works = (
        _Work("random", as_if_here._large(64 << 20), ("5",)),
        _Work("find", as_if_here._tree),
        _Work("late", as_if_here._tree, ("1",)),
        _Work("git", as_if_here._repository),
        _Work("patch", as_if_here._document),
        _Work("replace", as_if_here._document),
        _Work(as_if_here.EDIT, as_if_here._document),
    )
    rows, note = measured(_Place("loopback", works), ["gimmal"], monkeypatch)
    assert "Remarks" not in note
    assert [row[1] for row in rows] == [
        "4 KiB here and there",
        "find, cold",
        "find, again",
        "find with sizes, again",
        "find at home",
        "a new name is seen after",
        "a new size is seen after",
        "git status, cold",
        "git status, again",
        "10 KiB written over, program goes on",
        "10 KiB written over, at home",
        "saved by rename, program goes on",
        "saved by rename, at home",
        "saved in gimmal edit, at home",
    ]
    assert all("(one run) s" in row[2] and row[3:] == ["", "", "", ""] for row in rows)


def test_who_cannot_mount_is_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    place = _Place("loopback", (_Work("read", as_if_here._large(64 << 20)),))
    rows, note = measured(place, ["sshfs"], monkeypatch)
    assert rows == []
    assert "apt-get install" in note.partition("Remarks: ")[2]
