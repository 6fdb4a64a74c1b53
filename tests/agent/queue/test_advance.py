"""How far a transfer has come: bounded, and gone on with by another process."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from gimmal.agent.control import MESSAGE_MAX
from gimmal.agent.queue.advance import (
    COUNT_MAX,
    FAILURE_BYTES_MAX,
    UNFINISHED_PARTS_MAX,
    Advance,
    Counts,
    UnfinishedPart,
    continued,
    counts_of,
    failures_of,
)
from gimmal.agent.queue.machine import Outcome, Standing, State
from gimmal.agent.queue.messages import SOURCES_LISTED
from gimmal.agent.queue.order import NAME_BYTES_MAX
from gimmal.agent.queue.run import outcome_of
from gimmal.agent.queue.viewing import view_of
from gimmal.base.paths import PATH_BYTES_MAX
from gimmal.base.sealed_journal import RECORD_BYTES_MAX
from gimmal.remote.progress import Progress
from tests.agent.queue.orders import copy_order


def progress_of(files: int, failed: int, name: str = "name") -> Progress:
    progress = Progress(files=files)
    for index in range(failed):
        progress.fail(f"{name}{index}", "not there")
    return progress


def test_what_another_process_did_counts_as_copied() -> None:
    first = Progress()
    for size in (10, 20, 30):
        first.found(size)
    first.did_bytes(10)
    first.did_file()
    second = continued(counts_of(first))
    for size in (10, 20, 30):
        second.found(size)
    second.skip(10)
    for size in (20, 30):
        second.did_bytes(size)
        second.did_file()
    second.walked = True
    second.finish()
    counts = counts_of(second)
    assert (counts.files, counts.bytes, counts.skipped, counts.skipped_bytes) == (3, 60, 0, 0)
    assert (counts.total_files, counts.total_bytes) == (3, 60)


@given(st.lists(st.tuples(st.text(max_size=400), st.text(max_size=400)), max_size=300))
def test_only_so_many_failures_are_kept_and_all_are_counted(items: list[tuple[str, str]]) -> None:
    progress = Progress()
    for name, reason in items:
        progress.fail(name.encode("utf-8", "replace").decode(), reason.encode("utf-8", "replace").decode())
    kept = failures_of(1, progress)
    assert kept.failed == progress.failures[: len(kept.failed)]
    assert len(msgpack.encode(kept)) <= FAILURE_BYTES_MAX + 100 <= RECORD_BYTES_MAX
    assert counts_of(progress).failed == len(items)


def test_whatever_is_shown_of_a_transfer_fits_into_one_message() -> None:
    long = b"/" + b"x" * (NAME_BYTES_MAX - 1)
    order = copy_order(*[long] * 50, target=long)
    progress = progress_of(1, 1000, "y" * 390)
    for index in range(1000):
        progress.leave_out(f"{'z' * 390}{index}", "neither a file nor a folder")
    standing = Standing(1 << 52, 1e9, State.FAILED, 1e9, message="m" * 800, hint="h" * 400)
    failures = failures_of(1, progress)
    assert len(failures.failed) > 50
    for whole in (True, False):
        view = view_of(standing, order, Advance(1, counts_of(progress)), failures, None, whole=whole)
        assert len(msgpack.encode(view)) < MESSAGE_MAX
        assert view.sources
        assert view.source_count == 50
    many = copy_order(*[b"/a"] * 5000)
    assert len(view_of(standing, many, Advance(1), failures, None, whole=False).sources) == SOURCES_LISTED
    assert len(view_of(standing, many, Advance(1), failures, None, whole=True).sources) > 1000


def test_what_was_not_sent_counts_over_all_runs_and_what_was_read_again_in_the_last() -> None:
    first = Progress(files=2, verified=2, reused_bytes=300, saved_bytes=40)
    second = continued(counts_of(first))
    second.reused_bytes += 5
    second.saved_bytes += 6
    counts = counts_of(second)
    assert (counts.verified, counts.reused_bytes, counts.saved_bytes) == (0, 305, 46)


def test_sizes_that_no_disk_has_can_be_kept_and_gone_on_from() -> None:
    progress = Progress()
    for _ in range(4):
        progress.found((1 << 64) - 1)
        progress.skip((1 << 64) - 1)
        progress.did_bytes((1 << 64) - 1)
    for _ in range(3):
        counts = counts_of(progress)
        assert msgpack.decode(msgpack.encode(Advance(1, counts)), type=Advance).counts == counts
        progress = continued(counts)
    assert counts.earlier_bytes == COUNT_MAX


def test_the_longest_paths_of_part_files_fit_into_a_record() -> None:
    parts = tuple(UnfinishedPart("é" * (PATH_BYTES_MAX // 2), True, True) for _ in range(UNFINISHED_PARTS_MAX))
    assert len(msgpack.encode(Advance(1 << 52, Counts(*[COUNT_MAX] * 19), True, parts, "relayed"))) <= RECORD_BYTES_MAX


def test_how_a_run_ended() -> None:
    assert outcome_of(progress_of(3, 0)) == Outcome(State.DONE)
    assert outcome_of(progress_of(3, 2)) == Outcome(State.PARTLY, "2 of 5 could not be done")
    assert outcome_of(progress_of(0, 1)) == Outcome(State.FAILED, "name0: not there")
    assert outcome_of(progress_of(0, 2)) == Outcome(State.FAILED, "none of 2 could be done")
    left = progress_of(3, 0)
    left.leave_out("pipe", "neither a file nor a folder")
    assert outcome_of(left) == Outcome(State.PARTLY, "1 of 4 could not be done")
    kept = progress_of(3, 0)
    kept.not_deleted = 7
    assert outcome_of(kept).state is State.PARTLY


def test_what_was_saved_and_reused_is_counted_over_all_runs() -> None:
    first = Progress(files=1, verified=1, reused_bytes=10, saved_bytes=5, bare=2, plain_links=1, hole_bytes=3)
    told = counts_of(first)
    assert (told.verified, told.reused_bytes, told.saved_bytes, told.bare) == (1, 10, 5, 2)
    assert (told.plain_links, told.hole_bytes) == (1, 3)
    again = continued(told)
    again.reused_bytes += 1
    assert (counts_of(again).reused_bytes, counts_of(again).saved_bytes, counts_of(again).verified) == (11, 5, 0)


def test_records_of_other_versions_are_read() -> None:
    said = msgpack.decode(msgpack.encode(Advance(1, Counts(files=1))))
    said["counts"]["more"] = 1
    del said["counts"]["links"]
    assert msgpack.decode(msgpack.encode(said), type=Advance) == Advance(1, Counts(files=1))
