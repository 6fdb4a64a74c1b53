"""Answers (docs/spec/protocol.md, section 5)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.protocol.limits import (
    BLOCK_SIZE,
    BODY_MAX,
    BUNDLE_ITEMS_MAX,
    DIGEST_SIZE,
    PAGE_ITEMS_MAX,
    PART_BLOCKS_MAX,
    REMOVE_MANY_MAX,
)
from gimmal.protocol.parts import Attributes, Counter, Entry, Extents, Path, Size, Xattrs


class Failed(Struct, array_like=True, frozen=True, tag=64):
    """The request was not done. ``code`` is of ``protocol.codes``."""

    code: Annotated[int, Meta(ge=1, le=65535)]


class Done(Struct, array_like=True, frozen=True, tag=65):
    """The request was done."""

    saved: Annotated[int, Meta(ge=0, le=BLOCK_SIZE)] = 0
    """Of a Write: how many bytes fewer came than they stand for, because they were packed."""


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
    watch: Counter = 0
    """Of the first page of a List: the watch that was set before the folder was read; 0 where none was granted."""
    folder: Attributes | None = None
    """With it, where one was asked for: the folder itself, as it was before it was read."""


class Room(Struct, array_like=True, frozen=True, tag=68):
    """Bytes of the disk: in all, free, and available to this user; nanoseconds of the steps in which it keeps times."""

    total: Size
    free: Size
    available: Size
    grain: Counter = 0


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
    saved: Annotated[int, Meta(ge=0, le=BODY_MAX)] = 0
    """How many bytes fewer the bundle was because it was packed."""


class Examined(Struct, array_like=True, frozen=True, tag=72):
    """Extended attributes, and stretches of a file that hold data; what lies between them is zeros."""

    xattrs: Xattrs
    bare: bool = False
    """There are more that cannot travel."""
    extents: Extents = ()
    next: Size = 0
    """Where to go on, 0 where these are all."""


class BundleItem(Struct, array_like=True, frozen=True, gc=False):
    """Header of one file in a bundle being read; where ``code`` is not 0 there are no contents."""

    code: Annotated[int, Meta(ge=0, le=65535)]
    size: Annotated[int, Meta(ge=0, le=BLOCK_SIZE)] = 0
    digest: Annotated[bytes, Meta(max_length=DIGEST_SIZE)] = b""
    attributes: Attributes | None = None
    xattrs: Xattrs = ()
    bare: bool = False
    """It has extended attributes that cannot travel."""
