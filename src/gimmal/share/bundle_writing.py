"""WriteBundle: several small files whole.

All are written under temporary names, made durable together, then given their final names one by one: each
final name holds the old file or the new one at any time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from gimmal.base.primitives import equal
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.limits import BUNDLE_ITEMS_MAX
from gimmal.protocol.messages import BundleFile, BundleWritten, Failed, Replace, WriteBundle
from gimmal.share import turns
from gimmal.share.collisions import folds
from gimmal.share.flushing import Flushing
from gimmal.share.folders import Folders
from gimmal.share.holes import write_sparse
from gimmal.share.keeping import Keeping, keeper_of, keeping
from gimmal.share.part_opening import access_to_write
from gimmal.share.places import Place
from gimmal.share.placing import mode_for, place_file, standing_file
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.siblings import Siblings
from gimmal.share.state import SessionState
from gimmal.share.temporary import create_temporary, remove_temporary, write_whole
from gimmal.share.xattrs import check_xattrs, write_xattrs

FOLDERS_FLUSHED_SINGLY = 3
"""So many folders of a bundle are flushed one by one at most."""


@dataclass(slots=True)
class _Written:
    """A file that lies under its temporary name."""

    index: int
    place: Place
    temporary: bytes
    bare: bool
    """It lacks extended attributes that came."""
    kept: int = 0
    """Its number among those whose old files are kept."""

    folder: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        self.folder = self.place.names[:-1]


def write_bundle(
    state: SessionState, request: WriteBundle, files: Sequence[BundleFile], contents: Sequence[memoryview]
) -> BundleWritten | Failed:
    """Place the files of one bundle.

    Args:
        state: the session.
        request: as it came.
        files: headers, in the order of the bundle.
        contents: their contents, one each.

    Returns:
        A code for each file, or Failed where the folder itself is refused or the request makes no sense.
    """
    senseless = request.replace is Replace.EXPECTED or (request.newer_only and request.replace is not Replace.ALWAYS)
    if senseless or len(files) > BUNDLE_ITEMS_MAX:
        return Failed(Code.INVALID)
    access = access_to_write(request.replace)
    try:
        above = state.places.find(request.folder, access, share_itself=False)
    except RefusedError as refused:
        return Failed(refused.code)
    except OSError as error:
        return Failed(code_of(error))
    codes = [0] * len(files)
    written: list[_Written] = []
    siblings = Siblings(state.places, above, access)
    with Folders(above.root) as folders:
        with turns.of_this_process.taken():
            _write_all(_Writing(state, request, folders), siblings, files, contents, written, codes)
        if request.durable and written:
            written = _made_durable(folders, written, codes)
        with keeping(state, [item.place for item in written], request.keep) as kept:
            if kept is not None:
                written = _kept_ahead(kept, folders, written, codes)
            with turns.of_this_process.taken():
                _place_all(request, folders, written, codes, kept)
        if request.durable:
            _sync_folders(folders, written, codes)
    return BundleWritten(codes, sum(item.bare for item in written if not codes[item.index]))


class _Noting:
    """Turns a refusal inside the block into the code of one file."""

    def __init__(self, codes: list[int], index: int) -> None:
        self._codes = codes
        self._index = index

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, RefusedError):
            self._codes[self._index] = error.code
        elif isinstance(error, OSError):
            self._codes[self._index] = code_of(error)
        return isinstance(error, RefusedError | OSError)


def _write_all(
    writing: _Writing,
    siblings: Siblings,
    files: Sequence[BundleFile],
    contents: Sequence[memoryview],
    written: list[_Written],
    codes: list[int],
) -> None:
    for index, (file, content) in enumerate(zip(files, contents, strict=True)):
        try:
            written.append(writing.write(index, siblings.find(file.name), file, content))
        except RefusedError as refused:
            codes[index] = refused.code
        except OSError as error:
            codes[index] = code_of(error)


class _Writing:
    """Writes the files of one bundle under temporary names."""

    def __init__(self, state: SessionState, request: WriteBundle, folders: Folders) -> None:
        self._state = state
        self._request = request
        self._folders = folders
        self._free: dict[tuple[bytes, ...], bool] = {}

    def write(self, index: int, place: Place, file: BundleFile, content: memoryview) -> _Written:
        """Write one file, or raise RefusedError or OSError and leave nothing."""
        if len(content) != file.size or not equal(small_file_digest(content), file.digest):
            raise RefusedError(Code.CORRUPT)
        if file.xattrs:
            check_xattrs(file.xattrs)
        folder = self._folders.at(place.names[:-1])
        standing = self._standing(place, folder)
        if self._request.newer_only and standing is not None and standing.st_mtime_ns >= file.mtime_ns:
            raise RefusedError(Code.EXISTS)
        temporary, descriptor = create_temporary(folder)
        try:
            if file.sparse:
                os.ftruncate(descriptor, file.size)
                write_sparse(descriptor, content, 0)
            else:
                write_whole(descriptor, content)
            # Before the mode, which may forbid it.
            whole = not file.xattrs or write_xattrs(descriptor, file.xattrs)
            os.fchmod(descriptor, mode_for(file.mode, standing, self._state.new_file_mode))
            os.utime(descriptor, ns=(file.mtime_ns, file.mtime_ns))
        except BaseException:
            remove_temporary(temporary, folder)
            raise
        finally:
            os.close(descriptor)
        return _Written(index, place, temporary, not whole)

    def _standing(self, place: Place, folder: int) -> os.stat_result | None:
        names = place.names[:-1]
        free = self._free.get(names)
        if free is None:
            # Where nothing may be replaced and no name means another, the last step looks at what stands there.
            free = self._request.replace is Replace.NEVER and not folds(place.share, folder)
            self._free[names] = free
        return None if free else standing_file(place.share, folder, place.names[-1], self._request.replace, None)


def _made_durable(folders: Folders, written: list[_Written], codes: list[int]) -> list[_Written]:
    """Flush once for each device, or each file where the system has no such call; those that are safe now."""
    safe: list[_Written] = []
    flushing = Flushing()
    flushed: set[tuple[bytes, ...]] = set()
    for item in written:
        if item.folder in flushed:
            safe.append(item)
            continue
        with _Noting(codes, item.index):
            folder = folders.at(item.folder)
            try:
                if flushing.flush_file(item.temporary, folder):
                    flushed.add(item.folder)
            except OSError:
                remove_temporary(item.temporary, folder)
                raise
            safe.append(item)
    return safe


def _kept_ahead(kept: Keeping, folders: Folders, written: list[_Written], codes: list[int]) -> list[_Written]:
    """Link what will be replaced into the trash, all together; those whose old file could be kept or is not there."""
    safe: list[_Written] = []
    for number, item in enumerate(written):
        item.kept = number
        with _Noting(codes, item.index):
            folder = folders.at(item.folder)
            try:
                kept.ahead(number, folder, item.place.names[-1])
            except (RefusedError, OSError):
                remove_temporary(item.temporary, folder)
                raise
            safe.append(item)
    try:
        kept.make_durable()
    except OSError as error:
        for item in safe:
            codes[item.index] = code_of(error)
            folder = folders.at(item.folder)
            kept.undo(item.kept, folder, item.place.names[-1])
            remove_temporary(item.temporary, folder)
        return []
    return safe


def _place_all(
    request: WriteBundle, folders: Folders, written: list[_Written], codes: list[int], kept: Keeping | None
) -> None:
    for item in written:
        folder = -1
        try:
            folder = folders.at(item.folder)
            keep = keeper_of(kept, item.kept)
            place_file(item.place.share, folder, item.temporary, item.place.names[-1], request.replace, keep=keep)
        except (RefusedError, OSError) as error:
            codes[item.index] = error.code if isinstance(error, RefusedError) else code_of(error)
            if folder >= 0:
                if kept is not None:
                    kept.undo(item.kept, folder, item.place.names[-1])
                remove_temporary(item.temporary, folder)


def _sync_folders(folders: Folders, written: list[_Written], codes: list[int]) -> None:
    """Make the final names durable: folder by folder, or where they are many with one flush for each device."""
    stand = [item for item in written if not codes[item.index]]
    outcomes = {item.folder: 0 for item in stand}
    flushing = Flushing()
    for names in outcomes:
        outcome = [0]
        with _Noting(outcome, 0):
            flushing.flush_folder(folders.at(names), among_many=len(outcomes) > FOLDERS_FLUSHED_SINGLY)
        outcomes[names] = outcome[0]
    for item in stand:
        codes[item.index] = outcomes[item.folder]
