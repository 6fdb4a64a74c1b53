"""A tree that never ends is met with an error, not with all of this computer's memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Attributes, Entry, Kind, Page
from gimmal.remote import alongside, removing
from gimmal.remote.copy_tree import CopyOptions, TreeCopier
from gimmal.remote.progress import Progress

FOLDER = Attributes(Kind.DIRECTORY, 0, 0, 0o755, 1)


class Endless:
    """A tree that goes on for ever, and counts what was asked of it."""

    def __init__(self) -> None:
        self.pages = 0

    async def stat(self, path: str) -> Attributes:
        return FOLDER

    bundle_room = 1 << 20
    side = None

    def offers(self, feature: int) -> bool:
        return False

    def tells_mode(self, path: str) -> bool:
        return True

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        while True:
            self.pages += 1
            yield Page([Entry(f"{self.pages}-{index}", FOLDER) for index in range(100)], 1)

    def shown(self, path: str) -> str:
        return path


@pytest.mark.parametrize("what", ["target of a copy", "folder to remove"])
def test_it_ends_with_an_error(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alongside, "ENTRIES_MAX", 1_000)
    monkeypatch.setattr(removing, "ENTRIES_MAX", 1_000)
    files: Any = Endless()

    if what == "target of a copy":
        source: Any = Endless()
        copier = TreeCopier(source, files, CopyOptions(), Progress())
        with pytest.raises(RemoteError, match="more than"):
            asyncio.run(copier.copy_folder("s/x", FOLDER, "s/y"))
    else:
        removed, failures = asyncio.run(removing.remove(files, ["s/x"], recursive=True, missing_ok=False))
        assert removed == 0
        assert "more than" in failures[0][1]
    assert files.pages <= 12
