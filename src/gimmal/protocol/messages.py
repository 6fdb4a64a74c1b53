"""Messages between two halves (docs/spec/protocol.md, sections 3 to 6).

Each is a msgpack array: tag, then fields in order. Evolution: new fields only at the end with a default;
a tag is never reused; what a reader does not know it ignores (fields) or answers ``UNSUPPORTED`` (tags).

Paths are wire paths: ``share/component/component``, UTF-8, checked by ``base.paths``; the empty path is the
list of shares. Times are nanoseconds since 1970 UTC, sizes and offsets are bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.protocol.limits import (
    BLOCK_SIZE,
    BUNDLE_ITEMS_MAX,
    DIGEST_SIZE,
    EXTENTS_MAX,
    FILE_SIZE_MAX,
    PAGE_ITEMS_MAX,
    PART_BLOCKS_MAX,
    REMOVE_MANY_MAX,
    TRASH_ITEMS_MAX,
    XATTR_BYTES_MAX,
    XATTRS_MAX,
)

Path = Annotated[str, Meta(max_length=4096)]
Size = Annotated[int, Meta(ge=0, le=FILE_SIZE_MAX)]
Nanoseconds = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Mode = Annotated[int, Meta(ge=0, le=0o7777)]
Identity = Annotated[int, Meta(ge=0)]
"""msgpack itself has no integer above 2^64 - 1."""
Digest = Annotated[bytes, Meta(min_length=DIGEST_SIZE, max_length=DIGEST_SIZE)]
Counter = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
Text = Annotated[str, Meta(max_length=256)]
Xattr = tuple[Annotated[str, Meta(max_length=255)], Annotated[bytes, Meta(max_length=XATTR_BYTES_MAX)]]
Xattrs = Annotated[tuple[Xattr, ...], Meta(max_length=XATTRS_MAX)]
"""Extended attributes: name, which begins with ``user.``, and value, in order of their names."""
Extent = tuple[Size, Size]
Extents = Annotated[tuple[Extent, ...], Meta(max_length=EXTENTS_MAX)]
"""Stretches of a file as offset and length, none empty, in order, with something between them."""
TrashName = Annotated[str, Meta(max_length=64)]


class Kind(IntEnum):
    """What a directory entry is."""

    FILE = 0
    DIRECTORY = 1
    LINK = 2
    OTHER = 3


class Replace(IntEnum):
    """What a commit, copy or rename may do to a file already under the final name."""

    NEVER = 0
    """Refuse with EXISTS."""
    ALWAYS = 1
    """Replace a file; never a folder."""
    EXPECTED = 2
    """Replace only if it is still the version named; else CHANGED."""


class Attributes(Struct, array_like=True, frozen=True):
    """What is known of one entry. ``identity`` is the inode number: same identity, size and mtime mean same version."""

    kind: Kind
    size: Size
    mtime_ns: Nanoseconds
    mode: Mode
    identity: Identity
    target: Annotated[str, Meta(max_length=4096)] = ""
    """Where a symbolic link points, mapped like a name; never followed."""
    linked: Identity = 0
    """Of a file with several names a number of its disk: those with equal ``linked`` and ``identity`` are one file."""
    sparse: bool = False
    """A file that takes less room than its size: it may have holes."""


class Version(Struct, array_like=True, frozen=True):
    """A state of a file: to be the same, all three must be."""

    identity: Identity
    size: Size
    mtime_ns: Nanoseconds


class Entry(Struct, array_like=True, frozen=True):
    """One name in a listing (a component) or tree (a path relative to the tree's root)."""

    name: Path
    attributes: Attributes
    mapped: bool = False
    """The local name cannot travel as it is; this one stands for it."""
    xattrs: Xattrs = ()
    """Of a folder, where Tree asks for them."""
    bare: bool = False
    """It has extended attributes that cannot travel: too many, too large or with such names."""


# Link and session ----------------------------------------------------------------------------------------------


class Hello(Struct, array_like=True, frozen=True):
    """Body of the first record each way on every link."""

    version: Annotated[int, Meta(ge=1, le=255)]
    program: Text
    features: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
    random: Annotated[bytes, Meta(max_length=32)]
    """32 random bytes on the link that opens a session, none on later ones."""
    computer: Annotated[bytes, Meta(min_length=16, max_length=16)]
    """Computer id, random at each boot."""
    agent: bool
    """Sent by a running agent, not by one command."""


class Join(Struct, array_like=True, frozen=True):
    """Body of the dialler's second record: which link of the session this is."""

    number: Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
    bulk: bool


class Close(Struct, array_like=True, frozen=True):
    """Body of CLOSE."""

    reason: Annotated[int, Meta(ge=0, le=255)]


class CloseReason(IntEnum):
    """Why a session ended."""

    DONE = 0
    """Nothing more to do."""
    UNPLUGGED = 1
    """The half was pulled out."""
    STOPPED = 2
    """The program was told to stop."""
    DUPLICATE = 3
    """Two agents dialled each other; this session gives way to the other."""
    LIMIT = 4
    """Too many sessions or links."""
    VIOLATION = 5
    """A rule of the protocol was broken."""


class StreamEnd(Struct, array_like=True, frozen=True):
    """Body of END: the digest of the bytes of the stream, and the file's state after the last was read."""

    digest: Digest


# Requests ------------------------------------------------------------------------------------------------------


class Stat(Struct, array_like=True, frozen=True, tag=1):
    """Attributes of one path. Answer: Found."""

    path: Path


class List(Struct, array_like=True, frozen=True, tag=2):
    """Entries of a folder, or the shares where the path is empty. Answer: Page."""

    path: Path
    cursor: Counter = 0
    """0 to begin, then the cursor of the page before."""


class Tree(Struct, array_like=True, frozen=True, tag=3):
    """Everything below a folder, folders before what they hold. Answer: Page, names relative to ``path``."""

    path: Path
    cursor: Counter = 0
    xattrs: bool = False
    """Name the extended attributes of folders."""


class StatFileSystem(Struct, array_like=True, frozen=True, tag=4):
    """Room on the disk that holds a path. Answer: Room."""

    path: Path


class Read(Struct, array_like=True, frozen=True, tag=5):
    """A range of a file. Answer: DATA records in order, then END; or Failed. Shorter only at the file's end."""

    path: Path
    offset: Size
    length: Annotated[int, Meta(ge=1, le=BLOCK_SIZE)]
    version: Version | None = None
    """If given and the file is another before or after reading: CHANGED."""
    sparse: bool = False
    """Leave out holes: the offset of a DATA record then jumps over what is zeros."""


class ReadBundle(Struct, array_like=True, frozen=True, tag=6):
    """Several small files whole. Answer: BUNDLE, items in the order asked."""

    folder: Path
    names: Annotated[list[Path], Meta(max_length=BUNDLE_ITEMS_MAX)]
    """Paths relative to ``folder``."""
    xattrs: bool = False
    """With extended attributes."""


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


class BundleFile(Struct, array_like=True, frozen=True):
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


class Trash(Struct, array_like=True, frozen=True, tag=20):
    """Move files, links and folders with all they hold into their share's trash, in order. Changes. Answer: Results."""

    paths: Annotated[list[Path], Meta(max_length=TRASH_ITEMS_MAX)]


class ListTrash(Struct, array_like=True, frozen=True, tag=21):
    """What the trash of one share holds, oldest first. Answer: TrashPage."""

    share: Path
    after: TrashName = ""
    """Empty to begin, then the name of the last entry of the page before."""


class RestoreTrash(Struct, array_like=True, frozen=True, tag=22):
    """Move entries of a trash back to where they were, in order; nothing is replaced. Changes. Answer: Results."""

    share: Path
    names: Annotated[list[TrashName], Meta(max_length=TRASH_ITEMS_MAX)]
    target: Path = ""
    """Where the one entry named goes instead, within the same share."""


class EmptyTrash(Struct, array_like=True, frozen=True, tag=23):
    """Destroy entries of a trash. Changes. Answer: Results; has no deadline."""

    share: Path
    names: Annotated[list[TrashName], Meta(max_length=TRASH_ITEMS_MAX)]


Request = (
    Stat
    | List
    | Tree
    | StatFileSystem
    | Read
    | ReadBundle
    | OpenPart
    | Write
    | Commit
    | Discard
    | WriteBundle
    | MakeDirectories
    | RemoveMany
    | Rename
    | Copy
    | SetAttributes
    | Examine
    | MakeLinks
    | Trash
    | ListTrash
    | RestoreTrash
    | EmptyTrash
)

CHANGING = (
    OpenPart,
    Write,
    Commit,
    Discard,
    WriteBundle,
    MakeDirectories,
    RemoveMany,
    Rename,
    Copy,
    SetAttributes,
    MakeLinks,
    Trash,
    RestoreTrash,
    EmptyTrash,
)
"""Requests whose number and answer the answering side remembers, so that a repeat is answered, not done twice."""

STREAMED = (Write, WriteBundle)
"""Requests followed by records of the asker under the same number."""


# Answers -------------------------------------------------------------------------------------------------------


class Failed(Struct, array_like=True, frozen=True, tag=64):
    """The request was not done. ``code`` is of ``protocol.codes``."""

    code: Annotated[int, Meta(ge=1, le=65535)]


class Done(Struct, array_like=True, frozen=True, tag=65):
    """The request was done."""


class Found(Struct, array_like=True, frozen=True, tag=66):
    """Attributes of the path asked for, after what was asked was done."""

    attributes: Attributes
    bare: bool = False
    """A file was placed without the extended attributes that were to be kept: the disk takes none, or not these."""


class Page(Struct, array_like=True, frozen=True, tag=67):
    """Part of a listing or tree; ``cursor`` 0 means the last."""

    entries: Annotated[list[Entry], Meta(max_length=PAGE_ITEMS_MAX)]
    cursor: Counter
    failures: Annotated[list[tuple[Path, Annotated[int, Meta(ge=1, le=65535)]]], Meta(max_length=PAGE_ITEMS_MAX)] = (
        msgspec.field(default_factory=list)
    )
    """Folders of a tree that could not be read: relative path and code."""


class Room(Struct, array_like=True, frozen=True, tag=68):
    """Bytes of the disk: in all, free, and available to this user."""

    total: Size
    free: Size
    available: Size


class PartOpened(Struct, array_like=True, frozen=True, tag=69):
    """An open part file. ``blocks`` holds the digest of each verified block already there, empty where missing.

    It begins with block ``first`` of the request and ends with the last verified one, at most PART_BLOCKS_MAX.
    """

    part: Counter
    blocks: Annotated[list[Annotated[bytes, Meta(max_length=DIGEST_SIZE)]], Meta(max_length=PART_BLOCKS_MAX)]


class Results(Struct, array_like=True, frozen=True, tag=70):
    """One code for each item of the request, 0 where it was done."""

    codes: Annotated[list[Annotated[int, Meta(ge=0, le=65535)]], Meta(max_length=REMOVE_MANY_MAX)]


class BundleWritten(Struct, array_like=True, frozen=True, tag=71):
    """One code for each file of the bundle, 0 where it stands under its final name."""

    codes: Annotated[list[Annotated[int, Meta(ge=0, le=65535)]], Meta(max_length=BUNDLE_ITEMS_MAX)]
    bare: Annotated[int, Meta(ge=0, le=BUNDLE_ITEMS_MAX)] = 0
    """How many of them stand without the extended attributes that came."""


class Examined(Struct, array_like=True, frozen=True, tag=72):
    """Extended attributes, and stretches of a file that hold data; what lies between them is zeros."""

    xattrs: Xattrs
    bare: bool = False
    """There are more that cannot travel."""
    extents: Extents = ()
    next: Size = 0
    """Where to go on, 0 where these are all."""


class BundleItem(Struct, array_like=True, frozen=True):
    """Header of one file in a bundle being read; where ``code`` is not 0 there are no contents."""

    code: Annotated[int, Meta(ge=0, le=65535)]
    size: Annotated[int, Meta(ge=0, le=BLOCK_SIZE)] = 0
    digest: Annotated[bytes, Meta(max_length=DIGEST_SIZE)] = b""
    attributes: Attributes | None = None
    xattrs: Xattrs = ()
    bare: bool = False
    """It has extended attributes that cannot travel."""


class TrashEntry(Struct, array_like=True, frozen=True):
    """One entry of a trash."""

    name: TrashName
    """Names it in the trash; 8 + 8 hexadecimal digits, a dot, a number."""
    path: Path
    """Where it was, below the share; mapped like a name where it must be."""
    attributes: Attributes
    trashed: Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
    """When it came there, seconds since 1970 UTC."""
    who: Text
    """Who moved it there, for people."""


class TrashPage(Struct, array_like=True, frozen=True, tag=75):
    """Part of a trash; ``more`` says that others follow."""

    entries: Annotated[list[TrashEntry], Meta(max_length=TRASH_ITEMS_MAX)]
    more: bool


Answer = Failed | Done | Found | Page | Room | PartOpened | Results | BundleWritten | Examined | TrashPage
