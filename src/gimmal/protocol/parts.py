"""What messages are made of: the types of their fields, and structs in several of them (docs/spec/protocol.md, 3.1).

What comes by the ten thousand is not tracked by the garbage collector (``gc=False``): it can hold no cycle.

Paths are wire paths: ``share/component/component``, UTF-8, checked by ``base.paths``; the empty path is the
list of shares. Times are nanoseconds since 1970 UTC, sizes and offsets are bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import DIGEST_SIZE, EXTENTS_MAX, FILE_SIZE_MAX, REUSED_MAX, XATTR_BYTES_MAX, XATTRS_MAX

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
Stretch = tuple[Size, Size, Size]
Reused = Annotated[tuple[Stretch, ...], Meta(max_length=REUSED_MAX)]
"""Stretches of a block that are taken from the old version: place in the block, offset there, length."""
TrashName = Annotated[str, Meta(max_length=64)]


class Packing(IntEnum):
    """Whether who sends the bytes of a request may pack them."""

    NEVER = 0
    SLOW = 1
    """Where its line is slower than packing."""
    ALWAYS = 2
    """Wherever they shrink."""


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


class Attributes(Struct, array_like=True, frozen=True, gc=False):
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


class Version(Struct, array_like=True, frozen=True, gc=False):
    """A state of a file: to be the same, all three must be."""

    identity: Identity
    size: Size
    mtime_ns: Nanoseconds


class Entry(Struct, array_like=True, frozen=True, gc=False):
    """One name in a listing (a component) or tree (a path relative to the tree's root)."""

    name: Path
    attributes: Attributes
    mapped: bool = False
    """The local name cannot travel as it is; this one stands for it."""
    xattrs: Xattrs = ()
    """Of a folder, where Tree asks for them."""
    bare: bool = False
    """It has extended attributes that cannot travel: too many, too large or with such names."""
