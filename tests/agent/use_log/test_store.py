"""What was kept comes back after any cut, is noise without the half, and stays within its bounds."""

from __future__ import annotations

import os
import resource
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.agent.use_log import store as store_module
from gimmal.agent.use_log.reading import Unreadable, read_use_log
from gimmal.agent.use_log.records import Record, Served, encode_record
from gimmal.agent.use_log.store import UseLogFiles, UseLogStore
from gimmal.base.errors import LocalError

KEY = bytes(range(32))


def records(*numbers: int) -> list[bytes]:
    return [encode_record(Served(number)) for number in numbers]


def write(folder: Path, *numbers: int, key: bytes = KEY) -> None:
    store = UseLogStore(UseLogFiles(folder, key))
    try:
        store.append(records(*numbers))
    finally:
        store.close()


def read(folder: Path, *, key: bytes = KEY, written: bool = False) -> list[Record | Unreadable]:
    return list(read_use_log(folder, key, written=written))


def numbers(folder: Path, **more: bool) -> list[int]:
    return [record.at for record in read(folder, **more) if isinstance(record, Served)]


def files(folder: Path) -> list[Path]:
    (inside,) = (folder / "log").iterdir()
    return sorted(path for path in inside.iterdir() if path.name != "lock")


def test_what_was_kept_comes_back_in_order_and_more_can_follow(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    write(tmp_path, 3)
    assert numbers(tmp_path) == [1, 2, 3]
    (path,) = files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_was_ever_written(tmp_path: Path) -> None:
    assert read(tmp_path) == []


def test_without_the_half_it_is_noise_and_the_other_half_has_its_own(tmp_path: Path) -> None:
    write(tmp_path, *range(100))
    assert read(tmp_path, key=bytes(32)) == []
    write(tmp_path, 7, key=bytes(32))
    assert [record for record in read(tmp_path, key=bytes(32)) if isinstance(record, Served)] == [Served(7)]
    assert numbers(tmp_path) == list(range(100))


def test_a_crash_costs_the_record_it_cut_and_nothing_before_or_after(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    size = len(whole) // 3
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        kept = [1, 2, 3][: cut // size]
        torn = bool(cut % size)
        assert read(tmp_path) == [*map(Served, kept), *([Unreadable(0, True)] if torn else [])]
        assert numbers(tmp_path, written=True) == kept
        assert not any(isinstance(one, Unreadable) for one in read(tmp_path, written=True))
        write(tmp_path, 4)
        assert numbers(tmp_path) == [*kept, 4]
        assert len(files(tmp_path)) == (2 if torn else 1)
        for other in files(tmp_path)[1:]:
            other.unlink()


def test_one_changed_bit_hides_what_follows_in_that_file_alone_and_is_told(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    write(tmp_path, 4)
    assert read(tmp_path) == [Served(1), Served(2), Unreadable(0, True), Served(4)]


def test_files_cannot_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FILE_BYTES", 100)
    write(tmp_path, *range(4))
    first, second = files(tmp_path)[:2]
    first.rename(tmp_path / "kept")
    second.rename(first)
    (tmp_path / "kept").rename(second)
    assert Unreadable(0, True) in read(tmp_path)
    assert 0 not in numbers(tmp_path)


def test_the_oldest_go_where_there_are_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FILE_BYTES", 1000)
    monkeypatch.setattr(store_module, "LOG_BYTES_MAX", 5000)
    for number in range(300):
        write(tmp_path, number)
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 5000
    found = numbers(tmp_path)
    assert found == list(range(found[0], 300))
    assert len(found) > 40


def test_the_oldest_go_where_there_are_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FILE_BYTES", 1)
    monkeypatch.setattr(store_module, "FILES_MAX", 4)
    write(tmp_path, *range(20))
    assert numbers(tmp_path) == [16, 17, 18, 19]


def test_what_is_too_old_goes_one_file_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FILE_BYTES", 1)
    write(tmp_path, 1, 2, 3)
    for path in files(tmp_path):
        os.utime(path, (time.time() - store_module.KEPT_SECONDS - 10,) * 2)
    write(tmp_path, 4)
    assert numbers(tmp_path) == [2, 3, 4]  # a clock that was wrong once costs one file
    write(tmp_path, 5)
    assert numbers(tmp_path) == [3, 4, 5]


def test_one_program_writes_at_a_time(tmp_path: Path) -> None:
    store = UseLogStore(UseLogFiles(tmp_path, KEY))
    store.append(records(1))
    with pytest.raises(LocalError, match="another program"):
        write(tmp_path, 2)
    assert numbers(tmp_path, written=True) == [1]  # reading needs no lock
    store.close()
    write(tmp_path, 3)
    assert numbers(tmp_path) == [1, 3]
    with pytest.raises(LocalError, match="closed"):
        store.append(records(4))


def test_a_full_disk_loses_nothing_and_writes_nothing_twice(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = UseLogStore(UseLogFiles(tmp_path, KEY))
    waiting = records(*range(100))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(LocalError):
            store.append(waiting)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert 0 < len(waiting) < 100
    store.append(waiting)
    assert waiting == []
    store.close()
    assert numbers(tmp_path) == list(range(100))


def test_a_file_of_a_later_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    store = UseLogStore(UseLogFiles(tmp_path, KEY))
    store.append([*records(1), b"\x81\xa4type\xa5later", *records(2)])
    store.close()
    assert read(tmp_path) == [Served(1), Served(2), Unreadable(1, False)]


def test_links_in_place_of_a_file_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (path,) = files(tmp_path)
    secret = tmp_path / "elsewhere"
    path.rename(secret)
    path.symlink_to(secret)
    with pytest.raises(LocalError):
        write(tmp_path, 2)
    with pytest.raises(LocalError):
        read(tmp_path)


@settings(max_examples=100)
@given(st.binary(max_size=2000))
def test_any_bytes_read_as_nothing_and_are_left_alone(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzzed")
    write(folder, 1)
    (path,) = files(folder)
    path.write_bytes(data)
    assert numbers(folder) == []
    write(folder, 2)
    assert numbers(folder) == [2]
    assert files(folder)[0].read_bytes() == data or not data


def test_what_this_side_did_is_kept_apart_and_written_in_turn(tmp_path: Path) -> None:
    write(tmp_path, 1)
    one, two = (UseLogStore(UseLogFiles(tmp_path, KEY, own=True)) for _ in range(2))
    one.append(records(10))
    two.append(records(11))
    one.append(records(12))
    own = list(read_use_log(tmp_path, KEY, written=True, own=True))
    assert own == [Served(10), Served(11), Served(12)]
    assert numbers(tmp_path) == [1]
    for store in (one, two):
        store.close()


def test_commands_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    def command(number: int) -> None:
        store = UseLogStore(UseLogFiles(tmp_path, KEY, own=True))
        for step in range(5):
            store.append(records(10 * number + step))
        store.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(command, range(6)))
    own = [record.at for record in read_use_log(tmp_path, KEY, written=False, own=True) if isinstance(record, Served)]
    assert sorted(own) == [10 * number + step for number in range(6) for step in range(5)]


def test_who_holds_up_the_others_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "TURN_SECONDS", 0.02)
    holder = UseLogStore(UseLogFiles(tmp_path, KEY, own=True))
    holder._open()
    other = UseLogStore(UseLogFiles(tmp_path, KEY, own=True))
    waiting = records(1, 2)
    with pytest.raises(LocalError, match="another program"):
        other.append(waiting)
    assert waiting == records(1, 2), "it is kept for another try"
    holder.close()
    other.append(waiting)
    assert len(list(read_use_log(tmp_path, KEY, written=False, own=True))) == 2


def test_what_this_side_did_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "OWN_FILE_BYTES", 1000)
    monkeypatch.setattr(store_module, "OWN_LOG_BYTES_MAX", 5000)
    for number in range(300):
        store = UseLogStore(UseLogFiles(tmp_path, KEY, own=True))
        store.append(records(number))
        store.close()
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 5000
    last = list(read_use_log(tmp_path, KEY, written=False, own=True))[-1]
    assert last == Served(299)
