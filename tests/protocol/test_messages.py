"""What must hold of the set of messages as a whole: it is the wire format."""

from __future__ import annotations

import inspect
import re

import msgspec
import pytest

from gimmal.protocol import messages
from gimmal.protocol.codec import encode
from gimmal.protocol.limits import BODY_MAX, EDIT_DATA_MAX, EDIT_RANGES_MAX, PART_BLOCKS_MAX
from gimmal.protocol.messages import CHANGING, STREAMED, ChangeKind, CloseReason, Kind, Measured, PartOpened, Replace
from tests.protocol.strategies import ANSWERS, REQUESTS

TAGS = {
    "Stat": 1,
    "List": 2,
    "Tree": 3,
    "StatFileSystem": 4,
    "Read": 5,
    "ReadBundle": 6,
    "OpenPart": 7,
    "Write": 8,
    "Commit": 9,
    "Discard": 10,
    "WriteBundle": 11,
    "MakeDirectories": 12,
    "RemoveMany": 13,
    "Rename": 14,
    "Copy": 15,
    "SetAttributes": 16,
    "Examine": 17,
    "MakeLinks": 18,
    "Trash": 20,
    "ListTrash": 21,
    "RestoreTrash": 22,
    "EmptyTrash": 23,
    "DigestBlocks": 36,
    "DigestFiles": 37,
    "Measure": 38,
    "MeasureUp": 39,
    "ListChunks": 24,
    "Punch": 48,
    "OpenNotices": 52,
    "Watch": 53,
    "Unwatch": 54,
    "OpenEdit": 56,
    "WriteEdit": 57,
    "ReadEdit": 58,
    "TruncateEdit": 59,
    "CommitEdit": 60,
    "DiscardEdit": 61,
    "QuickEdit": 62,
    "MakeDurable": 63,
    "Thumbnail": 40,
    "Picture": 92,
    "AboutFilm": 41,
    "FilmPart": 42,
    "ReadFilmText": 43,
    "Film": 93,
    "FilmBytes": 94,
    "Failed": 64,
    "Done": 65,
    "Found": 66,
    "Page": 67,
    "Room": 68,
    "PartOpened": 69,
    "Results": 70,
    "BundleWritten": 71,
    "Examined": 72,
    "TrashPage": 75,
    "BlockDigests": 88,
    "FileDigests": 89,
    "Took": 90,
    "Chunks": 76,
    "PunchPlaces": 100,
    "Watched": 101,
    "EditOpened": 104,
    "EditRead": 105,
}
"""As published: none of these may ever change."""


def tag_of(kind: type[msgspec.Struct]) -> object:
    return kind.__struct_config__.tag


def test_tags_are_those_published() -> None:
    assert {kind.__name__: tag_of(kind) for kind in (*REQUESTS, *ANSWERS)} == TAGS


@pytest.mark.parametrize(
    "kind", [*REQUESTS, *ANSWERS, messages.Hello, messages.Join, messages.Close, messages.StreamEnd, messages.Notices]
)
def test_messages_are_frozen_arrays(kind: type[msgspec.Struct]) -> None:
    config = kind.__struct_config__
    assert config.array_like
    assert config.frozen
    assert not config.forbid_unknown_fields


def test_enumerations_are_those_published() -> None:
    assert [(kind.name, kind.value) for kind in Kind] == [("FILE", 0), ("DIRECTORY", 1), ("LINK", 2), ("OTHER", 3)]
    assert [(kind.name, kind.value) for kind in Replace] == [("NEVER", 0), ("ALWAYS", 1), ("EXPECTED", 2)]
    assert [(kind.name, kind.value) for kind in Measured] == [("LINE", 0), ("CIPHER", 1), ("DISK", 2)]
    assert [(kind.name, kind.value) for kind in ChangeKind] == [("ENTRY", 0), ("AGAIN", 1), ("OVER", 2)]
    assert [reason.value for reason in CloseReason] == list(range(6))


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_says_that_it_changes_something_where_it_does(kind: type[msgspec.Struct]) -> None:
    assert ("Changes." in (kind.__doc__ or "")) is issubclass(kind, CHANGING)


def test_streamed_requests_change_something() -> None:
    assert set(STREAMED) <= set(CHANGING)


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_names_answers_that_exist(kind: type[msgspec.Struct]) -> None:
    named = re.search(r"Answer: (\w+)", inspect.getdoc(kind) or "")
    assert named
    assert named[1] in {*(answer.__name__ for answer in ANSWERS), "DATA", "BUNDLE"}


def test_the_longest_part_answer_fits_into_a_record() -> None:
    longest = PartOpened((1 << 32) - 1, [b"x" * 32] * PART_BLOCKS_MAX)
    assert len(encode(longest)) <= BODY_MAX


def test_the_longest_edit_fits_into_a_record() -> None:
    version = messages.Version((1 << 64) - 1, (1 << 63) - 1, -(1 << 63))
    ranges = (((1 << 63) - 1, (1 << 63) - 1),) * EDIT_RANGES_MAX
    sizes = (1 << 63) - 1, (1 << 63) - 1
    data = bytes(EDIT_DATA_MAX)
    for path in ("p" * 4096, "\N{GRINNING FACE}" * 1024):
        longest = messages.QuickEdit(
            path, version, *sizes, Replace.EXPECTED, ranges, data, bytes(32), 1 << 62, 0o777, True, True
        )
        assert len(encode(longest)) <= BODY_MAX


def test_paths_fill_a_request_within_a_record_or_the_asker_sees_it_before_sending() -> None:
    # 1,024 paths of 4,096 bytes do not fit: the limit of bytes is the record's.
    assert len(encode(messages.RemoveMany(["p" * 1000] * 1024))) <= BODY_MAX
    assert len(encode(messages.RemoveMany(["p" * 4096] * 1024))) > BODY_MAX
