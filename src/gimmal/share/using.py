"""What a request did, in the words of the log of use (docs/decisions/0071-log-of-use.md): one of the other side here,
or one of this side there.

Pure: a request and its answer go in, what was used comes out. Only what was done is named, and what was refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from gimmal.protocol.codec import decode_bundle_items
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import EDITS_MAX, PARTS_MAX
from gimmal.protocol.messages import (
    AboutFilm,
    Answer,
    BundleFile,
    BundleItem,
    BundleWritten,
    Commit,
    CommitEdit,
    Copy,
    DigestBlocks,
    DigestFiles,
    Discard,
    DiscardEdit,
    EditOpened,
    EditRead,
    EmptyTrash,
    Examine,
    Failed,
    FileDigests,
    FilmBytes,
    FilmPart,
    List,
    ListChunks,
    ListTrash,
    MakeDirectories,
    MakeLinks,
    OpenEdit,
    OpenPart,
    PartOpened,
    Picture,
    QuickEdit,
    Read,
    ReadBundle,
    ReadEdit,
    ReadFilmText,
    RemoveMany,
    Rename,
    Request,
    RestoreTrash,
    Results,
    SetAttributes,
    Stat,
    Thumbnail,
    Trash,
    Tree,
    Watch,
    Watched,
    WriteBundle,
    WriteEdit,
)


class Act(StrEnum):
    """What was done; the values are for ever, they stand in logs."""

    LOOKED = "looked"
    """Asked for the attributes of one entry."""
    LISTED = "listed"
    WALKED = "walked"
    """Listed with everything below."""
    READ = "read"
    COMPARED = "compared"
    """Asked for digests of what a file holds."""
    WROTE = "wrote"
    """A file came under its final name, new or in place of another."""
    MADE = "made"
    """A folder."""
    LINKED = "linked"
    MOVED = "moved"
    COPIED = "copied"
    """Within this side."""
    SET = "set"
    """Times, mode or extended attributes."""
    REMOVED = "removed"
    TRASHED = "trashed"
    RESTORED = "restored"
    DESTROYED = "destroyed"
    """What was in a trash; its entry is named."""
    REFUSED = "refused"
    """It was not granted, or the name led where nothing is shared."""

    @property
    def changes(self) -> bool:
        """Whether something is otherwise afterwards: then every name is kept."""
        return self not in _LOOKS


_LOOKS = frozenset((Act.LOOKED, Act.LISTED, Act.WALKED, Act.READ, Act.COMPARED, Act.REFUSED))

_PARTS_REMEMBERED = 2 * PARTS_MAX
_EDITS_REMEMBERED = 2 * EDITS_MAX

OfOpenEdit: TypeAlias = WriteEdit | ReadEdit | CommitEdit | DiscardEdit
OF_OPEN_EDIT = (WriteEdit, ReadEdit, CommitEdit, DiscardEdit)
"""Requests for an edit by its number."""

_EDITS = (OpenEdit, QuickEdit, *OF_OPEN_EDIT)

_REFUSALS = frozenset((Code.NOT_GRANTED, Code.BAD_NAME, Code.LINK_REFUSED))


@dataclass(slots=True)
class Used:
    """Entries of one folder to which one thing was done.

    Attributes:
        act: what.
        folder: wire path; empty for the list of shares.
        names: of the entries, in the order of the request.
        targets: of MOVED and COPIED: wire paths, one for each name.
        size: bytes that were read or written.
    """

    act: Act
    folder: str
    names: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    size: int = 0


class UseWatcher(Protocol):
    """Who is told what a session of the other side does. May be called from several threads at a time."""

    def used(self, used: Sequence[Used]) -> None:
        """This was done."""


@dataclass(frozen=True, slots=True)
class _Kind:
    act: Act
    paths: Callable[[Any], Iterable[str]]
    targets: Callable[[Any], Iterable[str]] | None = None


def _one(request: Any) -> Iterable[str]:
    return (request.path,)


def _many(request: Any) -> Iterable[str]:
    paths: Iterable[str] = request.paths
    return paths


def _items(request: Any) -> Iterable[str]:
    return [item.path for item in request.items]


def _first_page(request: Any) -> Iterable[str]:
    return () if request.cursor else (request.path,)


def _in_folder(folder: str, names: Iterable[str]) -> list[str]:
    return [f"{folder}/{name}" if folder else name for name in names]


def _restored(request: RestoreTrash) -> Iterable[str]:
    return [request.target] if request.target else _in_folder(request.share, request.names)


_KINDS: dict[type, _Kind] = {
    Stat: _Kind(Act.LOOKED, _one),
    Examine: _Kind(Act.LOOKED, _one),
    List: _Kind(Act.LISTED, _first_page),
    Tree: _Kind(Act.WALKED, _first_page),
    Watch: _Kind(Act.LISTED, _many),
    ListTrash: _Kind(Act.LISTED, lambda request: () if request.after else (request.share,)),
    ListChunks: _Kind(Act.COMPARED, lambda request: () if request.offset else (request.path,)),
    Thumbnail: _Kind(Act.READ, _one),
    AboutFilm: _Kind(Act.LOOKED, _one),
    FilmPart: _Kind(Act.READ, _one),
    ReadFilmText: _Kind(Act.READ, _one),
    DigestBlocks: _Kind(Act.COMPARED, lambda request: () if request.first else (request.path,)),
    DigestFiles: _Kind(Act.COMPARED, lambda request: _in_folder(request.folder, request.names)),
    MakeDirectories: _Kind(Act.MADE, _many),
    RemoveMany: _Kind(Act.REMOVED, _many),
    Rename: _Kind(Act.MOVED, lambda request: (request.source,), lambda request: (request.target,)),
    Copy: _Kind(Act.COPIED, lambda request: (request.source,), lambda request: (request.target,)),
    SetAttributes: _Kind(Act.SET, _items),
    MakeLinks: _Kind(Act.LINKED, _items),
    Trash: _Kind(Act.TRASHED, _many),
    RestoreTrash: _Kind(Act.RESTORED, _restored),
    EmptyTrash: _Kind(Act.DESTROYED, lambda request: _in_folder(request.share, request.names)),
}


class Using:
    """Turns what one session asks, and is answered, into what it used. Safe for several threads.

    Args:
        watcher: is told.
    """

    def __init__(self, watcher: UseWatcher) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._parts: dict[int, tuple[str, int]] = {}
        """Final path and size of each part file that is open."""
        self._edits: dict[int, tuple[str, int]] = {}
        """Final path of each edit that is open, and how many bytes were written in it since its last commit."""

    def answered(self, request: Request, answer: Answer, edited: str = "") -> None:
        """A request without a stream was answered.

        Args:
            request, answer: those.
            edited: final path of the edit that the request is for, where the caller has it; else it is the one of its
                OpenEdit, if that was answered before.
        """
        if isinstance(request, OpenPart | Commit | Discard):
            self._tell(self._of_part(request, answer))
            return
        if isinstance(request, _EDITS):
            self._tell(self._of_edit(request, answer, edited))
            return
        kind = _KINDS.get(type(request))
        if kind is None:
            return
        paths = list(kind.paths(request))
        targets = list(kind.targets(request)) if kind.targets is not None else []
        sizes = [_size_of(answer)] if kind.act is Act.READ else []
        self._tell(_grouped(kind.act, paths, _codes(answer, len(paths)), targets, sizes))

    def read(self, request: Read, answer: Failed | int) -> None:
        """A range was read: of so many bytes, or it was not."""
        code, size = (answer.code, 0) if isinstance(answer, Failed) else (0, answer)
        self._tell(_grouped(Act.READ, [request.path], [code], sizes=[size]))

    def read_bundle(self, request: ReadBundle, header: bytes, contents: Sequence[bytes]) -> None:
        """Files were read whole; ``header`` is that of the bundle that answers."""
        if len(contents) != len(request.names):
            self.read_items(request, decode_bundle_items(header))
            return
        codes, sizes = [0] * len(request.names), [len(content) for content in contents]
        self._tell(_grouped(Act.READ, _in_folder(request.folder, request.names), codes, sizes=sizes))

    def read_items(self, request: ReadBundle, items: Sequence[BundleItem]) -> None:
        """The same, by the header of the bundle."""
        codes, sizes = [item.code for item in items], [item.size for item in items]
        self._tell(_grouped(Act.READ, _in_folder(request.folder, request.names), codes, sizes=sizes))

    def wrote_bundle(self, request: WriteBundle, files: Sequence[BundleFile], answer: BundleWritten | Failed) -> None:
        """Files came in a bundle."""
        paths = _in_folder(request.folder, [file.name for file in files])
        self._tell(_grouped(Act.WROTE, paths, _codes(answer, len(paths)), sizes=[file.size for file in files]))

    def _of_part(self, request: OpenPart | Commit | Discard, answer: Answer) -> list[Used]:
        if isinstance(request, OpenPart):
            if isinstance(answer, PartOpened):
                with self._lock:
                    self._parts[answer.part] = request.path, request.size
                    if len(self._parts) > _PARTS_REMEMBERED:
                        del self._parts[next(iter(self._parts))]  # given up by other ways than Discard
                return []
            return _grouped(Act.WROTE, [request.path], _codes(answer, 1))
        with self._lock:
            opened = self._parts.get(request.part)
            if opened is not None and not isinstance(answer, Failed):
                del self._parts[request.part]
        if opened is None or isinstance(request, Discard):
            return []
        path, size = opened
        return _grouped(Act.WROTE, [path], _codes(answer, 1), sizes=[size])

    def _of_edit(self, request: OpenEdit | QuickEdit | OfOpenEdit, answer: Answer, edited: str) -> list[Used]:
        if isinstance(request, QuickEdit):
            return _grouped(Act.WROTE, [request.path], _codes(answer, 1), sizes=[len(request.data)])
        if isinstance(request, OpenEdit):
            if isinstance(answer, EditOpened):
                with self._lock:
                    self._remember(answer.edit, request.path, self._edits.get(answer.edit, ("", 0))[1])
                return []
            return _grouped(Act.WROTE, [request.path], _codes(answer, 1))
        done = not isinstance(answer, Failed)
        with self._lock:
            path, size = self._edits.get(request.edit, ("", 0))
            path = edited or path
            if isinstance(request, WriteEdit):
                if path and done:
                    self._remember(request.edit, path, size + len(request.data))
            elif isinstance(request, CommitEdit) and request.keep_open and done:
                self._remember(request.edit, path, 0)
            elif isinstance(request, CommitEdit | DiscardEdit) and done:
                self._edits.pop(request.edit, None)
        if not path or isinstance(request, WriteEdit | DiscardEdit):
            return []
        if isinstance(request, ReadEdit):
            # It holds what its base held: who reads it reads the file.
            sizes = [len(answer.data) if isinstance(answer, EditRead) else 0]
            return _grouped(Act.READ, [path], _codes(answer, 1), sizes=sizes)
        return _grouped(Act.WROTE, [request.path or path], _codes(answer, 1), sizes=[size])

    def _remember(self, edit: int, path: str, size: int) -> None:
        self._edits[edit] = path, size
        if len(self._edits) > _EDITS_REMEMBERED:
            del self._edits[next(iter(self._edits))]  # given up by other ways than DiscardEdit

    def _tell(self, used: list[Used]) -> None:
        if used:
            self._watcher.used(used)


def _size_of(answer: Answer) -> int:
    """Bytes of what was made of a file."""
    if isinstance(answer, FilmBytes):
        return len(answer.data)
    return len(answer.jpeg) if isinstance(answer, Picture) else 0


def _codes(answer: Answer, count: int) -> list[int]:
    if isinstance(answer, Failed):
        return [answer.code] * count
    if isinstance(answer, Results | BundleWritten):
        return answer.codes[:count] + [0] * (count - len(answer.codes))
    if isinstance(answer, FileDigests):
        return [file.code for file in answer.files]
    if isinstance(answer, Watched):
        return [0 if watch else Code.FAILED for watch in answer.watches]
    return [0] * count


def _grouped(
    act: Act, paths: Sequence[str], codes: Sequence[int], targets: Sequence[str] = (), sizes: Sequence[int] = ()
) -> list[Used]:
    """By folder, what was done and what was refused; ``targets`` and ``sizes`` belong to the paths, or are empty."""
    found: dict[tuple[Act, str], Used] = {}
    for index, (path, code) in enumerate(zip(paths, codes, strict=False)):
        if code and code not in _REFUSALS:
            continue
        folder, _slash, name = path.rpartition("/")
        key = (Act.REFUSED if code else act, folder)
        used = found.get(key)
        if used is None:
            used = found[key] = Used(*key)
        used.names.append(name)
        if targets and not code:
            used.targets.append(targets[index])
        if sizes and not code:
            used.size += sizes[index]
    return list(found.values())
