"""Options that fingers type by habit, from ls, cp, scp, rsync, rm and df, do what is meant."""

from __future__ import annotations

from tests.endtoend.conftest import Desk


def test_ls_and_df_take_what_is_typed_at_the_shell(desk: Desk) -> None:
    (desk.far / ".hidden").write_bytes(b"x" * 2000)
    for words in (["ls", "-la"], ["ls", "-lh"], ["ls", "-lah"]):
        (line,) = desk.run(*words, desk.at()).lines
        assert line.endswith(".hidden")
        assert " 2 kB " in line
    assert desk.run("ls", "-ah", desk.at()).lines == [".hidden"]
    assert desk.run("df", "-h", ":shared").lines[0].split() == ["size", "used", "available", "path"]
    for verb in ("ls", "df"):
        assert desk.run(verb, "--help").out.startswith(f"Usage: gimmal {verb} ")


def test_cp_takes_p_a_and_u(desk: Desk) -> None:
    (desk.near / "tree").mkdir()
    (desk.near / "tree" / "note").write_bytes(b"one")
    desk.run("cp", "-a", "tree", desk.at())
    desk.run("cp", "-rp", "tree", desk.at("again"))
    assert (desk.far / "tree" / "note").stat().st_mtime_ns == (desk.near / "tree" / "note").stat().st_mtime_ns
    assert (desk.far / "again" / "note").read_bytes() == b"one"
    (desk.near / "tree" / "note").write_bytes(b"newer")
    desk.run("cp", "-p", "tree/note", desk.at("tree/note"), code=4)
    desk.run("cp", "-pu", "tree/note", desk.at("tree/note"))
    assert (desk.far / "tree" / "note").read_bytes() == b"newer"


def test_rm_mkdir_and_sync_take_the_long_names_and_the_other_letters(desk: Desk) -> None:
    desk.run("mkdir", "--parents", desk.at("one/two"))
    assert (desk.far / "one" / "two").is_dir()
    desk.run("rm", "-R", desk.at("one"))
    desk.run("mkdir", "-p", desk.at("one/two"))
    desk.run("rm", "--recursive", "--force", desk.at("one"), desk.at("never"))
    assert list(desk.far.iterdir()) == []
    (desk.near / "tree").mkdir()
    (desk.near / "tree" / "note").write_bytes(b"one")
    assert desk.run("sync", "-n", "tree", desk.at("new")).lines[-1] == f"would copy: {desk.at('new/note')}"
    assert list(desk.far.iterdir()) == []


def test_the_names_of_scp_and_rsync_are_understood_and_refused_with_what_to_write(desk: Desk) -> None:
    (desk.near / "note").write_bytes(b"one")
    (desk.near / "a:b").write_bytes(b"one")
    for words, hint in (
        (("cp", "note", "garden:Documents"), "write :Documents"),
        (("cp", "garden:Documents/note", "."), "write :Documents/note"),
        (("sync", "anna@garden:Documents", "there"), "write :Documents"),
        (("cp", "note", "a:b"), "write :PATH for the other side, or use cp"),
    ):
        assert hint in desk.run(*words, code=2).err.splitlines()[-1]
