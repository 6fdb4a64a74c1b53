"""What was kept comes back after any cut, and is noise without the half."""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.agent.queue import store as store_module
from gimmal.agent.queue.advance import Advance, Counts, Failures, UnfinishedPart
from gimmal.agent.queue.machine import Standing, State
from gimmal.agent.queue.messages import ORDER_BYTES_MAX
from gimmal.agent.queue.order import Order
from gimmal.agent.queue.store import Forgotten, Kept, QueueStore, Record, order_records
from gimmal.base.errors import LocalError
from tests.agent.queue.orders import copy_order, orders

KEY = bytes(range(32))
NOW = 1_700_000_000.0


@contextmanager
def opened(folder: Path, key: bytes = KEY) -> Iterator[QueueStore]:
    store = QueueStore(folder, key)
    store.open()
    try:
        yield store
    finally:
        store.close()


def read(folder: Path, key: bytes = KEY) -> tuple[dict[int, Kept], int]:
    store = QueueStore(folder, key)
    try:
        return store.open()
    finally:
        store.close()


def journal_of(folder: Path) -> Path:
    (path,) = [path for path in (folder / "queue").iterdir() if not path.suffix]
    return path


def added(number: int, order: Order | None = None) -> list[Record]:
    return [*order_records(number, order or copy_order()), Standing(number, NOW)]


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    advance = Advance(1, Counts(files=3, walked=True), True, (UnfinishedPart("here/x", False, True),), "direct", 2.5)
    with opened(tmp_path) as store:
        store.append(added(1, copy_order(b"/some/\xff", b"/more")), durable=True)
        store.append(added(2), durable=True)
        store.append([Advance(1), advance, Failures(1, [("x", "gone")])], durable=False)
        store.append([Standing(1, NOW, State.FAILED, NOW + 1, message="m", hint="h")], durable=True)
    kept, number = read(tmp_path)
    assert kept[1] == Kept(
        copy_order(b"/some/\xff", b"/more"),
        Standing(1, NOW, State.FAILED, NOW + 1, message="m", hint="h"),
        advance,
        Failures(1, [("x", "gone")]),
    )
    assert kept[2].standing == Standing(2, NOW)
    assert number == 3
    path = journal_of(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_was_forgotten_stays_so_and_its_number_is_not_given_again(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append(added(41), durable=True)
        store.append([Forgotten(41), Advance(41)], durable=True)
    assert read(tmp_path) == ({}, 42)


def test_a_cut_anywhere_leaves_what_was_there_before(tmp_path: Path) -> None:
    steps: list[list[Record]] = [
        added(1),
        [Advance(1, Counts(files=1))],
        added(2, copy_order(b"/two")),
        [Standing(1, NOW, State.PAUSED)],
        [Forgotten(2)],
    ]
    # What is there after so many bytes.
    states = [(0, {})]
    with opened(tmp_path) as store:
        for step in steps:
            store.append(step, durable=False)
            copied = tmp_path / "copy"
            shutil.rmtree(copied, ignore_errors=True)
            shutil.copytree(tmp_path / "queue", copied / "queue")
            states.append((journal_of(copied).stat().st_size, read(copied)[0]))
    shutil.rmtree(copied)
    path = journal_of(tmp_path)
    whole = path.read_bytes()
    met = []
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        kept, _number = read(tmp_path)
        expected = [state for size, state in states if size <= cut]
        # A record of a step that holds several may be whole before the last of them is.
        assert kept == expected[-1], cut
        met.append(len(kept))
        with opened(tmp_path) as store:
            store.append(added(9), durable=False)
        assert set(read(tmp_path)[0]) == {*expected[-1], 9}, cut
        for left in path.parent.glob("*.unreadable"):
            left.unlink()
    assert {0, 1, 2} == set(met)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["add", "pause", "advance", "forget"]), orders)))
def test_any_history_reads_as_its_last_words(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, str, Order]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    model: dict[int, Kept] = {}
    most = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "REWRITE_BYTES", 300)
        with opened(folder) as store:
            for index, (number, what, order) in enumerate(history):
                if what == "add" and number not in model:
                    store.append(added(number, order), durable=False)
                    model[number] = Kept(order, Standing(number, NOW), Advance(number), Failures(number))
                elif number in model and what == "pause":
                    model[number].standing = Standing(number, NOW, State.PAUSED, float(index))
                    store.append([model[number].standing], durable=False)
                elif number in model and what == "advance":
                    model[number].advance = Advance(number, Counts(bytes=index))
                    store.append([model[number].advance], durable=False)
                elif number in model:
                    store.append([Forgotten(number)], durable=False)
                    del model[number]
                else:
                    continue
                most = max(most, number)
        assert read(folder) == (model, most + 1)
    shutil.rmtree(folder)


def test_old_records_are_written_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "REWRITE_BYTES", 20_000)
    with opened(tmp_path) as store:
        store.append(added(7), durable=True)
        sizes = []
        for count in range(1000):
            store.append([Advance(7, Counts(bytes=count), path="x" * 100)], durable=False)
            if not count % 20:
                sizes.append(journal_of(tmp_path).stat().st_size)
        store.append([Forgotten(7)], durable=True)
    assert max(sizes) < 3 * 20_000
    assert sizes != sorted(sizes), "it was written anew"
    assert read(tmp_path) == ({}, 8)
    assert sorted(path.suffix for path in (tmp_path / "queue").iterdir()) == ["", ".lock"]


def test_a_kill_between_writing_anew_and_its_rename_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "REWRITE_BYTES", 2000)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with opened(tmp_path) as store:
        store.append(added(1), durable=True)
        with monkeypatch.context() as patch:
            patch.setattr(store_module.os, "replace", refuse)
            for count in range(60):
                store.append([Advance(1, Counts(bytes=count))], durable=False)
        (tmp_path / "queue" / (journal_of(tmp_path).name + ".new")).write_bytes(b"left by a kill")
        assert journal_of(tmp_path).stat().st_size > 2000
        store.append([Advance(1, Counts(bytes=99))], durable=False)
        assert journal_of(tmp_path).stat().st_size < 2000
    assert read(tmp_path)[0][1].advance.counts.bytes == 99


def test_nothing_is_told_without_the_key(tmp_path: Path) -> None:
    secret = b"/home/anna/letters to the lawyer"
    with opened(tmp_path) as store:
        store.append(added(1, copy_order(secret, target=b":secret place")), durable=True)
        store.append([Failures(1, [("letters to the lawyer", "gone")]), Advance(1)], durable=True)
    for path in (tmp_path / "queue").iterdir():
        data = path.read_bytes() + path.name.encode()
        for word in (b"anna", b"lawyer", b"secret", b"copy", b"standing", b"queue"):
            assert word not in data
    other, number = read(tmp_path, bytes(32))
    assert (other, number) == ({}, 1)
    assert set(read(tmp_path)[0]) == {1}, "the other half's queue lies beside it"


def test_what_cannot_be_read_is_put_aside_and_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as store:
        store.append(added(1), durable=True)
    path = journal_of(tmp_path)
    path.write_bytes(os.urandom(5000))
    with caplog.at_level(logging.WARNING):
        assert read(tmp_path) == ({}, 1)
    assert "cannot be read" in caplog.text
    assert path.with_suffix(".unreadable").stat().st_size == 5000
    with opened(tmp_path) as store:
        store.append(added(1), durable=True)
    assert set(read(tmp_path)[0]) == {1}


def test_records_of_another_version_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class News(store_module.Struct, tag="news"):  # type: ignore[misc]
        number: int

    with opened(tmp_path) as store:
        store.append(added(1), durable=True)
        store.append([News(1)], durable=True)  # type: ignore[list-item]
        store.append(added(2), durable=True)
    with caplog.at_level(logging.WARNING):
        assert set(read(tmp_path)[0]) == {1, 2}
    assert "1 records" in caplog.text


def test_one_program_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with pytest.raises(LocalError, match="another program"):
            read(tmp_path)
        store.append(added(1), durable=True)
    assert set(read(tmp_path)[0]) == {1}
    with pytest.raises(LocalError, match="closed"):
        store.append(added(2), durable=True)


def test_a_long_order_lies_in_pieces(tmp_path: Path) -> None:
    order = copy_order(*[b"/" + b"x" * 90] * 10_000)
    with opened(tmp_path) as store:
        store.append(added(1, order), durable=True)
    assert read(tmp_path)[0][1].order == order
    assert 900_000 < journal_of(tmp_path).stat().st_size < ORDER_BYTES_MAX + 10_000


def test_a_full_disk_leaves_what_was_there_and_the_next_order_is_whole(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    long = copy_order(*[b"/" + b"x" * 90] * 2000)
    try:
        with opened(tmp_path) as store:
            store.append(added(1), durable=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
            with pytest.raises(LocalError, match="cannot write to the transfer queue"):
                store.append(added(2, long), durable=True)
            store.append(added(2, copy_order(b"/short")), durable=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    kept, _number = read(tmp_path)
    assert kept[2].order == copy_order(b"/short")


def test_after_a_failed_sync_it_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    with opened(tmp_path) as store:
        store.append(added(1), durable=True)
        before = journal_of(tmp_path).stat().st_ino
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", refuse)
            for _ in range(2):
                with pytest.raises(LocalError):
                    store.append(added(2), durable=True)
        assert list(read_while_open(tmp_path)) == [1]
        store.append(added(2), durable=True)
        assert journal_of(tmp_path).stat().st_ino != before
    assert list(read(tmp_path)[0]) == [1, 2]


def read_while_open(folder: Path) -> dict[int, Kept]:
    copy = folder / "copy"
    shutil.copytree(folder / "queue", copy / "queue")
    return read(copy)[0]


def test_there_is_an_end_to_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LIVE_BYTES_MAX", 10_000)
    with opened(tmp_path) as store:
        number = 0
        while store.has_room(copy_order(b"/" + b"x" * 1000)):
            number += 1
            store.append(added(number, copy_order(b"/" + b"x" * 1000)), durable=False)
            assert number < 20
        assert 5 < number < 10, "an order takes little more than its names"
        store.append([Forgotten(1)], durable=False)
        assert store.has_room(copy_order(b"/" + b"x" * 1000))


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "queue").write_bytes(b"")
    with pytest.raises(LocalError, match="cannot open the transfer queue"):
        read(tmp_path)
