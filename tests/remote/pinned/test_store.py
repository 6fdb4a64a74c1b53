"""The lists of what is pinned: sealed, bounded, changed by one program at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from gimmal.base.errors import LocalError
from gimmal.protocol.messages import Attributes, Entry, Kind
from gimmal.remote.pinned.store import PINS_MAX, PinnedFolder, PinnedStore, PinnedTree

KEY = bytes(range(32))
FILE = Attributes(Kind.FILE, 5, 5, 0o644, 7)


def store(tmp_path: Path, key: bytes = KEY) -> PinnedStore:
    return PinnedStore(tmp_path, key, tmp_path)


def test_what_is_pinned_stays_and_is_noise_to_others(tmp_path: Path) -> None:
    made = store(tmp_path)
    assert made.pins() == []
    assert made.tree() == PinnedTree()
    made.pin(["share/secret name", "share/b"])
    made.keep_tree(PinnedTree(12, [PinnedFolder("share/b", True, [Entry("hidden", FILE)])], [("share/b/hidden", FILE)]))
    assert store(tmp_path).pins() == ["share/b", "share/secret name"]
    assert store(tmp_path).tree().files == [("share/b/hidden", FILE)]
    for file in (tmp_path / "pinned").iterdir():
        assert b"secret" not in file.read_bytes()
        assert b"hidden" not in file.read_bytes()
    with pytest.raises(LocalError, match="cannot be read"):
        store(tmp_path, bytes(32)).pins()


def test_a_list_cannot_stand_in_for_another(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.pin(["share/a"])
    made.keep_tree(PinnedTree())
    (tmp_path / "pinned" / "tree").write_bytes((tmp_path / "pinned" / "pins").read_bytes())
    with pytest.raises(LocalError, match="cannot be read"):
        made.tree()


def test_unpinning_forgets_what_only_it_needed(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.pin(["s/a", "s/b"])
    folders = [PinnedFolder(path, path not in ("", "s"), []) for path in ("", "s", "s/a", "s/b")]
    made.keep_tree(PinnedTree(12, folders, [("s/a/one", FILE), ("s/b/two", FILE)]))
    assert [(one.path, one.files, one.kept, one.at) for one in made.state()] == [("s/a", 1, 0, 12), ("s/b", 1, 0, 12)]
    assert made.unpin("s/a")
    assert not made.unpin("s/a")
    made.prune()
    assert [folder.path for folder in made.tree().folders] == ["", "s", "s/b"]
    assert made.tree().files == [("s/b/two", FILE)]
    made.unpin("s/b")
    made.prune()
    assert made.tree().folders == []


def test_there_is_a_bound(tmp_path: Path) -> None:
    made = store(tmp_path)
    with pytest.raises(LocalError, match="are pinned"):
        made.pin([f"s/{number}" for number in range(PINS_MAX + 1)])
    assert made.pins() == []


def test_one_program_at_a_time_fetches(tmp_path: Path) -> None:
    with store(tmp_path).fetching(0.0):
        with pytest.raises(LocalError, match="another program"), store(tmp_path).fetching(0.0):
            pass
        store(tmp_path).pin(["s/a"])  # which takes no part in it
    with store(tmp_path).fetching(0.0):
        pass
