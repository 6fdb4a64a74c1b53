"""DigestBlocks and DigestFiles: what the disk holds of a file, read again and hashed."""

from __future__ import annotations

import os

from gimmal.base.beneath import open_regular
from gimmal.base.primitives import new_blake3
from gimmal.base.uncached import CHUNK, UncachedFile
from gimmal.protocol.codes import Code
from gimmal.protocol.data_blocks import hole_digest
from gimmal.protocol.digest import block_count, block_length, file_digest
from gimmal.protocol.limits import BLOCK_SIZE, DIGEST_FILES_BYTES_MAX
from gimmal.protocol.messages import BlockDigests, DigestBlocks, DigestFiles, FileDigest, FileDigests
from gimmal.share.attributes import attributes_of, is_sparse, version_of
from gimmal.share.folders import Folders
from gimmal.share.holes import data_stretches
from gimmal.share.places import Access, Place
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState


def answer_digest_blocks(state: SessionState, request: DigestBlocks) -> BlockDigests:
    """Digests of at most DIGEST_BLOCKS_MAX blocks; a block that is a hole as a whole is not read."""
    place = state.places.find(request.path, Access.LOOK)
    if not place.names:
        raise RefusedError(Code.IS_A_DIRECTORY)
    with place.parent() as (folder, name):
        descriptor, found = open_regular(name, folder)
    try:
        version = version_of(found)
        if request.version is not None and version != request.version:
            raise RefusedError(Code.CHANGED)
        end = min(request.first + request.count, block_count(found.st_size))
        file = UncachedFile(descriptor)
        digests = [
            _hole_digest(descriptor, found, index) or _block_digest(file, found.st_size, index)
            for index in range(request.first, end)
        ]
        if version_of(os.fstat(descriptor)) != version:
            raise RefusedError(Code.CHANGED)
        return BlockDigests(version, digests, file.nanoseconds)
    finally:
        os.close(descriptor)


def answer_digest_files(state: SessionState, request: DigestFiles) -> FileDigests:
    """The digest of each file, or why there is none.

    A file of more than one block is TOO_LARGE, and so is one that would make it more than DIGEST_FILES_BYTES_MAX
    bytes in all; those after it still come where they fit.
    """
    above = state.places.find(request.folder, Access.LOOK)
    room = DIGEST_FILES_BYTES_MAX
    files: list[FileDigest] = []
    with Folders(above.root) as folders:
        for name in request.names:
            try:
                place = state.places.below(above, name, Access.LOOK)
                file = _file_digest(folders, place, min(room, BLOCK_SIZE))
                assert file.attributes is not None
                room -= file.attributes.size
            except RefusedError as refused:
                file = FileDigest(refused.code)
            except OSError as error:
                file = FileDigest(code_of(error))
            files.append(file)
    return FileDigests(files)


def _file_digest(folders: Folders, place: Place, room: int) -> FileDigest:
    if not place.names:
        raise RefusedError(Code.IS_A_DIRECTORY)
    descriptor, found = open_regular(place.names[-1], folders.at(place.names[:-1]))
    try:
        size = found.st_size
        if size > room:
            raise RefusedError(Code.TOO_LARGE)
        digest = file_digest(size, [_block_digest(UncachedFile(descriptor), size, 0)] if size else [])
        if version_of(os.fstat(descriptor)) != version_of(found):
            raise RefusedError(Code.CHANGED)
        return FileDigest(0, digest, attributes_of(found))
    finally:
        os.close(descriptor)


def _block_digest(file: UncachedFile, size: int, index: int) -> bytes:
    start, length = index * BLOCK_SIZE, block_length(size, index)
    hasher = new_blake3()
    at = 0
    while at < length:
        some = file.read(start + at, min(CHUNK, length - at))
        if not some:
            raise RefusedError(Code.CHANGED)  # cut meanwhile
        hasher.update(some)
        at += len(some)
    return hasher.digest()


def _hole_digest(descriptor: int, found: os.stat_result, index: int) -> bytes | None:
    """The digest of a block that is a hole as a whole."""
    if not is_sparse(found):
        return None
    start, length = index * BLOCK_SIZE, block_length(found.st_size, index)
    stretches = data_stretches(descriptor, start, start + length)
    return hole_digest(length) if next(stretches, None) is None else None
