"""When a document counts as saved."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gimmal.base.inotify import Mask
from gimmal.frontends.edit import watching
from gimmal.frontends.edit.watching import SETTLE_SECONDS, WRITING_SECONDS, FolderWatch, SaveTimer
from tests.patience import PATIENCE


def timer(*events: tuple[float, int, bytes]) -> SaveTimer:
    made = SaveTimer(b"a.txt")
    for now, mask, name in events:
        made.happened(mask, name, now)
    return made


class TestTimer:
    def test_a_file_that_is_closed_after_writing_is_due_when_it_is_quiet(self) -> None:
        made = timer((1.0, Mask.MODIFY, b"a.txt"), (1.1, Mask.CLOSE_WRITE, b"a.txt"))
        assert made.due == 1.1 + SETTLE_SECONDS
        made.looked()
        assert made.due is None

    def test_a_file_that_stays_open_is_due_after_a_longer_quiet(self) -> None:
        assert timer((1.0, Mask.MODIFY, b"a.txt"), (2.0, Mask.MODIFY, b"a.txt")).due == 2.0 + WRITING_SECONDS

    def test_a_file_that_was_renamed_away_is_waited_for(self) -> None:
        before = timer((1.0, Mask.CLOSE_WRITE, b"a.txt"), (1.01, Mask.MOVED_FROM, b"a.txt"))
        assert before.due is None
        before.happened(Mask.MOVED_TO, b"a.txt", 1.02)
        assert before.due == 1.02 + SETTLE_SECONDS

    def test_other_files_are_nothing_but_the_steps_of_a_save(self) -> None:
        assert timer((1.0, Mask.CLOSE_WRITE, b"b.txt"), (1.0, Mask.MOVED_TO, b"a.txt~")).due is None
        made = timer((1.0, Mask.MOVED_TO, b"a.txt"), (1.03, Mask.MOVED_TO, b"a.txt~"))
        assert made.due == 1.03 + SETTLE_SECONDS
        # What a program goes on to write elsewhere holds nothing up.
        made.happened(Mask.MODIFY, b"b.txt", 1.07)
        assert made.due == 1.03 + SETTLE_SECONDS

    def test_lost_events_are_looked_for(self) -> None:
        assert timer((1.0, Mask.Q_OVERFLOW, b"")).due == 1.0 + SETTLE_SECONDS


def saves_seen(folder: Path, save: Callable[[], None]) -> bool:
    async def main() -> bool:
        watch = FolderWatch(folder, "a.txt")
        try:
            waiting = asyncio.ensure_future(watch.until_due())
            await asyncio.sleep(0)
            save()
            await asyncio.wait_for(waiting, PATIENCE)
        finally:
            watch.close()
        return True

    return asyncio.run(main())


class TestFolder:
    def test_a_save_in_place(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one")
        assert saves_seen(tmp_path, lambda: (tmp_path / "a.txt").write_text("two") and None)

    def test_a_save_by_rename(self, tmp_path: Path) -> None:
        def save() -> None:
            (tmp_path / "new").write_text("two")
            os.rename(tmp_path / "new", tmp_path / "a.txt")

        assert saves_seen(tmp_path, save)

    def test_where_the_system_tells_nothing_it_is_looked_every_now_and_then(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none() -> None:
            raise OSError

        monkeypatch.setattr(watching, "Inotify", none)
        monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
        assert saves_seen(tmp_path, lambda: None)
