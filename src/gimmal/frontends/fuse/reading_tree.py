"""The other side's tree for reading alone: what a mount with ``--read-only`` shows."""

from __future__ import annotations

from gimmal.base.errors import RemoteError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import Attributes
from gimmal.remote.cached_file import CachedFile, Reader
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import shown, version_of
from gimmal.remote.tree.view import Borne, Found, Listing, TreeView

AGAIN = 4
"""How often a file is opened anew where it changes while it is read; then the reader is told."""


class OpenedFile:
    """A file that is being read. Where the other side changes it, what is read from then on is of the new version.

    Args:
        tree: that it is of.
        path: wire path.
        file: its version.
    """

    def __init__(self, tree: ReadingTree, path: str, file: CachedFile) -> None:
        self._tree = tree
        self.path = path
        self._file = file
        self._reader = file.reader()

    @property
    def attributes(self) -> Attributes:
        """Of the version that is read."""
        return self._file.attributes

    async def read(self, offset: int, length: int) -> bytes:
        """As many bytes as there are.

        Raises:
            GimmalError: what the other side says, or why it does not.
        """
        for _ in range(AGAIN):
            reader = self._reader
            try:
                return await reader.read(offset, length, CALL_SECONDS)
            except RemoteError as error:
                if error.code != "changed":
                    raise
            if reader is self._reader:
                await self._open_again()
        raise error_of_code(Code.CHANGED, shown(self.path))

    async def _open_again(self) -> None:
        file = await self._tree.cached(self.path, anew=True)
        reader: Reader = file.reader()
        self._reader.close()
        self._file, self._reader = file, reader

    def close(self) -> None:
        """Read no more."""
        self._reader.close()


class ReadingTree:
    """Looks and reads.

    Args:
        view: of the tree.
        cache: of the files' bytes.
    """

    def __init__(self, view: TreeView, cache: FileCache) -> None:
        self.view = view
        self._cache = cache

    async def find(self, path: str) -> Found:
        """See TreeView."""
        return await self.view.find(path)

    async def listing(self, path: str) -> Listing:
        """See TreeView."""
        return await self.view.listing(path)

    def known(self, path: str) -> Found | None:
        """See TreeView."""
        return self.view.known(path)

    def borne_out(self, path: str) -> Borne:
        """See TreeView."""
        return self.view.borne_out(path)

    async def cached(self, path: str, *, anew: bool = False) -> CachedFile:
        """The version of a file that the view tells of, or, with ``anew``, that the other side tells of now."""
        file = await self._cache.open(path, anew=anew)
        if not anew and file.version != version_of((await self.view.find(path)).attributes):
            file = await self._cache.open(path, anew=True)
        return file

    async def open(self, path: str) -> OpenedFile:
        """Open a file.

        Raises:
            GimmalError: what the other side says, or why it does not.
        """
        return OpenedFile(self, path, await self.cached(path))
