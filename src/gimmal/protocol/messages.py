"""Messages between two halves (docs/spec/protocol.md, sections 3 to 6): all of them, and which may come where.

Each is a msgpack array: tag, then fields in order. Evolution: new fields only at the end with a default;
a tag is never reused; what a reader does not know it ignores (fields) or answers ``UNSUPPORTED`` (tags).
"""

from __future__ import annotations

from gimmal.protocol.answers import (
    BundleItem,
    BundleWritten,
    Done,
    Examined,
    Failed,
    Found,
    Page,
    PartOpened,
    Results,
    Room,
)
from gimmal.protocol.link_messages import Close, CloseReason, Hello, Join, StreamEnd
from gimmal.protocol.parts import (
    Attributes,
    Counter,
    Digest,
    Entry,
    Extent,
    Extents,
    Identity,
    Kind,
    Mode,
    Nanoseconds,
    Packing,
    Path,
    Replace,
    Size,
    Text,
    TrashName,
    Version,
    Xattr,
    Xattrs,
)
from gimmal.protocol.requests import (
    BundleFile,
    Commit,
    Copy,
    Discard,
    Examine,
    FolderTimes,
    LinkItem,
    List,
    MakeDirectories,
    MakeLinks,
    OpenPart,
    Read,
    ReadBundle,
    RemoveMany,
    Rename,
    SetAttributes,
    Stat,
    StatFileSystem,
    Tree,
    Write,
    WriteBundle,
)
from gimmal.protocol.trash_messages import EmptyTrash, ListTrash, RestoreTrash, Trash, TrashEntry, TrashPage

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

Answer = Failed | Done | Found | Page | Room | PartOpened | Results | BundleWritten | Examined | TrashPage

__all__ = [
    "CHANGING",
    "STREAMED",
    "Answer",
    "Attributes",
    "BundleFile",
    "BundleItem",
    "BundleWritten",
    "Close",
    "CloseReason",
    "Commit",
    "Copy",
    "Counter",
    "Digest",
    "Discard",
    "Done",
    "EmptyTrash",
    "Entry",
    "Examine",
    "Examined",
    "Extent",
    "Extents",
    "Failed",
    "FolderTimes",
    "Found",
    "Hello",
    "Identity",
    "Join",
    "Kind",
    "LinkItem",
    "List",
    "ListTrash",
    "MakeDirectories",
    "MakeLinks",
    "Mode",
    "Nanoseconds",
    "OpenPart",
    "Packing",
    "Page",
    "PartOpened",
    "Path",
    "Read",
    "ReadBundle",
    "RemoveMany",
    "Rename",
    "Replace",
    "Request",
    "RestoreTrash",
    "Results",
    "Room",
    "SetAttributes",
    "Size",
    "Stat",
    "StatFileSystem",
    "StreamEnd",
    "Text",
    "Trash",
    "TrashEntry",
    "TrashName",
    "TrashPage",
    "Tree",
    "Version",
    "Write",
    "WriteBundle",
    "Xattr",
    "Xattrs",
]
