"""Folders of a copy: made before what they hold, given their attributes after it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.features import FIDELITY
from gimmal.protocol.limits import REMOVE_MANY_MAX
from gimmal.protocol.messages import Attributes, Entry, FolderTimes, Kind, Page, Xattrs
from gimmal.remote.copy_deciding import names_of
from gimmal.remote.files import Files
from gimmal.remote.progress import Progress


class FolderCopier:
    """Makes the folders of one tree and gives them time, mode and extended attributes at the end.

    Args:
        source, target: the trees.
        progress: what is counted.
        xattrs: copy extended attributes; both sides know how.
        fail: told the side, the path and the error of a folder that could not be made.
        would: told the path of each folder instead of making it, in a dry run.
    """

    def __init__(
        self,
        source: Files,
        target: Files,
        progress: Progress,
        *,
        xattrs: bool,
        fail: Callable[[Files, str, GimmalError], None],
        would: Callable[[str], None] | None,
    ) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._xattrs = xattrs
        self._fail = fail
        self._would = would
        # A side that is older would set them each time anew and never say what it has.
        self._compared = target.offers(FIDELITY)
        self._there: dict[str, Xattrs] = {}
        self._times: list[FolderTimes] = []

    async def examine(self, source_path: str) -> Xattrs:
        """The extended attributes of the folder that is copied itself, for ``begin``."""
        if not self._xattrs:
            return ()
        # What keeps a folder from being read is told by its tree.
        with contextlib.suppress(RemoteError):
            examined = await self._source.examine(source_path)
            self._progress.bare += examined.bare
            return examined.xattrs
        return ()

    def begin(
        self, source_path: str, attributes: Attributes, target_path: str, there: Attributes | None, xattrs: Xattrs
    ) -> None:
        """The folder that is copied itself, which is made by now or was there."""
        self._there.clear()
        mode = self.mode_of(source_path, attributes)
        self._times = [FolderTimes(target_path, attributes.mtime_ns, mode, xattrs)]
        if there is not None and (not self._compared or _same(attributes, there, mode)):
            self._times = []

    def mode_of(self, source_path: str, attributes: Attributes) -> int | None:
        """The mode that the copy of a folder gets; None where the source does not tell."""
        return attributes.mode if self._source.tells_mode(source_path) else None

    def found_there(self, entry: Entry) -> None:
        """A folder that the target has already."""
        if entry.xattrs:
            self._there.update((name, entry.xattrs) for name in names_of(entry))

    async def make(self, page: Page, target_path: str, existing: dict[str, Attributes]) -> set[str]:
        """Make the folders of a page; returns those that could not be made."""
        blocked: set[str] = set()
        missing: list[Entry] = []
        for entry in page.entries:
            if entry.attributes.kind is Kind.DIRECTORY:
                there = existing.get(entry.name)
                self._progress.bare += entry.bare
                if there is None:
                    missing.append(entry)
                elif there.kind is not Kind.DIRECTORY:
                    blocked.add(entry.name)
                    self._fail(self._target, f"{target_path}/{entry.name}", error_of_code(Code.NOT_A_DIRECTORY, ""))
                elif self._differs(entry, there):
                    self._times.append(_times(f"{target_path}/{entry.name}", entry))
        for start in range(0, len(missing), REMOVE_MANY_MAX):
            some = missing[start : start + REMOVE_MANY_MAX]
            paths = [f"{target_path}/{entry.name}" for entry in some]
            if self._would is not None:
                for path in paths:
                    self._would(path)
                continue
            codes = await self._target.make_directories(paths, exist_ok=True)
            for entry, path, code in zip(some, paths, codes, strict=True):
                if code:
                    blocked.add(entry.name)
                    self._fail(self._target, path, self._target.error(code))
                else:
                    self._progress.folders += 1
                    self._times.append(_times(path, entry))
        return blocked

    async def finish(self) -> None:
        """Give the folders what they have in the source, the deepest first, since making entries changes them."""
        if self._would is not None:
            return
        self._times.reverse()
        for start in range(0, len(self._times), REMOVE_MANY_MAX):
            some = self._times[start : start + REMOVE_MANY_MAX]
            codes = await self._target.set_attributes(some)
            for item, code in zip(some, codes, strict=True):
                if code == Code.NOT_STORED:
                    self._progress.bare += 1
                elif code and code != Code.NOT_GRANTED:
                    self._fail(self._target, item.path, self._target.error(code))

    def _differs(self, entry: Entry, there: Attributes) -> bool:
        """Whether a folder that is there, perhaps since an interruption, has still to be given what the source has."""
        if not self._compared:
            return False
        given = entry.xattrs and self._there.get(entry.name) != entry.xattrs
        return bool(given) or not _same(entry.attributes, there, entry.attributes.mode)


def _times(path: str, entry: Entry) -> FolderTimes:
    return FolderTimes(path, entry.attributes.mtime_ns, entry.attributes.mode, entry.xattrs)


def _same(source: Attributes, there: Attributes, mode: int | None) -> bool:
    return source.mtime_ns == there.mtime_ns and (mode is None or mode & 0o777 == there.mode & 0o777)
