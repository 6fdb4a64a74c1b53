"""Commands over several items: what can be done is done, what cannot is named, and the hint is the command's own."""

from __future__ import annotations

import os

from tests.endtoend.conftest import Desk


def test_ls_goes_on_past_what_is_not_there(desk: Desk) -> None:
    (desk.far / "here").mkdir()
    (desk.far / "here" / "file").write_bytes(b"x")
    result = desk.run("ls", desk.at("missing"), desk.at("here"), code=3)
    assert result.lines[-1] == "file"
    assert f"failed: {desk.at('missing')}: no such file or folder" in result.err
    *entries, error = desk.run("ls", "--json", desk.at("missing"), desk.at("here"), code=3).objects
    assert [entry["name"] for entry in entries] == ["file"]
    assert error["failures"] == [{"name": desk.at("missing"), "reason": "no such file or folder"}]


def test_cat_goes_on_past_what_is_not_there(desk: Desk) -> None:
    (desk.far / "file").write_bytes(b"bytes")
    result = desk.run("cat", desk.at("missing"), desk.at(), desk.at("file"), code=3)
    assert result.out_bytes == b"bytes"
    assert f"failed: {desk.at()}: it is a folder" in result.err


def test_a_failure_in_json_has_its_name(desk: Desk) -> None:
    for verb in ("stat", "df"):
        *_, error = desk.run(verb, "--json", desk.at("missing"), desk.at(), code=3).objects
        assert error["failures"] == [{"name": desk.at("missing"), "reason": "no such file or folder"}]


def test_json_says_what_was_done_beside_what_failed(desk: Desk) -> None:
    (desk.far / "there").mkdir()
    done, error = desk.run("mkdir", "--json", desk.at("there"), desk.at("new"), code=3).objects
    assert done == {"made": [desk.at("new")]}
    assert error["exit_code"] == 3
    done, error = desk.run("rm", "--json", "-r", desk.at("missing"), desk.at("new"), code=3).objects
    assert done == {"removed": 1}


def test_a_share_itself_is_not_removed_nor_emptied(desk: Desk) -> None:
    (desk.far / "kept").write_bytes(b"x")
    result = desk.run("rm", "-r", ":shared", code=4)
    assert "a share itself cannot be removed" in result.error
    assert (desk.far / "kept").read_bytes() == b"x"


def test_hints_are_the_commands_own(desk: Desk) -> None:
    (desk.far / "folder").mkdir()
    (desk.far / "one").write_bytes(b"1")
    (desk.far / "two").write_bytes(b"2")
    assert "hint: -p takes a folder" in desk.run("mkdir", desk.at("folder"), code=4).err
    assert "-p makes missing parents" in desk.run("mkdir", desk.at("deep/er"), code=4).err
    assert "gimmal ls" in desk.run("cat", desk.at("folder"), code=4).err
    moved = desk.run("mv", desk.at("one"), desk.at("two"), code=4)
    assert moved.error == f"{desk.at('one')} to {desk.at('two')}: it is already there"
    assert "--update" not in moved.err


def test_a_file_that_may_not_be_replaced_is_named_where_it_stands(desk: Desk) -> None:
    for folder in (desk.far, desk.near):
        (folder / "note").write_bytes(folder.name.encode() + str(folder).encode())
        (folder / "link").symlink_to(folder.name + str(len(str(folder))))
    for source, target, named in (
        ("note", desk.at(), desk.at("note")),
        (desk.at("note"), ".", str(desk.near / "note")),
        ("note", desk.at("link"), desk.at("link")),
    ):
        assert desk.run("cp", source, target, code=4).error == f"{named}: it is already there"
    assert desk.run("cp", "-r", desk.at("link"), ".", code=4).error == f"{desk.near / 'link'}: it is already there"
    (desk.far / "folder" / "note").mkdir(parents=True)
    error = desk.run("cp", "note", desk.at("folder"), "--overwrite", code=4).error
    assert error.startswith(f"{desk.at('folder/note')}: ")


def test_ls_of_several_begins_with_no_empty_line(desk: Desk) -> None:
    for name in ("one", "two"):
        (desk.far / name).mkdir()
    assert desk.run("ls", desk.at("missing"), desk.at("one"), code=3).lines == [desk.at("one")]
    assert desk.run("ls", desk.at("one"), desk.at("two")).lines == [desk.at("one"), "", desk.at("two")]


def test_a_dry_run_does_not_say_that_anything_was_copied(desk: Desk) -> None:
    (desk.near / "tree").mkdir()
    (desk.near / "tree" / "file").write_bytes(b"x")
    os.mkfifo(desk.near / "tree" / "pipe")
    for words, done in ((("cp", "-r"), "copied"), (("sync",), "synced")):
        result = desk.run(*words, "--dry-run", "tree", desk.at("new"), code=3)
        assert f"would copy: {desk.at('new/file')}" in result.out
        assert result.error == f"1 entry could not be {done}"
        assert "verified" not in result.err
        assert not (desk.far / "new").exists()


def test_links_are_named_as_links(desk: Desk) -> None:
    (desk.far / "link").symlink_to("nowhere")
    result = desk.run("cat", desk.at("link"), code=4)
    assert result.error == f"{desk.at('link')}: symbolic links are not followed"
    result = desk.run("cp", desk.at("link"), ".", code=4)
    assert result.error == f"{desk.at('link')}: symbolic links are not followed"
    assert "-r copies" in result.err


def test_one_link_is_one(desk: Desk) -> None:
    (desk.near / "tree").mkdir()
    (desk.near / "tree" / "link").symlink_to("nowhere")
    assert desk.run("sync", "tree", desk.at("new")).err.rstrip().endswith("; 1 symbolic link")


def test_a_share_itself_is_not_moved(desk: Desk) -> None:
    assert desk.run("mv", ":shared", ":other", code=4).error == ":shared: a share itself cannot be moved"
