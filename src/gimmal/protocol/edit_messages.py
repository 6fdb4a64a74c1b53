"""Requests that change parts of a file where it lies, and their answers (docs/spec/protocol.md, section 12)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import EDIT_DATA_MAX, EDIT_RANGES_MAX, REMOVE_MANY_MAX
from gimmal.protocol.parts import Counter, Digest, Extent, Mode, Nanoseconds, Path, Replace, Size, Version

Ranges = Annotated[tuple[Extent, ...], Meta(max_length=EDIT_RANGES_MAX)]
"""Stretches of a file as offset and length, none empty; written in this order: where they overlap the later counts."""

EditData = Annotated[bytes, Meta(max_length=EDIT_DATA_MAX)]


class OpenEdit(Struct, array_like=True, frozen=True, tag=56):
    """Begin to change a file, or to make one. Changes. Answer: EditOpened; has no deadline."""

    path: Path
    base: Version | None = None
    """The version it begins as a copy of, and which must still stand at the end where ``replace`` is EXPECTED."""
    kept: Size = 0
    """How many of the base's first bytes stay."""
    size: Size = 0
    """Bytes it then has; what is not kept is zeros."""
    replace: Replace = Replace.NEVER


class WriteEdit(Struct, array_like=True, frozen=True, tag=57):
    """Write over stretches of an edit. Changes. Answer: Done."""

    edit: Counter
    ranges: Ranges
    data: EditData
    """The bytes of all ranges, one behind the other."""
    digest: Digest
    """BLAKE3 of ``data``."""


class ReadEdit(Struct, array_like=True, frozen=True, tag=58):
    """What an edit holds now. Answer: EditRead."""

    edit: Counter
    offset: Size
    length: Annotated[int, Meta(ge=1, le=EDIT_DATA_MAX)]


class TruncateEdit(Struct, array_like=True, frozen=True, tag=59):
    """Give an edit another size; what is added is zeros. Changes. Answer: Done."""

    edit: Counter
    size: Size


class CommitEdit(Struct, array_like=True, frozen=True, tag=60):
    """Give an edit its final name. Changes. Answer: Found; has no deadline."""

    edit: Counter
    mtime_ns: Nanoseconds | None = None
    """None: the answerer's time of now."""
    mode: Mode | None = None
    durable: bool = True
    keep: bool = False
    """The file that is replaced goes to the share's trash."""
    keep_open: bool = False
    """The edit goes on, as one of the version that this commit made."""
    path: Path = ""
    """If not empty: another final name in the same share, at which nothing stands; for both sides of a conflict."""


class DiscardEdit(Struct, array_like=True, frozen=True, tag=61):
    """Give an edit up. Changes. Answer: Done."""

    edit: Counter


class QuickEdit(Struct, array_like=True, frozen=True, tag=62):
    """OpenEdit, one WriteEdit and CommitEdit at once. Changes. Answer: Found; has no deadline."""

    path: Path
    base: Version | None
    kept: Size
    size: Size
    replace: Replace
    ranges: Ranges
    data: EditData
    digest: Digest
    mtime_ns: Nanoseconds | None = None
    mode: Mode | None = None
    durable: bool = True
    keep: bool = False


class MakeDurable(Struct, array_like=True, frozen=True, tag=63):
    """What stands at these paths survives a power cut: the names in a folder, the bytes and attributes of a file.

    Answer: Results, a code for each (0 done).
    """

    paths: Annotated[list[Path], Meta(max_length=REMOVE_MANY_MAX)]


class EditOpened(Struct, array_like=True, frozen=True, tag=104):
    """An open edit."""

    edit: Counter


class EditRead(Struct, array_like=True, frozen=True, tag=105):
    """Bytes of an edit: fewer than asked for where it ends."""

    data: EditData
    digest: Digest
