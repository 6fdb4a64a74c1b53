"""Places found by what is known of their folder are those that the guard finds, name for name."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.paths import DEPTH_MAX
from gimmal.share.places import Access, Place, Places
from gimmal.share.refused import RefusedError
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.share.siblings import Siblings
from tests.share.rig import Rig

NAMES = [
    "a", "a/b", "a/c", "/a", "//a", "a//b", "a/", "", ".", "..", "a/..", "a/../b", "./a", "a/.", ".hidden", "a/.hidden",
    "c:", "c:x", "a/c:x", "x:y", "gimmal", "GIMMAL", "a/Gimmal", "gimmal/half.json", "gimmal/x", "GIMMAL/state-0",
    ".gimmal-part-x", "a/.GIMMAL-PART-x", ".gimmal-trash", "a/.gimmal-trash", "\u20ac", "a/\u20ac", "\uee5c",
    "a\uee5cb", "\uee5c/a", "a\\b", "a\0b", "a\nb", "a ", "a.", "a\u200bb", "x" * 200, "x" * 201, "x" * 255, "x" * 256,
    "/".join(["d"] * DEPTH_MAX), "/".join(["d"] * (DEPTH_MAX + 1)), "/".join(["y" * 200] * 20) + "/" + "z" * 74,
    "/".join(["y" * 200] * 20) + "/" + "z" * 75, "/".join(["\u00e9" * 100] * 20) + "/" + "z" * 200, "~", "%2e%2e",
    "$HOME",
]  # fmt: skip


def _both(places: Places, folder: Place, names: list[str], access: Access) -> None:
    siblings = Siblings(places, folder, access)

    def found(find: object, name: str) -> object:
        try:
            return find(name)  # type: ignore[operator]
        except RefusedError as refused:
            return refused.code

    for name in names:
        assert found(siblings.find, name) == found(lambda each: places.below(folder, each, access), name), name


@pytest.mark.parametrize("access", list(Access))
@pytest.mark.parametrize("folder", ["rw", "rw/a", "ro", "drop", "rw/gimmal", "half"])
def test_every_name_twice(rig: Rig, folder: str, access: Access) -> None:
    (rig.rw / "a").mkdir()
    (rig.rw / "gimmal").mkdir()
    (rig.rw / "a" / "GIMMAL").mkdir()
    (rig.rw / "a" / "GIMMAL" / "half.json").write_text("{}")
    (rig.rw / os.fsdecode(b"a\\b")).write_text("mapped")
    shares = ShareTable(
        [Share("rw", rig.rw, Rights.READ_WRITE), Share("ro", rig.ro, Rights.READ_ONLY),
         Share("drop", rig.rw, Rights.DROP), Share("half", rig.rw / "gimmal", Rights.READ_WRITE)]
    )  # fmt: skip
    places = Places(shares)
    try:
        for how in (Access.LOOK, Access.CREATE):
            try:
                above = places.find(folder, how)
                break
            except RefusedError:
                continue
        _both(places, above, NAMES * 2, access)
    finally:
        places.close()


@given(st.lists(st.text(alphabet="ab/.\\:\u00e9\uee5c\0 ", max_size=12), max_size=6))
def test_any_names(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    places = Places(ShareTable([Share("s", tmp_path_factory.getbasetemp(), Rights.READ_WRITE)]))
    try:
        _both(places, places.find("s", Access.LOOK), names, Access.LOOK)
    finally:
        places.close()
