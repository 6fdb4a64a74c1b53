"""``gimmal conflicts``: both sides changed a file, and a person decides."""

from __future__ import annotations

from pathlib import Path

from tests.endtoend.conftest import Desk
from tests.endtoend.test_edit import KEEPING, a_program, folder_of


def make_conflict(desk: Desk, name: str) -> Path:
    """Two versions of a file; the one that was edited on computer b."""
    document = desk.far / name
    document.write_text("as it was\n")
    for left in ("go", "opened"):
        (desk.near / left).unlink(missing_ok=True)
    process = desk.start("edit", "--program", a_program(desk, KEEPING + 'echo mine >> "$1"\n'), desk.at(name))
    folder_of(desk)
    document.write_text("theirs now\n")
    (desk.near / "go").touch()
    process.wait_line("conflict: ", of_err=True)
    assert process.wait().code == 0
    (ours,) = desk.far.glob(f"{document.stem} (conflict *")
    return ours


def test_a_conflict_is_listed_until_it_is_settled(desk: Desk) -> None:
    assert desk.run("conflicts").err == "no conflicts\n"
    ours = make_conflict(desk, "a.txt")
    (one,) = desk.json("conflicts", "list")
    assert (one["path"], one["mine"]) == (desk.at("a.txt")[1:], desk.at(ours.name)[1:])
    assert one["whole"] is True
    lines = desk.run("conflicts").lines
    assert lines[0] == f"{one['id'][:8]}  {desk.at('a.txt')}"
    assert desk.at(ours.name) in lines[1]
    assert desk.run("conflicts", "keep-both", desk.at("a.txt")).out == f"kept both: {desk.at('a.txt')}\n"
    assert desk.run("conflicts").err == "no conflicts\n"
    assert ours.read_text() == "as it was\nmine\n"
    assert "no such conflict" in desk.run("conflicts", "keep-both", one["id"], code=4).error


def test_mine_takes_the_place_and_theirs_goes_to_the_trash(desk: Desk) -> None:
    ours = make_conflict(desk, "a.txt")
    (one,) = desk.json("conflicts", "list")
    assert desk.run("conflicts", "keep-mine", one["id"][:8]).out == f"kept yours: {desk.at('a.txt')}\n"
    assert (desk.far / "a.txt").read_text() == "as it was\nmine\n"
    assert not ours.exists()
    (entry,) = [each for each in desk.json("trash", "list", ":shared") if f"{desk.far.name}/" in each["path"]]
    desk.run("trash", "restore", ":shared", entry["id"], "--to", f"{desk.far.name}/theirs.txt")
    assert (desk.far / "theirs.txt").read_text() == "theirs now\n"
    assert desk.run("conflicts").err == "no conflicts\n"


def test_theirs_stays_and_mine_goes_to_the_trash(desk: Desk) -> None:
    ours = make_conflict(desk, "a.txt")
    result = desk.json("conflicts", "keep-theirs", desk.at(ours.name))
    assert [(one["settled"], one["trashed"]) for one in result] == [("theirs", True)]
    assert (desk.far / "a.txt").read_text() == "theirs now\n"
    assert not ours.exists()
    assert desk.run("conflicts").err == "no conflicts\n"


def test_what_nobody_here_has_seen_is_not_put_away(desk: Desk) -> None:
    make_conflict(desk, "a.txt")
    (desk.far / "a.txt").write_text("and changed once more\n")
    (one,) = desk.json("conflicts", "list")
    assert "changed" in desk.run("conflicts", "keep-mine", one["id"], code=4).error
    assert (desk.far / "a.txt").read_text() == "and changed once more\n"
    desk.run("conflicts", "keep-both", one["id"])
