"""What was written of one open file, on its way home: at once where it is small, else ahead into a patch."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from gimmal.base.errors import DeadlinePassed, GimmalError, Interrupted, RemoteError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import EDIT_DATA_MAX, EDIT_RANGES_MAX
from gimmal.protocol.messages import Attributes, Kind, Replace
from gimmal.remote.edits.common import Common
from gimmal.remote.edits.reading_back import holds
from gimmal.remote.files import Files, shown, version_of
from gimmal.remote.patching import Patch, open_patch, save_ranges

if TYPE_CHECKING:
    from gimmal.remote.edits.edited_file import EditedFile

TIME_STEP_NS = 2_000_000_000
"""The coarsest steps in which a disk keeps times."""


class Sending:
    """Of one file. The caller holds the file's lock, but for ``ahead``.

    Args:
        common: shared by all open files.
        edited: the file.
    """

    def __init__(self, common: Common, edited: EditedFile) -> None:
        self._common = common
        self._edited = edited
        self._patch: Patch | None = None
        self._files: Files | None = None
        """The session of the patch, with which it ends."""
        self._late: asyncio.Task[GimmalError | None] | None = None
        """A write that took too long and goes on."""

    async def home(self) -> Attributes:
        """Give the other side what is here as the new version; the caller holds the lock.

        Raises:
            RemoteError: ``changed`` or ``exists`` where the other side has another version; what it says otherwise.
            UnreachableError: it cannot be asked; whether it was done is not known.
        """
        content = self._edited.content
        quick = content.unsent.total <= EDIT_DATA_MAX and len(content.unsent) <= EDIT_RANGES_MAX // 2
        async with self._common.view.changing(self._edited.path, same=True) as change:
            if self._patch is None and quick:
                attributes = await self._send_at_once()
            else:
                await self._send_all()
                attributes = await self._commit("")
            change.done(attributes)
        return attributes

    async def _send_at_once(self) -> Attributes:
        content = self._edited.content
        ranges = [piece for start, end in content.unsent for piece in content.held.within(start, end)]
        saving = save_ranges(
            await self._common.files(),
            self._edited.path,
            base=self._edited.base_version,
            kept=content.kept if self._edited.at_home else 0,
            size=content.size,
            replace=Replace.EXPECTED if self._edited.at_home else Replace.NEVER,
            ranges=ranges,
            mtime_ns=self._edited.mtime_ns,
            mode=self._edited.mode,
            durable=True,
        )
        return await self._common.step(saving, _length(ranges))

    async def ahead(self, most: int) -> None:
        """Send what was written into the patch, and forget of it here what is more than ``most`` bytes.

        Others write meanwhile: the lock is held for one piece after another. No more is sent than was there to send.

        Raises:
            GimmalError: it cannot be sent; nothing is lost by that.
        """
        left = self._edited.content.unsent.total
        while left > 0:
            async with self._edited.locked():
                if self._edited.removed or self._edited.last:
                    return
                left -= self._common.piece
                more = await self._send_next()
                left = left if more else 0
                if self._patch is not None:
                    self._edited.content.forget_sent(most)

    async def _send_all(self) -> None:
        while await self._send_next():
            pass

    async def _send_next(self) -> bool:
        """Send one piece of what is not in the patch; False where nothing is left."""
        content = self._edited.content
        if not content.unsent and content.cut_to is None:
            return False
        try:
            patch = await self._open_patch()
            if self._late is not None:
                # It sends what may be old by now: what is unsent follows it.
                await self._common.step(asyncio.shield(self._late))
                self._late = None
            if content.cut_to is not None:
                await self._common.step(patch.truncate(content.cut_to))
                content.cut_to = None
            for start, end in content.unsent:
                await self._send_piece(patch, start, min(end, start + self._common.piece))
                break
        except GimmalError:
            if not content.forgotten:
                self.give_up()
            raise
        return bool(content.unsent)

    async def _send_piece(self, patch: Patch, start: int, end: int) -> None:
        """A patch in which a write was cut short is worth nothing: where it takes too long, it goes on by itself."""
        pieces = list(self._edited.content.held.within(start, end))
        began = asyncio.get_running_loop().time()
        sending = self._common.start(_write(patch, pieces), "send ahead what was written")
        try:
            failure = await self._common.step(asyncio.shield(sending), end - start)
        except DeadlinePassed:
            self._late = sending
            raise
        if failure is not None:
            raise failure
        self._edited.content.sent(start, end)
        self._common.sent(end - start, asyncio.get_running_loop().time() - began)

    async def _open_patch(self) -> Patch:
        content = self._edited.content
        files = await self._common.files()
        if self._patch is not None and files is not self._files:
            self.give_up()  # it ended with its session
            self._edited.check()
        if self._patch is None:
            opening = open_patch(
                files,
                self._edited.path,
                base=self._edited.base_version,
                kept=content.kept if self._edited.at_home else 0,
                size=content.size,
                replace=Replace.EXPECTED if self._edited.at_home else Replace.NEVER,
            )
            self._patch, self._files = await self._common.step(opening), files
            content.cut_to = None
        return self._patch

    async def _commit(self, path: str) -> Attributes:
        patch = self._patch
        assert patch is not None
        try:
            await self._common.step(patch.truncate(self._edited.content.size))
            committing = patch.commit(mtime_ns=self._edited.mtime_ns, mode=self._edited.mode, durable=True, path=path)
            attributes = await self._common.call(committing)
        except RemoteError as error:
            found = await self._committed(path or self._edited.path) if error.code == "unknown_part" else None
            if found is None:
                raise
            attributes = found
        self._patch = None
        return attributes

    async def _committed(self, path: str) -> Attributes | None:
        """What a commit made whose answer was lost; None where it was not done: the patch is gone then.

        It is known by size, time, and all that was written and is still held here.
        """
        content = self._edited.content
        files = await self._common.files()
        found = await self._common.step(files.stat(path))
        time = self._edited.mtime_ns if self._edited.mtime_ns is not None else found.mtime_ns
        if (
            found.kind is Kind.FILE
            and found.size == content.size
            and abs(found.mtime_ns - time) < TIME_STEP_NS
            and version_of(found) != self._edited.base_version
            and await holds(self._common, files, path, version_of(found), content.held.within(0, content.size))
        ):
            return found
        self.give_up()
        return None

    @property
    def has_patch(self) -> bool:
        """Whether something was sent ahead, over the version that was opened."""
        return self._patch is not None

    async def commit_as(self, at: str) -> Attributes:
        """Give what was sent ahead, and the rest, another name; the caller holds the lock. Raises as ``home``."""
        await self._send_all()
        async with self._common.view.changing(at) as change:
            attributes = await self._commit(at)
            change.done(attributes)
        return attributes

    async def read(self, start: int, length: int, seconds: float) -> bytes:
        """Bytes that lie in the patch only.

        Raises:
            RemoteError: ``unknown_part`` where it is gone; what the other side says.
            UnreachableError: it cannot be asked.
        """
        if self._patch is None:
            raise error_of_code(Code.UNKNOWN_PART, shown(self._edited.path))
        content = await self._common.step(self._patch.read(start, length), seconds=seconds)
        if len(content) != length:
            raise error_of_code(Code.CORRUPT, shown(self._edited.path))
        return content

    def give_up(self) -> None:
        """What was sent ahead counts for nothing; where it lies nowhere else, the file cannot be saved any more."""
        if self._patch is None:
            return
        self.close()
        if not self._edited.content.patch_lost():
            self._edited.broken = Interrupted(
                "the line fell while a file was being written that is too large to be kept here", "save it again"
            )

    def close(self) -> None:
        """Leave nothing on the other side that has no name."""
        patch, self._patch, self._late = self._patch, None, None
        if patch is not None:
            self._common.start(_discard(patch), "give up a patch")


def _length(ranges: list[tuple[int, bytes]]) -> int:
    return sum(len(content) for _offset, content in ranges)


async def _write(patch: Patch, pieces: list[tuple[int, bytes]]) -> GimmalError | None:
    try:
        await patch.write_many(pieces)
    except GimmalError as exc:
        return exc
    return None


async def _discard(patch: Patch) -> None:
    with contextlib.suppress(GimmalError):
        await patch.discard()
