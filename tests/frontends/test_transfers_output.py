"""How queued transfers look."""

from __future__ import annotations

import json

from gimmal.agent.queue.advance import Counts
from gimmal.agent.queue.messages import TransferView
from gimmal.frontends.cli.transfers_output import json_of, lines_of


def view(**more: object) -> TransferView:
    fields: dict[str, object] = {
        "number": 7,
        "verb": "copy",
        "direction": "up",
        "sources": [b"/home/anna/\xff\x1b[31m"],
        "source_count": 1,
        "target": b":Documents",
        "state": "running",
        "running": True,
        "waiting_for": "",
        "counts": Counts(files=2, bytes=2_000_000, total_files=4, total_bytes=9_000_000, skipped=1, walked=True),
        "rate": 1_000_000.0,
        "remaining": 7.2,
        "queued": 1_700_000_000.0,
        "ended": 0.0,
        "seconds": 2.0,
        "path": "direct",
        "message": "",
        "hint": "",
        "failures": [],
        "left_out": [],
        "discarding": False,
    }
    return TransferView(**{**fields, **more})  # type: ignore[arg-type]


def test_one_that_runs() -> None:
    lines = lines_of(view())
    assert lines[0].startswith("  7  running; queued 20")
    assert lines[1] == "     copy /home/anna/\\xff\\x1b[31m to :Documents"
    assert lines[2] == "     3 of 4 files, 2 MB of 9 MB, 1 MB/s, 7 s left"
    assert len(lines) == 3


def test_what_was_not_sent_and_what_was_read_again_is_told() -> None:
    lines = lines_of(
        view(counts=Counts(2, 9, 2, 9, reused_bytes=5, saved_bytes=3, verified=2), rate=0.0, remaining=None)
    )
    assert lines[2].endswith("5 B of it was there already, 3 B less by compression, 2 read again and good")
    value = json_of(view(counts=Counts(reused_bytes=5, saved_bytes=3, verified=2)))
    assert (value["reused_bytes"], value["saved_bytes"], value["verified"]) == (5, 3, 2)


def test_lines_that_are_not_made_long_by_names_fit_a_terminal_of_80_columns() -> None:
    counts = Counts(1_234, 99_900_000_000, 1_234_567, 99_900_000_000_000, walked=True)
    running = view(counts=counts, rate=999_000_000.0, remaining=3600 * 99.0)
    ended = view(counts=counts, state="partly done", rate=0.0, remaining=None, ended=1_700_000_100.0)
    for one in (running, ended):
        lines = lines_of(one)
        assert max(len(lines[0]), len(lines[2])) < 80


def test_totals_that_are_not_known_yet_say_so() -> None:
    lines = lines_of(view(counts=Counts(files=5, bytes=10, total_files=5, total_bytes=10), rate=0.0, remaining=None))
    assert "5 of 5+ files, 10 B of 10 B+" in lines[2]


def test_what_did_not_travel_and_what_is_missing_is_told() -> None:
    counts = Counts(1, 9, 1, 9, walked=True, reused_bytes=4, saved_bytes=3, verified=1, bare=1, plain_links=2)
    lines = lines_of(view(counts=counts, rate=0.0, remaining=None))
    assert ", 4 B of it was there already, 3 B less by compression, 1 read again and good" in lines[2]
    assert lines[3:] == [
        "     note: 2 hard links became files of their own: the target takes none",
        "     note: 1 file or folder lack extended attributes",
    ]
    told = json_of(view(counts=counts))
    assert (told["reused_bytes"], told["saved_bytes"], told["verified"], told["without_xattrs"]) == (4, 3, 1, 1)


def test_what_it_waits_for() -> None:
    assert lines_of(view(state="waiting", waiting_for="its turn"))[0].startswith("  7  waiting for its turn; queued 20")
    hostile = lines_of(view(state="waiting", waiting_for="the other side: \x1b]0;x\x07"))[0]
    assert "\x1b" not in hostile
    assert lines_of(view(state="cancelled", discarding=True))[0].startswith(
        "  7  cancelled, its part files are being removed; queued"
    )


def test_what_failed_is_named_and_the_rest_counted() -> None:
    counts = Counts(failed=5, left_out=1)
    lines = lines_of(
        view(
            state="partly done",
            ended=1_700_000_100.0,
            counts=counts,
            failures=[("a", "gone"), ("b", "denied")],
            left_out=[("pipe", "neither a file nor a folder")],
            message="5 of 9 could not be done",
        )
    )
    assert ", ended 20" in lines[0]
    assert lines[3:] == [
        "     error: 5 of 9 could not be done",
        "     failed: a: gone",
        "     failed: b: denied",
        "     failed: 3 more",
        "     left out: pipe: neither a file nor a folder",
    ]


def test_the_only_failure_is_told_once_with_its_hint() -> None:
    lines = lines_of(view(state="failed", failures=[("a", "gone")], message="a: gone", hint="look for it"))
    assert lines[3:] == ["     failed: a: gone", "     hint: look for it"]
    lines = lines_of(view(state="failed", failures=[("a", "no such file or folder")], counts=Counts(failed=1)))
    assert lines[3:] == [
        "     failed: a: no such file or folder",
        "     hint: list the folder above it to see its names",
    ]


def test_many_sources_are_counted() -> None:
    assert " and 4,998 more to " in lines_of(view(sources=[b"/a", b"/b"], source_count=5000))[1]


def test_json_is_json_whatever_the_names() -> None:
    value = json.loads(json.dumps(json_of(view())))
    assert value["sources"] == ["/home/anna/\\xff\x1b[31m"]
    assert value["state"] == "running"
    assert (value["total_known"], value["rate"], value["remaining"], value["ended"]) == (True, 1_000_000, 7.2, None)


def test_hours_and_minutes() -> None:
    for seconds, text in ((59.2, "59 s"), (61, "1 min 1 s"), (3600 * 30 + 125, "30 h 2 min")):
        assert f", {text} left" in lines_of(view(remaining=seconds))[2]
