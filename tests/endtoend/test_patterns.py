"""Patterns for the other side, as they are typed to scp: quoted, for no shell can fill them in."""

from __future__ import annotations

import pytest

from tests.endtoend.conftest import Desk


@pytest.fixture
def photos(desk: Desk) -> Desk:
    for name in ("a.jpg", "b.jpg", "c.png", ".d.jpg", "*.gif", "x.gif"):
        (desk.far / name).write_bytes(name.encode())
    for name in ("2025", "2026"):
        (desk.far / name).mkdir()
        (desk.far / name / "day.jpg").write_bytes(name.encode())
    return desk


def test_cp_copies_what_fits(photos: Desk) -> None:
    assert "copied 2 files" in photos.run("cp", photos.at("*.jpg"), ".").err
    assert sorted(path.name for path in photos.near.iterdir()) == ["a.jpg", "b.jpg"]
    photos.run("cp", "-r", photos.at("20*"), ".")
    assert (photos.near / "2026" / "day.jpg").read_bytes() == b"2026"
    photos.run("cp", photos.at("*.png"), "one.png")
    assert (photos.near / "one.png").read_bytes() == b"c.png"


def test_cp_of_several_needs_a_folder_and_each_a_name_of_its_own(photos: Desk) -> None:
    assert photos.run("cp", photos.at("*.jpg"), "new.jpg", code=4).error == "new.jpg: no such file or folder"
    assert "would both become" in photos.run("cp", photos.at("*/day.jpg"), ".", code=2).error
    assert list(photos.near.iterdir()) == []


def test_cp_on_the_other_side_and_of_what_fits_nothing(photos: Desk) -> None:
    photos.run("cp", photos.at("[ab].jpg"), photos.at("2026/"))
    assert sorted(path.name for path in (photos.far / "2026").iterdir()) == ["a.jpg", "b.jpg", "day.jpg"]
    assert photos.run("cp", photos.at("*.tif"), ".", code=4).error == f"{photos.at('*.tif')}: no such file or folder"


def test_a_name_that_holds_a_star_is_that_file_alone(photos: Desk) -> None:
    photos.run("rm", photos.at("*.gif"))
    assert not (photos.far / "*.gif").exists()
    assert (photos.far / "x.gif").exists()


def test_the_other_commands(photos: Desk) -> None:
    assert photos.run("cat", photos.at("?.jpg")).out == "a.jpgb.jpg"
    assert photos.run("ls", photos.at("?.jpg")).lines == [photos.at("a.jpg"), photos.at("b.jpg")]
    lines = photos.run("ls", photos.at("[c2]*")).lines
    assert lines == [photos.at("c.png"), "", photos.at("2025"), "day.jpg", "", photos.at("2026"), "day.jpg"]
    assert [line for line in photos.run("stat", photos.at("?.png")).lines if line.startswith("path")]
    photos.run("mv", photos.at("?.jpg"), photos.at("2025"))
    assert sorted(path.name for path in (photos.far / "2025").iterdir()) == ["a.jpg", "b.jpg", "day.jpg"]
    photos.run("rm", photos.at("2025/?.jpg"))
    assert sorted(path.name for path in (photos.far / "2025").iterdir()) == ["day.jpg"]
    assert photos.run("mv", ":share?", ":other", code=4).error == ":shared: a share itself cannot be moved"
