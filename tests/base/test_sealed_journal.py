"""A journal gives back what was whole, and is noise to others."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.sealed_journal import RECORD_BYTES_MAX, SealedJournal

KEY = bytes(range(32))


def _write(path: Path, *records: bytes, identity: bytes = b"one") -> None:
    with SealedJournal.open(path, KEY, identity) as journal:
        for record in records:
            journal.append(record)


def _read(path: Path, *, key: bytes = KEY, identity: bytes = b"one") -> list[bytes]:
    with SealedJournal.open(path, key, identity) as journal:
        return list(journal.records())


def test_records_come_back_in_order_and_more_can_follow(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "journal"
    _write(path, b"first", b"", b"x" * RECORD_BYTES_MAX)
    assert _read(path) == [b"first", b"", b"x" * RECORD_BYTES_MAX]
    _write(path, b"later")
    assert _read(path)[-1] == b"later"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_other_key_or_identity_reads_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, b"secret")
    assert _read(path, key=bytes(32)) == []
    assert _read(path, identity=b"two") == []
    assert _read(path) == [b"secret"]


def test_cut_anywhere_keeps_the_whole_records_before(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, b"aaaa", b"bbbb", b"cccc")
    whole = path.read_bytes()
    size = len(whole) // 3
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert _read(path) == [b"aaaa", b"bbbb", b"cccc"][: cut // size]
        _write(path, b"dddd")
        assert _read(path) == [*[b"aaaa", b"bbbb", b"cccc"][: cut // size], b"dddd"]


def test_one_bit_anywhere_ends_the_journal_there(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, b"aaaa", b"bbbb", b"cccc")
    whole = path.read_bytes()
    size = len(whole) // 3
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        good = [b"aaaa", b"bbbb", b"cccc"][: place // size]
        assert _read(path) == good
        with SealedJournal.open(path, KEY, b"one") as journal:
            assert list(journal.records()) == good
            journal.append(b"dddd")  # of equal length: what lay behind must not come back
        assert _read(path) == [*good, b"dddd"]


def test_records_cannot_be_moved_repeated_or_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, b"aaaa", b"bbbb")
    whole = path.read_bytes()
    first, second = whole[: len(whole) // 2], whole[len(whole) // 2 :]
    for forged in (second + first, first + first, second):
        path.write_bytes(forged)
        assert _read(path) in ([], [b"aaaa"])
    path.unlink()
    _write(path, b"AAAA", b"BBBB")
    again = path.read_bytes()
    path.write_bytes(again[: len(again) // 2] + second)
    assert _read(path) == [b"AAAA"]


def test_the_file_is_noise_without_the_key(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, *[b"holiday photos" * 40] * 200)
    data = path.read_bytes()
    assert b"holiday" not in data
    ones = sum(byte.bit_count() for byte in data) / (8 * len(data))
    assert 0.49 < ones < 0.51
    starts = data[:: len(data) // 200]
    assert max(starts.count(byte) for byte in starts) < 20  # the lengths are hidden too


def test_links_and_other_things_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"")
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(OSError, match=r".+"):
            SealedJournal.open(tmp_path / name, KEY, b"one")


def test_too_long_a_record_is_a_bug_of_the_caller(tmp_path: Path) -> None:
    with SealedJournal.open(tmp_path / "journal", KEY, b"one") as journal, pytest.raises(ValueError, match="longer"):
        journal.append(b"x" * (RECORD_BYTES_MAX + 1))


def test_full_disk_leaves_the_record_before(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with SealedJournal.open(path, KEY, b"one") as journal:
            journal.append(b"a" * 1000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
            with pytest.raises(OSError, match=r".+"):
                journal.append(b"b" * 1000)
            journal.append(b"c" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert _read(path) == [b"a" * 1000, b"c" * 100]


def test_after_a_failed_sync_it_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    path = tmp_path / "journal"
    with SealedJournal.open(path, KEY, b"one") as journal:
        journal.append(b"aaaa", durable=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", refuse)
            with pytest.raises(OSError, match="gone"):
                journal.append(b"bbbb", durable=True)
        assert journal.failed
        for durable in (False, True):
            with pytest.raises(OSError, match="lost"):
                journal.append(b"cccc", durable=durable)
        with pytest.raises(OSError, match="lost"):
            journal.sync()
        assert list(journal.records()) == [b"aaaa"]
    assert _read(path) == [b"aaaa"]


def test_what_was_appended_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with SealedJournal.open(path, KEY, b"one") as journal:
        for before in ([], [b"aaaa"]):
            mark = journal.mark()
            journal.append(b"x" * 1000)
            journal.append(b"y" * 1000)
            journal.cut_back(mark)
            assert list(journal.records()) == before
            journal.append(b"aaaa")
    assert _read(path) == [b"aaaa", b"aaaa"]


def test_removed_journal_is_gone(tmp_path: Path) -> None:
    journal = SealedJournal.open(tmp_path / "journal", KEY, b"one")
    journal.append(b"a", durable=True)
    journal.remove()
    journal.remove()
    assert list(tmp_path.iterdir()) == []
    assert "key" not in repr(journal)


@settings(max_examples=200)
@given(st.binary(max_size=3000))
def test_any_bytes_read_as_empty(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed-journal"
    path.write_bytes(data)
    assert _read(path) == []


def test_what_follows_the_last_whole_record_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, b"aaaa", b"bbbb")
    whole = path.read_bytes()
    for data, torn in ((b"", False), (whole[:5], True), (whole[:-1], True), (whole, False), (whole + b"x", True)):
        path.write_bytes(data)
        with SealedJournal.open(path, KEY, b"one") as journal:
            assert journal.torn() is torn
            journal.append(b"cccc")
            assert not journal.torn()


def test_damage_is_told_from_a_record_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, b"a" * 40, b"b" * 300, b"c" * 40)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with SealedJournal.open(path, KEY, b"one") as journal:
            assert not journal.damaged(), size
    for place in range(len(whole)):
        for bit in (0x01, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with SealedJournal.open(path, KEY, b"one") as journal:
                assert journal.damaged(), (place, bit)
