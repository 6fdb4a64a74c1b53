"""Requests and answers about what a disk really holds, and how fast a part is (docs/spec/protocol.md, section 5)."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import (
    BLOCK_SIZE,
    DIGEST_BLOCKS_MAX,
    DIGEST_FILES_MAX,
    DIGEST_SIZE,
    MEASURE_MAX,
)
from gimmal.protocol.parts import Attributes, Counter, Digest, Path, Size, Version


class DigestBlocks(Struct, array_like=True, frozen=True, tag=36):
    """Read blocks of a file again, from its disk. Answer: BlockDigests; has no deadline."""

    path: Path
    first: Counter = 0
    """The first block."""
    count: Annotated[int, Meta(ge=1, le=DIGEST_BLOCKS_MAX)] = DIGEST_BLOCKS_MAX
    """At most so many blocks; fewer where the file ends."""
    version: Version | None = None
    """If given and the file is another before or after reading: CHANGED."""


class DigestFiles(Struct, array_like=True, frozen=True, tag=37):
    """Read files of at most one block each again, from their disk. Answer: FileDigests; has no deadline."""

    folder: Path
    names: Annotated[list[Path], Meta(max_length=DIGEST_FILES_MAX)]
    """Paths relative to ``folder``."""


class Measured(IntEnum):
    """What is to be measured."""

    LINE = 0
    """Nothing is done: as many random bytes are sent, as DATA and END."""
    CIPHER = 1
    """Records are sealed and thrown away."""
    DISK = 2
    """A file nobody sees is written, made durable, read again where that is granted, and removed."""


class Measure(Struct, array_like=True, frozen=True, tag=38):
    """Learn how fast a part is. Answer: DATA records and END of LINE, else Took; has no deadline."""

    what: Measured
    length: Annotated[int, Meta(ge=1, le=MEASURE_MAX)]
    """Bytes; of LINE at most a block."""
    path: Path = ""
    """Of DISK: the folder."""


class MeasureUp(Struct, array_like=True, frozen=True, tag=39):
    """Bytes to throw away: DATA records in order and END follow under the same number. Changes. Answer: Done."""

    length: Annotated[int, Meta(ge=1, le=BLOCK_SIZE)]


class BlockDigests(Struct, array_like=True, frozen=True, tag=88):
    """Digests of blocks in order, and the version of the file that they are of."""

    version: Version
    digests: Annotated[list[Digest], Meta(max_length=DIGEST_BLOCKS_MAX)]
    nanoseconds: Size = 0
    """How long the disk took for them, without hashing."""


class FileDigest(Struct, array_like=True, frozen=True):
    """One file of FileDigests; where ``code`` is not 0 there is nothing else."""

    code: Annotated[int, Meta(ge=0, le=65535)]
    digest: Annotated[bytes, Meta(max_length=DIGEST_SIZE)] = b""
    """File digest (section 6.1)."""
    attributes: Attributes | None = None


class FileDigests(Struct, array_like=True, frozen=True, tag=89):
    """One digest, or code, for each file of the request."""

    files: Annotated[list[FileDigest], Meta(max_length=DIGEST_FILES_MAX)]


class Took(Struct, array_like=True, frozen=True, tag=90):
    """What a measurement took; 0 where it was not made."""

    length: Size
    """Bytes that were sealed or written, perhaps fewer than asked for."""
    nanoseconds: Size
    """For sealing, or for writing them durably."""
    read_nanoseconds: Size = 0
    """For reading as many again, from the disk."""
