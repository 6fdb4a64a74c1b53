"""One tree of files, here or on the other side, behind the same questions (docs/spec/protocol.md, section 5)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gimmal.base.display import displayable_path
from gimmal.base.errors import ProtocolViolation, RemoteError
from gimmal.protocol.chunks import ChunkPage, read_chunks
from gimmal.protocol.codes import error_of_code
from gimmal.protocol.features import EDIT
from gimmal.protocol.limits import BODY_MAX, BUNDLE_CONTENT_MAX, CALL_SECONDS, REMOVE_MANY_MAX
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    BundleFile,
    BundleItem,
    BundleWritten,
    Chunks,
    Commit,
    Copy,
    Discard,
    Done,
    EmptyTrash,
    Entry,
    Examine,
    Examined,
    Failed,
    FolderTimes,
    Found,
    LinkItem,
    List,
    ListChunks,
    ListTrash,
    MakeDirectories,
    MakeDurable,
    MakeLinks,
    OpenPart,
    Page,
    PartOpened,
    RemoveMany,
    Rename,
    Replace,
    Request,
    RestoreTrash,
    Results,
    Reused,
    Room,
    SetAttributes,
    Stat,
    StatFileSystem,
    Trash,
    TrashEntry,
    TrashPage,
    Tree,
    Version,
    WriteBundle,
    Xattrs,
)
from gimmal.transport.exchange import Piece

AnswerT = TypeVar("AnswerT")
ItemT = TypeVar("ItemT")

_REQUEST_ROOM = BODY_MAX - 64
_ITEM_BYTES = 40
"""Most bytes that an item of a request takes beside its path."""


BLOCKS_AT_ONCE = 5
"""Blocks of one copy that are under way at a time where one link or none carries them."""

ENTRIES_MAX = 2_000_000
"""Entries of one tree that a command keeps in memory; beyond it says so instead of growing with what it is told."""


@dataclass(slots=True)
class Block:
    """Bytes of a file in memory, in the buffers they arrived in, and the BLAKE3 digest their reader computed."""

    pieces: list[Piece]
    length: int
    digest: bytes
    saved: int = 0
    """How many bytes fewer came, because they were packed on the way."""


@dataclass(slots=True)
class Bundle:
    """Several small files in memory; ``release`` gives their buffer back."""

    items: list[BundleItem]
    contents: list[memoryview]
    release: Callable[[], None]
    saved: int = 0
    """How many bytes fewer came, because they were packed on the way."""


def too_many_entries(shown: str) -> RemoteError:
    """The error for a tree of more than ENTRIES_MAX entries."""
    return RemoteError("limit", f"{shown}: more than {ENTRIES_MAX:,} entries", "name the folders in it one by one")


def version_of(attributes: Attributes) -> Version:
    """The version that attributes describe."""
    return Version(attributes.identity, attributes.size, attributes.mtime_ns)


class Files(ABC):
    """One tree of files. Paths are wire paths: ``share/component``.

    Every method raises RemoteError with the code of the protocol where the side that holds the files says no, and
    UnreachableError where it cannot be asked.
    """

    bundle_room: int = BUNDLE_CONTENT_MAX
    """Bytes that one bundle to or from here may hold."""

    bare: int = 0
    """How many files were placed without extended attributes that came with them."""

    @property
    def blocks_at_once(self) -> int:
        """Blocks that should be under way at a time; may change."""
        return BLOCKS_AT_ONCE

    @property
    def round_trip(self) -> float:
        """Seconds until an answer comes, at best; 0 where they lie on this computer."""
        return 0.0

    @property
    def rate_limit(self) -> float | None:
        """Bytes a second that may pass; None without a limit."""
        return None

    @property
    def side(self) -> object:
        """The same for all trees that lie on one side and see each other's paths."""
        return self

    def tells_mode(self, path: str) -> bool:
        """Whether the mode shown of a folder is its own: that of a share tells its rights (names.md, section 7)."""
        return "/" in path

    def lasting_path(self, path: str) -> str:
        """What of a path is the same in every command, so that an interrupted copy is known again by it."""
        return path

    @abstractmethod
    def offers(self, feature: int) -> bool:
        """Whether the side that holds the files understands what a bit of protocol.features stands for."""

    @abstractmethod
    async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
        """Put one question; ``deadline`` in seconds, None for one that may take any time."""

    async def send(self, request: Request, size: int) -> Answer:
        """Put a question that brings, or is answered with, so many bytes of contents; it has no deadline."""
        return await self.ask(request, None)

    @abstractmethod
    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        """At most ``length`` bytes (at most a block) from ``offset``; the caller releases the block.

        With ``sparse`` its pieces may leave out zeros.
        """

    @abstractmethod
    async def write_block(
        self,
        part: int,
        offset: int,
        length: int,
        load: Callable[[], Awaitable[Block]],
        *,
        sparse: bool = False,
        reused: Reused = (),
    ) -> bytes:
        """Write one block of a part file; returns its digest.

        Args:
            part: number of the open part file.
            offset, length: of the block.
            load: brings the bytes; called again where they have to be sent again.
            sparse: its pieces may leave out zeros; zeros become holes.
            reused: stretches that the tree takes from the version to be replaced; the pieces are what lies between
                them, and length and digest are those of the whole block.
        """

    @abstractmethod
    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        """Several small files whole, in the order of ``names``; the caller releases the bundle."""

    @abstractmethod
    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        """Write several small files; returns a code for each, 0 where it stands."""

    @abstractmethod
    def foresee(self, size: int) -> None:
        """About so many bytes of contents will soon be moved: what carries them may get ready."""

    @abstractmethod
    def release(self, block: Block) -> None:
        """Give back the buffers of a block."""

    async def stat(self, path: str) -> Attributes:
        """Attributes of one path."""
        return self.expect(await self.ask(Stat(path)), Found, path).attributes

    async def entries(self, path: str) -> AsyncIterator[list[Entry]]:
        """Entries of a folder, page by page."""
        cursor = 0
        while True:
            page = self.expect(await self.ask(List(path, cursor)), Page, path)
            yield page.entries
            cursor = page.cursor
            if not cursor:
                return

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        """Everything below a folder, page by page, folders before what they hold.

        With ``xattrs``, folders come with their extended attributes.
        """
        cursor = 0
        while True:
            page = self.expect(await self.ask(Tree(path, cursor, xattrs)), Page, path)
            yield page
            cursor = page.cursor
            if not cursor:
                return

    async def room(self, path: str, *, grain: bool = False) -> Room:
        """Room on the disk that holds a path; with ``grain`` also in which steps it keeps times."""
        return self.expect(await self.ask(StatFileSystem(path, grain)), Room, path)

    async def make_directories(
        self, paths: list[str], *, parents: bool = False, exist_ok: bool = False, mode: int | None = None
    ) -> list[int]:
        """Make folders in order; a code for each."""
        codes: list[int] = []
        for some in _in_requests(paths, str):
            request = MakeDirectories(some, parents, exist_ok, mode)
            codes += _codes(self.expect(await self.ask(request), Results, "").codes, len(some))
        return codes

    async def remove_many(self, paths: list[str]) -> list[int]:
        """Remove files and empty folders in order; a code for each."""
        codes: list[int] = []
        for some in _in_requests(paths, str):
            codes += _codes(self.expect(await self.ask(RemoveMany(some)), Results, "").codes, len(some))
        return codes

    async def make_durable(self, paths: list[str]) -> list[int]:
        """What stands at paths survives a power cut of the other side: names in folders, files; a code for each.

        A side that does not offer EDIT cannot be asked for it; there nothing is done.
        """
        if not self.offers(EDIT):
            return [0] * len(paths)
        codes: list[int] = []
        for some in _in_requests(paths, str):
            codes += _codes(self.expect(await self.ask(MakeDurable(some)), Results, "").codes, len(some))
        return codes

    async def set_attributes(self, items: list[FolderTimes]) -> list[int]:
        """Set times and modes in order; a code for each."""
        codes: list[int] = []
        for some in _in_requests(items, lambda item: item.path, lambda item: xattr_bytes(item.xattrs)):
            codes += _codes(self.expect(await self.ask(SetAttributes(some)), Results, "").codes, len(some))
        return codes

    async def trash(self, paths: list[str]) -> list[int]:
        """Move entries, folders whole, into the trash of their share, in order; a code for each."""
        codes: list[int] = []
        for some in _in_requests(paths, str):
            codes += _codes(self.expect(await self.ask(Trash(some), None), Results, "").codes, len(some))
        return codes

    async def trash_entries(self, share: str) -> AsyncIterator[list[TrashEntry]]:
        """What the trash of a share holds, oldest first, page by page."""
        after = ""
        while True:
            page = self.expect(await self.ask(ListTrash(share, after)), TrashPage, share)
            if page.entries:
                yield page.entries
                if page.entries[-1].name == after:
                    raise ProtocolViolation("the other side lists its trash without end")
                after = page.entries[-1].name
            if not page.more or not page.entries:
                return

    async def restore_trash(self, share: str, names: list[str], target: str = "") -> list[int]:
        """Move entries of a trash back, or the only one to ``target``; a code for each."""
        codes: list[int] = []
        for some in _in_requests(names, str):
            answer = await self.ask(RestoreTrash(share, some, target), None)
            codes += _codes(self.expect(answer, Results, share).codes, len(some))
        return codes

    async def empty_trash(self, share: str, names: list[str]) -> list[int]:
        """Destroy entries of a trash, however long it takes; a code for each."""
        codes: list[int] = []
        for some in _in_requests(names, str):
            answer = await self.ask(EmptyTrash(share, some), None)
            codes += _codes(self.expect(answer, Results, share).codes, len(some))
        return codes

    async def rename(self, source: str, target: str, replace: Replace, expected: Version | None = None) -> None:
        """Move within one share; ``expected`` is the version that may be replaced, with EXPECTED."""
        self.expect(await self.ask(Rename(source, target, replace, expected)), Done, target)

    async def copy(self, source: str, target: str, replace: Replace, *, xattrs: bool = False) -> Attributes:
        """Copy one file without moving its bytes to the other side."""
        request = Copy(source, target, replace, xattrs=xattrs)
        return self._placed(self.expect(await self.ask(request, None), Found, target))

    async def examine(self, path: str, version: Version | None = None, offset: int = 0) -> Examined:
        """Extended attributes of a file or folder, and, from ``offset`` on, where a file holds data."""
        return self.expect(await self.ask(Examine(path, version, offset)), Examined, path)

    async def chunks(self, request: ListChunks) -> ChunkPage:
        """Chunks of a file; reading it may take its time."""
        return read_chunks(request, self.expect(await self.ask(request, None), Chunks, request.path))

    async def make_links(self, items: list[LinkItem], replace: Replace) -> list[int]:
        """Make links in order; a code for each. The disk may take its time to make them durable."""
        codes: list[int] = []
        for some in _in_requests(items, lambda item: item.path + item.target):
            answer = await self.ask(MakeLinks(some, replace), None)
            codes += _codes(self.expect(answer, Results, "").codes, len(some))
        return codes

    async def open_part(self, request: OpenPart) -> PartOpened:
        """Begin or continue a part file; re-checking what is there may take as long as reading it."""
        return self.expect(await self.ask(request, None), PartOpened, request.path)

    async def commit(self, request: Commit, path: str) -> Attributes:
        """Give a complete part file its final name; the disk may take its time to make it durable."""
        return self._placed(self.expect(await self.ask(request, None), Found, path))

    def _placed(self, found: Found) -> Attributes:
        self.bare += found.bare
        return found.attributes

    async def discard(self, part: int, *, remove: bool) -> None:
        """Give up a part file."""
        self.expect(await self.ask(Discard(part, remove)), Done, "")

    def shown(self, path: str) -> str:
        """A wire path of this tree as a person reads it."""
        return shown(path)

    def error(self, code: int, path: str = "") -> RemoteError:
        """The error for a code that this tree answered with about ``path``."""
        return error_of_code(code, self.shown(path) if path else "")

    def expect(self, answer: Answer, kind: type[AnswerT], path: str) -> AnswerT:
        """The answer as the type that was due.

        Raises:
            RemoteError: the answer is Failed.
            ProtocolViolation: it is something else.
        """
        if isinstance(answer, kind):
            return answer
        if isinstance(answer, Failed):
            raise self.error(answer.code, path)
        raise ProtocolViolation("the other side gave an answer to another question", "update gimmal on both sides")


def shown(path: str) -> str:
    """A wire path as a person reads it: with the colon of the other side, escaped."""
    return displayable_path(":" + path)


def xattr_bytes(xattrs: Xattrs) -> int:
    """At most so many bytes they take in a message."""
    return sum(len(name.encode()) + len(value) + 8 for name, value in xattrs)


def _in_requests(
    items: list[ItemT], path_of: Callable[[ItemT], str], more_of: Callable[[ItemT], int] = lambda _item: 0
) -> Iterator[list[ItemT]]:
    """Items in portions that one request may hold."""
    some: list[ItemT] = []
    room = _REQUEST_ROOM
    for item in items:
        size = len(path_of(item).encode()) + more_of(item) + _ITEM_BYTES
        if some and (len(some) >= REMOVE_MANY_MAX or size > room):
            yield some
            some, room = [], _REQUEST_ROOM
        some.append(item)
        room -= size
    if some:
        yield some


def _codes(codes: list[int], count: int) -> list[int]:
    if len(codes) != count:
        raise ProtocolViolation("the other side answered for another number of items than asked")
    return codes


__all__ = ["Block", "Bundle", "BundleWritten", "Files", "shown", "version_of"]
