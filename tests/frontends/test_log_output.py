"""Entries of the log of use: what a person reads, what a program reads, and which are old enough."""

from __future__ import annotations

import datetime
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.agent.use_log.reading import Unreadable
from gimmal.agent.use_log.records import Began, Crowded, Did, Ended, Record, Served, Uncounted, Who
from gimmal.base.errors import UsageError
from gimmal.frontends.cli.log_output import json_of, lines_of, moment, says_since
from gimmal.share.using import Act
from tests.protocol.strategies import of

SESSION = b"session1"
AT = 1_700_000_000_123
WHO = Who("b", "laptop", bytes(16), "gimmal 1", False)
RECORDS = st.one_of(*(of(kind) for kind in get_args(Record)))


def did(act: Act, names: list[str], count: int = 0, **more: object) -> Did:
    values = {"folder": "docs", "size": 0, "side": "b", "computer": "laptop", "targets": []}
    return Did(SESSION, act, AT, AT, names=names, count=count or len(names), **(values | more))  # type: ignore[arg-type]


def text(record: Record | Unreadable, *, all_names: bool = False) -> str:
    return "\n".join(lines_of(record, all_names=all_names)).partition("  ")[2]


def test_lines_of_a_session() -> None:
    assert text(Began(SESSION, AT, WHO, "relayed")) == "side b on laptop: connected, relayed, a command, gimmal 1"
    assert text(did(Act.READ, ["a", "b"], size=2500)) == "side b on laptop: read 2 in :docs, 2.5 kB: a, b"
    assert text(did(Act.READ, ["a"], 100)) == "side b on laptop: read 100 in :docs: a, and 99 more"
    assert text(did(Act.LISTED, [""], folder="")) == "side b on laptop: listed 1 in :: the shares"
    moved = did(Act.MOVED, ["a"], targets=["docs/old/a"])
    assert text(moved) == "side b on laptop: moved 1 in :docs: a -> :docs/old/a"
    assert text(Ended(SESSION, AT, "lost", "b", "")) == "side b: disconnected, the connection was lost"
    assert text(Ended(SESSION, AT, "later", "b", "")) == "side b: disconnected, later"
    assert text(Served(AT)) == "this half: plugged in here"
    assert text(Served(AT, "unplugged")) == "this half: pulled out"
    assert text(Served(AT, "stopped")) == "this half: `gimmal up` stopped"


def test_many_names_are_cut_unless_all_are_wanted() -> None:
    names = [f"n{number}" for number in range(20)]
    record = did(Act.REMOVED, names)
    assert text(record).endswith(": n0, n1, n2, n3, n4, n5, n6, n7, and 12 more")
    assert lines_of(record, all_names=True)[1:] == [f"    {name}" for name in names]
    assert lines_of(did(Act.READ, names, 30), all_names=True)[-1] == "    and 10 more"


def test_a_crowd_and_what_cannot_be_read() -> None:
    crowd = Crowded(AT, AT, 7, [Uncounted(Act.WROTE, "docs", 1000, 5000)])
    assert [line.strip() for line in lines_of(crowd, all_names=False)][1:] == [
        "wrote: 1,000 times, 5 kB, in :docs",
        "7 sessions began",
    ]
    assert "a crash cut it" in lines_of(Unreadable(0, True), all_names=False)[0]
    assert "2 entries of a later version" in lines_of(Unreadable(2, False), all_names=False)[0]


def test_objects_for_programs() -> None:
    assert json_of(did(Act.MOVED, ["a"], targets=["b"], size=3)) == {
        "event": "moved",
        "from": "2023-11-14T22:13:20.123+00:00",
        "until": "2023-11-14T22:13:20.123+00:00",
        "folder": "docs",
        "names": ["a"],
        "targets": ["b"],
        "count": 1,
        "bytes": 3,
        "session": SESSION.hex(),
        "side": "b",
        "computer": "laptop",
        "from_here": False,
    }
    assert json_of(did(Act.READ, ["a"]), own=True)["from_here"] is True
    assert json_of(Began(SESSION, AT, WHO, "lan"))["program"] == "gimmal 1"
    assert json_of(Served(AT))["event"] == "plugged"
    assert json_of(Served(AT, "unplugged"))["event"] == "unplugged"
    assert json_of(Unreadable(1, True)) == {"event": "unreadable", "newer_records": 1, "torn": True, "from_here": False}


def test_what_was_done_from_here_begins_with_that_word() -> None:
    def own(record: Record) -> str:
        return lines_of(record, all_names=False, own=True)[0].partition("  ")[2]

    assert own(did(Act.READ, ["a"], size=3)) == "from here on laptop: read 1 in :docs, 3 B: a"
    assert own(did(Act.READ, ["a"], computer="")) == "from here on side b: read 1 in :docs: a"
    crowd = Crowded(AT, AT, 0, [Uncounted(Act.WROTE, "docs", 1000, 5000)])
    assert own(crowd).startswith("from here: more was done than is kept in detail since ")


@given(RECORDS, st.booleans())
def test_whatever_a_peer_wrote_is_shown_in_plain_characters(record: Record, all_names: bool) -> None:
    for own in (False, True):
        for line in lines_of(record, all_names=all_names, own=own):
            assert line.isprintable()
    json.dumps(json_of(record))


def test_times() -> None:
    now = datetime.datetime.now(datetime.UTC).timestamp() * 1000
    assert abs(moment("90m") - (now - 90 * 60_000)) < 60_000
    assert abs(moment("12h") - (now - 12 * 3_600_000)) < 60_000
    assert abs(moment("7d") - (now - 7 * 86_400_000)) < 60_000
    local = datetime.datetime(2026, 11, 26, 9, 30).astimezone().timestamp() * 1000
    assert moment("2026-11-26 09:30") == moment("2026-11-26T09:30:00") == local
    assert moment("2026-11-26") == datetime.datetime(2026, 11, 26).astimezone().timestamp() * 1000
    assert moment("999999d") == 0


@pytest.mark.parametrize("wrong", ["", "yesterday", "12", "-1h", "2026-13-01", "1234567h", "12 h", "\x1b[0m"])
def test_what_is_no_time_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError) as raised:
        moment(wrong)
    assert raised.value.message.isprintable()


def test_each_entry_is_asked_for_its_own_time() -> None:
    assert says_since(Served(AT), AT)
    assert not says_since(Served(AT - 1), AT)
    early = did(Act.READ, ["a"])
    assert says_since(early, AT)
    assert not says_since(early, AT + 1)
    assert says_since(Unreadable(1, False), AT)
