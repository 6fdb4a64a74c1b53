"""Requests for files and folders (docs/spec/protocol.md, section 5)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import BLOCK_SIZE, BUNDLE_ITEMS_MAX, REMOVE_MANY_MAX
from gimmal.protocol.parts import (
    Counter,
    Digest,
    Extents,
    Mode,
    Nanoseconds,
    Packing,
    Path,
    Replace,
    Reused,
    Size,
    Version,
    Xattrs,
)


class Stat(Struct, array_like=True, frozen=True, tag=1):
    """Attributes of one path. Answer: Found."""

    path: Path


class List(Struct, array_like=True, frozen=True, tag=2):
    """Entries of a folder, or the shares where the path is empty. Answer: Page."""

    path: Path
    cursor: Counter = 0
    """0 to begin, then the cursor of the page before."""
    watch: Counter = 0
    """With cursor 0: the stream of notices on which changes of this folder are to be told from now on; 0 for none."""


class Tree(Struct, array_like=True, frozen=True, tag=3):
    """Everything below a folder, folders before what they hold. Answer: Page, names relative to ``path``."""

    path: Path
    cursor: Counter = 0
    xattrs: bool = False
    """Name the extended attributes of folders."""


class StatFileSystem(Struct, array_like=True, frozen=True, tag=4):
    """Room on the disk that holds a path. Answer: Room."""

    path: Path
    grain: bool = False
    """Say in which steps the disk keeps times."""


class Read(Struct, array_like=True, frozen=True, tag=5):
    """A range of a file. Answer: DATA records in order, then END; or Failed. Shorter only at the file's end."""

    path: Path
    offset: Size
    length: Annotated[int, Meta(ge=1, le=BLOCK_SIZE)]
    version: Version | None = None
    """If given and the file is another before or after reading: CHANGED."""
    sparse: bool = False
    """Leave out holes: the offset of a DATA record then jumps over what is zeros."""
    packing: Packing = Packing.NEVER


class ReadBundle(Struct, array_like=True, frozen=True, tag=6):
    """Several small files whole. Answer: BUNDLE, items in the order asked."""

    folder: Path
    names: Annotated[list[Path], Meta(max_length=BUNDLE_ITEMS_MAX)]
    """Paths relative to ``folder``."""
    xattrs: bool = False
    """With extended attributes."""
    packing: Packing = Packing.NEVER


class OpenPart(Struct, array_like=True, frozen=True, tag=7):
    """Begin or continue an upload. Changes. Answer: PartOpened."""

    path: Path
    """Final path."""
    size: Size
    source: Annotated[bytes, Meta(min_length=16, max_length=16)]
    """Fingerprint of the source's version; a part file of another source is not continued."""
    replace: Replace = Replace.NEVER
    expected: Version | None = None
    first: Counter = 0
    """First block to report. While an answer holds PART_BLOCKS_MAX blocks, there may be more: ask again with this."""
    data: Extents | None = None
    """For a sparse file: its blocks that hold data, as first block and count; all others are holes.

    Only these are then written, reported and counted by ``first``.
    """


class Write(Struct, array_like=True, frozen=True, tag=8):
    """One block of a part file: DATA records in order and END follow under the same number. Changes. Answer: Done."""

    part: Counter
    offset: Size
    length: Annotated[int, Meta(ge=0, le=BLOCK_SIZE)]
    sparse: bool = False
    """The offset of a DATA record may jump over zeros, which become holes. Only of a part opened with ``data``."""
    reused: Reused = ()
    """What the answerer takes from the version that stands at the final name, in order; DATA jumps over it.

    Only of a part opened with EXPECTED, and not with ``sparse``.
    """
    packing: Packing = Packing.NEVER


class Commit(Struct, array_like=True, frozen=True, tag=9):
    """Verify a part file, set times and mode, make it durable, give it its final name. Changes. Answer: Found."""

    part: Counter
    digest: Digest
    """File digest (section 6): the block digests of all blocks must add up to it."""
    mtime_ns: Nanoseconds
    mode: Mode | None = None
    durable: bool = True
    keep: bool = False
    """The file that is replaced goes to the share's trash."""
    xattrs: Xattrs = ()


class Discard(Struct, array_like=True, frozen=True, tag=10):
    """Give up a part file; ``remove`` deletes what was received. Changes. Answer: Done."""

    part: Counter
    remove: bool = True


class BundleFile(Struct, array_like=True, frozen=True, gc=False):
    """Header of one file in a bundle being written."""

    name: Path
    size: Annotated[int, Meta(ge=0, le=BLOCK_SIZE)]
    digest: Digest
    mtime_ns: Nanoseconds
    mode: Mode | None = None
    xattrs: Xattrs = ()
    sparse: bool = False
    """Zeros become holes."""


class WriteBundle(Struct, array_like=True, frozen=True, tag=11):
    """Several small files whole; one BUNDLE record follows under the same number. Changes. Answer: BundleWritten."""

    folder: Path
    replace: Replace = Replace.NEVER
    durable: bool = True
    newer_only: bool = False
    """With ALWAYS: leave a file that is not older than the one offered (answered EXISTS)."""
    keep: bool = False
    """Files that are replaced go to the share's trash."""
    packing: Packing = Packing.NEVER


class MakeDirectories(Struct, array_like=True, frozen=True, tag=12):
    """Make folders, in order. Changes. Answer: Results, a code for each (0 done)."""

    paths: Annotated[list[Path], Meta(max_length=REMOVE_MANY_MAX)]
    parents: bool = False
    """Make missing parents too."""
    exist_ok: bool = False
    mode: Mode | None = None


class RemoveMany(Struct, array_like=True, frozen=True, tag=13):
    """Remove files, links and empty folders, in order. Changes. Answer: Results."""

    paths: Annotated[list[Path], Meta(max_length=REMOVE_MANY_MAX)]


class Rename(Struct, array_like=True, frozen=True, tag=14):
    """Move within one share. Changes. Answer: Done."""

    source: Path
    target: Path
    replace: Replace = Replace.NEVER
    expected: Version | None = None


class Copy(Struct, array_like=True, frozen=True, tag=15):
    """Copy one file on the answering side. Changes. Answer: Found; has no deadline."""

    source: Path
    target: Path
    replace: Replace = Replace.NEVER
    keep: bool = False
    """The file that is replaced goes to the share's trash."""
    xattrs: bool = False
    """With extended attributes."""


class FolderTimes(Struct, array_like=True, frozen=True):
    """Time and mode to give to one entry."""

    path: Path
    mtime_ns: Nanoseconds
    mode: Mode | None = None
    xattrs: Xattrs = ()
    """Given beside those it has; where the disk has none: NOT_STORED, with time and mode set all the same."""


class SetAttributes(Struct, array_like=True, frozen=True, tag=16):
    """Set times and modes, in order. Changes. Answer: Results."""

    items: Annotated[list[FolderTimes], Meta(max_length=REMOVE_MANY_MAX)]


class Examine(Struct, array_like=True, frozen=True, tag=17):
    """Extended attributes of a file or folder, and where a file holds data. Answer: Examined."""

    path: Path
    version: Version | None = None
    """If given and the file is another: CHANGED."""
    offset: Size = 0
    """Where to begin with the stretches of data."""


class LinkItem(Struct, array_like=True, frozen=True):
    """One link to make."""

    path: Path
    target: Path
    """Text of a symbolic link, mapped like a name; for a hard link the path of a file of the same share."""
    mtime_ns: Nanoseconds
    """Time for a symbolic link; that of the file for a hard link, else CHANGED."""
    hard: bool = False
    size: Size = 0
    """For a hard link that of the file, else CHANGED."""


class MakeLinks(Struct, array_like=True, frozen=True, tag=18):
    """Make symbolic and hard links, in order. Changes. Answer: Results."""

    items: Annotated[list[LinkItem], Meta(max_length=REMOVE_MANY_MAX)]
    replace: Replace = Replace.NEVER
    """ALWAYS replaces a file or link; EXPECTED makes no sense here."""
    keep: bool = False
    """What is replaced goes to the trash of its share."""
