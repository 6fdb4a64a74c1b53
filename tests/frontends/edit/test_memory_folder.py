"""Where documents are edited: in memory, guarded, and nothing of it left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gimmal.base.errors import LocalError
from gimmal.frontends.edit import memory_folder, wiping
from gimmal.frontends.edit.memory_folder import PREFIX, DocumentFolder
from tests.endtoend.world import until


class TestWiping:
    def test_names_go_and_bytes_are_overwritten(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        (folder / "deep" / "er").mkdir(parents=True)
        for name in ("a", "deep/b", "deep/er/c"):
            (folder / name).write_bytes(b"secret" * 1000)
        (folder / "deep/b").chmod(0o400)
        with open(folder / "a", "rb") as one, open(folder / "deep/er/c", "rb") as other:
            assert wiping.wipe(str(folder))
            assert one.read() == other.read() == bytes(6000)
        assert not folder.exists()

    def test_links_and_further_names_lead_to_nothing_else(self, tmp_path: Path) -> None:
        folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        for name in ("target", "named"):
            (elsewhere / name).write_text("stays")
        (folder / "link").symlink_to(elsewhere / "target")
        (folder / "folder").symlink_to(elsewhere)
        os.link(elsewhere / "named", folder / "name")
        os.mkfifo(folder / "pipe")
        assert wiping.wipe(str(folder))
        assert {path.read_text() for path in elsewhere.iterdir()} == {"stays"}

    def test_more_files_than_can_be_open(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wiping, "OPEN_MAX", 3)
        folder = tmp_path / "folder"
        folder.mkdir()
        for number in range(10):
            (folder / str(number)).write_text("secret")
        assert wiping.wipe(str(folder))

    def test_a_huge_hole_takes_no_time(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        with open(folder / "a", "wb") as file:
            file.truncate(1 << 40)
            file.seek(1 << 39)
            file.write(b"secret")
        assert wiping.wipe(str(folder))

    @pytest.mark.parametrize(("word", "left"), [(b"", False), (wiping.KEEP, True)])
    def test_the_guard_wipes_when_its_pipe_is_closed(self, tmp_path: Path, word: bytes, left: bool) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "a").write_text("secret")
        done = subprocess.run([sys.executable, "-I", "-S", wiping.__file__, folder], input=word, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        assert folder.exists() is left


class TestFolder:
    def test_it_lies_in_memory_for_this_user_alone(self) -> None:
        folder = DocumentFolder.make(1000, on_disk=False)
        try:
            assert folder.in_memory
            assert folder.path.stat().st_mode & 0o777 == 0o700
            (folder.path / "a").write_text("secret")
        finally:
            folder.remove()
        assert not folder.path.exists()
        folder.remove()

    def test_one_that_is_kept_stays(self) -> None:
        folder = DocumentFolder.make(1000, on_disk=False)
        before = folder.path
        (before / "a").write_text("unsaved")
        kept = folder.keep()
        folder.remove()
        assert (kept / "a").read_text() == "unsaved"
        assert not before.exists()
        assert wiping.wipe(str(kept))

    def test_a_document_that_memory_cannot_take_is_refused_unless_a_disk_will_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(LocalError, match="memory has no room for it"):
            DocumentFolder.make(1 << 50, on_disk=False)
        monkeypatch.setattr(memory_folder, "_memory_places", list)
        with pytest.raises(LocalError, match="no file system in memory"):
            DocumentFolder.make(1, on_disk=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        folder = DocumentFolder.make(1, on_disk=True)
        assert not folder.in_memory
        assert folder.path.parent == tmp_path
        folder.remove()
        assert list(tmp_path.iterdir()) == []

    def test_what_a_crash_left_goes_the_next_time_and_what_is_in_use_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory_folder, "_memory_places", lambda: [tmp_path])
        left, fresh = tmp_path / f"{PREFIX}left", tmp_path / f"{PREFIX}fresh"
        for path in (left, fresh):
            path.mkdir()
            (path / "a").write_text("secret")
        old = time.time() - 100
        os.utime(left, (old, old))
        used = DocumentFolder.make(1, on_disk=False)
        os.utime(used.path, (old, old))
        other = DocumentFolder.make(1, on_disk=False)
        assert {path.name for path in tmp_path.iterdir()} == {used.path.name, other.path.name, fresh.name}
        for folder in (used, other):
            folder.remove()

    def test_its_guard_removes_it_when_its_maker_is_killed(self, tmp_path: Path) -> None:
        script = (
            "import os, signal\n"
            "from gimmal.frontends.edit.memory_folder import DocumentFolder\n"
            "folder = DocumentFolder.make(1, on_disk=False)\n"
            "(folder.path / 'a').write_text('secret')\n"
            "print(folder.path, flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        path = Path(done.stdout.strip())
        assert path.name.startswith(PREFIX)
        until(lambda: not path.exists(), "the guard removes it")


def test_swap_in_compressed_memory_is_none() -> None:
    with open("/proc/swaps", encoding="utf-8") as swaps:
        lines = swaps.readlines()[1:]
    assert memory_folder.swap_in_use() is any("zram" not in line for line in lines)
