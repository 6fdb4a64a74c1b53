"""Looking at the tree as this process has made it: open files and what waits in the journal over what is at home."""

from __future__ import annotations

import contextlib

from gimmal.base.errors import Interrupted, RemoteError, UnreachableError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Kind
from gimmal.remote.edits.common import Common
from gimmal.remote.edits.edited_file import EditedFile
from gimmal.remote.edits.laid_over import Laid, LaidOver
from gimmal.remote.files import shown
from gimmal.remote.tree.view import Found, Listing

NO_FILE = {Kind.DIRECTORY: Code.IS_A_DIRECTORY, Kind.LINK: Code.LINK_REFUSED, Kind.OTHER: Code.SPECIAL_FILE}
"""What is said of what is opened as a file and is none."""


class Looking:
    """See above.

    Args:
        common: shared by all open files.
        files: those that are open, by path.
        laid_over: what waits; None where there is no journal.
    """

    def __init__(self, common: Common, files: dict[str, EditedFile], laid_over: LaidOver | None) -> None:
        self._common = common
        self._open = files
        self._laid_over = laid_over

    async def find(self, path: str) -> Found:
        """See EditedTree."""
        laid = self.laid(path)
        if laid is not None:
            return self._as_laid(path, laid)
        # Thousands of entries are told of one after another: those that need no question need no deadline either.
        view = self._common.view
        found = view.at_hand(path)
        edited = self._open.get(path)
        if found is None and edited is not None and edited.is_new and (known := view.known(path)) is not None:
            return Found(edited.attributes, known.number, False, False)
        if found is None:
            found = await self._look(path)
            edited = self._open.get(path)
        if edited is None or not edited.differs:
            return found
        return Found(edited.attributes, found.number, found.mapped, found.stale)

    async def listing(self, path: str) -> Listing:
        """See EditedTree."""
        over = self._laid_over
        if not over:
            return await self._look_at_all(path)
        if (laid := over.find(path)) is not None and laid.attributes is None:
            raise error_of_code(Code.NOT_FOUND, shown(path))
        if over.is_new_folder(path):
            return Listing(over.listing(path, []), False)
        found = await self._look_at_all(path)
        return Listing(over.listing(path, found.names), found.stale)

    def laid(self, path: str) -> Laid | None:
        """What waits in the journal for a path; None for nothing."""
        return self._laid_over.find(path) if self._laid_over else None

    def known(self, path: str) -> Found | None:
        """The entry at a path, as far as it is known without asking; None also where nothing is."""
        laid = self.laid(path)
        if laid is None:
            return self._common.view.known(path)
        return None if laid.attributes is None else self._as_laid(path, laid)

    async def require_absent(self, path: str) -> None:
        """As far as it can be known now.

        Raises:
            RemoteError: ``exists``; what the other side says.
        """
        try:
            await self.find(path)
        except RemoteError as error:
            if error.code != "not_found":
                raise
        except UnreachableError:
            return
        else:
            raise error_of_code(Code.EXISTS, shown(path))

    async def require_writable(self, path: str) -> None:
        """Say at once what would fail at the end; the mode of a share tells its rights.

        Raises:
            RemoteError: ``not_granted``, or ``is_a_directory`` for a share itself.
        """
        share, _slash, below = path.partition("/")
        if not below:
            raise error_of_code(Code.IS_A_DIRECTORY, shown(path))
        with contextlib.suppress(UnreachableError):  # then it fails at the end
            found = await self._look(share)
            if not found.attributes.mode & 0o200:
                raise error_of_code(Code.NOT_GRANTED, shown(path))

    async def is_for_dropping(self, path: str) -> bool:
        """Whether the share of a path takes new files and lets nobody look at them."""
        share = await self._look(path.partition("/")[0])
        return not share.attributes.mode & 0o400

    def _as_laid(self, path: str, laid: Laid) -> Found:
        if laid.attributes is None:
            raise error_of_code(Code.NOT_FOUND, shown(path))
        edited = self._open.get(path)
        return Found(edited.attributes if edited is not None else laid.attributes, laid.number, False, False)

    async def _look(self, path: str) -> Found:
        """What the other side has; where nobody answers, as it was known last, also that it is not there."""
        common, view = self._common, self._common.view
        is_known = view.known(path) is not None or view.is_known_absent(path)
        try:
            return await common.look(view.find(path), common.call_seconds / 2 if is_known else None)
        except UnreachableError:
            if (known := view.known(path)) is not None:
                return known
            if view.is_known_absent(path):
                raise error_of_code(Code.NOT_FOUND, shown(path)) from None
            raise

    async def _look_at_all(self, path: str) -> Listing:
        view = self._common.view
        try:
            return await self._common.look(view.listing(path))
        except UnreachableError:
            known = view.known_listing(path)
            if known is None:
                raise
            return known


def check_move(source: str, moving: Found, target: str, there: Found | None, replace: bool) -> None:
    """Raise where a rename would fail at home, as far as is known."""
    if moving.attributes.kind is not Kind.FILE:
        raise Interrupted("the line is down: a folder or link cannot be moved now", "try again when it is back")
    if source.partition("/")[0] != target.partition("/")[0]:
        raise error_of_code(Code.CROSS_DEVICE, shown(target))
    if there is not None and there.attributes.kind is not Kind.FILE:
        raise error_of_code(NO_FILE[there.attributes.kind], shown(target))
    if there is not None and not replace:
        raise error_of_code(Code.EXISTS, shown(target))
