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
from gimmal.protocol.chunk_messages import Chunks, ListChunks
from gimmal.protocol.edit_messages import (
    CommitEdit,
    DiscardEdit,
    EditOpened,
    EditRead,
    MakeDurable,
    OpenEdit,
    QuickEdit,
    ReadEdit,
    TruncateEdit,
    WriteEdit,
)
from gimmal.protocol.film_messages import (
    AboutFilm,
    Film,
    FilmBytes,
    FilmPart,
    FilmText,
    Picture,
    ReadFilmText,
    Thumbnail,
)
from gimmal.protocol.link_messages import Close, CloseReason, Hello, Join, StreamEnd
from gimmal.protocol.measure_messages import (
    BlockDigests,
    DigestBlocks,
    DigestFiles,
    FileDigest,
    FileDigests,
    Measure,
    Measured,
    MeasureUp,
    Took,
)
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
    Reused,
    Size,
    Stretch,
    Text,
    TrashName,
    Version,
    Xattr,
    Xattrs,
)
from gimmal.protocol.punch_messages import Punch, PunchPlaces
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
from gimmal.protocol.watch_messages import Change, ChangeKind, Notices, OpenNotices, Unwatch, Watch, Watched

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
    | ListChunks
    | DigestBlocks
    | DigestFiles
    | Measure
    | MeasureUp
    | Punch
    | OpenNotices
    | Watch
    | Unwatch
    | OpenEdit
    | WriteEdit
    | ReadEdit
    | TruncateEdit
    | CommitEdit
    | DiscardEdit
    | QuickEdit
    | MakeDurable
    | Thumbnail
    | AboutFilm
    | FilmPart
    | ReadFilmText
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
    MeasureUp,
    OpenEdit,
    WriteEdit,
    TruncateEdit,
    CommitEdit,
    DiscardEdit,
    QuickEdit,
)
"""Requests whose number and answer the answering side remembers, so that a repeat is answered, not done twice."""

STREAMED = (Write, WriteBundle, MeasureUp)
"""Requests followed by records of the asker under the same number."""

Answer = (
    Failed
    | Done
    | Found
    | Page
    | Room
    | PartOpened
    | Results
    | BundleWritten
    | Examined
    | TrashPage
    | BlockDigests
    | FileDigests
    | Took
    | Chunks
    | PunchPlaces
    | Watched
    | EditOpened
    | EditRead
    | Picture
    | Film
    | FilmBytes
)

__all__ = [
    "CHANGING",
    "STREAMED",
    "AboutFilm",
    "Answer",
    "Attributes",
    "BlockDigests",
    "BundleFile",
    "BundleItem",
    "BundleWritten",
    "Change",
    "ChangeKind",
    "Chunks",
    "Close",
    "CloseReason",
    "Commit",
    "CommitEdit",
    "Copy",
    "Counter",
    "Digest",
    "DigestBlocks",
    "DigestFiles",
    "Discard",
    "DiscardEdit",
    "Done",
    "EditOpened",
    "EditRead",
    "EmptyTrash",
    "Entry",
    "Examine",
    "Examined",
    "Extent",
    "Extents",
    "Failed",
    "FileDigest",
    "FileDigests",
    "Film",
    "FilmBytes",
    "FilmPart",
    "FilmText",
    "FolderTimes",
    "Found",
    "Hello",
    "Identity",
    "Join",
    "Kind",
    "LinkItem",
    "List",
    "ListChunks",
    "ListTrash",
    "MakeDirectories",
    "MakeDurable",
    "MakeLinks",
    "Measure",
    "MeasureUp",
    "Measured",
    "Mode",
    "Nanoseconds",
    "Notices",
    "OpenEdit",
    "OpenNotices",
    "OpenPart",
    "Packing",
    "Page",
    "PartOpened",
    "Path",
    "Picture",
    "Punch",
    "PunchPlaces",
    "QuickEdit",
    "Read",
    "ReadBundle",
    "ReadEdit",
    "ReadFilmText",
    "RemoveMany",
    "Rename",
    "Replace",
    "Request",
    "RestoreTrash",
    "Results",
    "Reused",
    "Room",
    "SetAttributes",
    "Size",
    "Stat",
    "StatFileSystem",
    "StreamEnd",
    "Stretch",
    "Text",
    "Thumbnail",
    "Took",
    "Trash",
    "TrashEntry",
    "TrashName",
    "TrashPage",
    "Tree",
    "TruncateEdit",
    "Unwatch",
    "Version",
    "Watch",
    "Watched",
    "Write",
    "WriteBundle",
    "WriteEdit",
    "Xattr",
    "Xattrs",
]
