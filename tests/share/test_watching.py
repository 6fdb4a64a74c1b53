"""What is noticed in shared folders, what is granted and what never, and that a watch ends with its path."""

from __future__ import annotations

import os
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base import inotify
from gimmal.base.inotify import Event, Mask, parse_events
from gimmal.protocol.codec import decode_struct
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import NOTICES_BYTES_MAX
from gimmal.protocol.messages import (
    Attributes,
    Change,
    ChangeKind,
    Done,
    Failed,
    List,
    Notices,
    Page,
    Unwatch,
    Watch,
    Watched,
)
from gimmal.share import notices, watch_places, watch_stream, watching
from gimmal.share.attributes import attributes_at
from gimmal.share.places import Access
from gimmal.share.shares import ShareTable, parse_share
from gimmal.share.watch_stream import NAMES_MAX
from tests.share.rig import Rig

pytestmark = pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="the system tells of no changes")

STREAM = 7


class Told:
    """One stream of a rig, and what is told on it."""

    def __init__(self, base: Path) -> None:
        self.rig = Rig(base)
        self.woken = threading.Event()
        assert self.rig.session.open_notices(STREAM, self.woken.set) == Done()

    def watch(self, *paths: str) -> list[int]:
        answer = self.rig.session.answer(Watch(STREAM, list(paths)))
        assert isinstance(answer, Watched)
        return answer.watches

    def changes(self) -> list[Change]:
        """All that changed until now."""
        self.watch()
        changes: list[Change] = []
        while (body := self.rig.session.next_notices(STREAM)) is not None:
            assert len(body) <= NOTICES_BYTES_MAX
            changes += decode_struct(Notices, body).changes
        return changes

    def names(self) -> set[tuple[int, str, bool]]:
        """Watch, name and whether it is there, of each entry that changed."""
        return {
            (change.watch, change.name, change.attributes is not None)
            for change in self.changes()
            if change.what is ChangeKind.ENTRY and change.name
        }

    def ended(self) -> set[int]:
        return {change.watch for change in self.changes() if change.what is ChangeKind.OVER}


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path)
    yield told
    told.rig.close()


def test_each_change_of_an_entry_is_told_with_what_it_is_now(told: Told) -> None:
    (told.rig.rw / "old").write_bytes(b"x")
    [watch] = told.watch("rw")
    (told.rig.rw / "new").write_bytes(b"12345")
    (told.rig.rw / "old").unlink()
    (told.rig.rw / "folder").mkdir()
    os.symlink("away", told.rig.rw / "link")
    by_name = {change.name: change for change in told.changes()}
    assert {change.watch for change in by_name.values()} == {watch}
    assert by_name["old"].attributes is None
    new = by_name["new"].attributes
    assert new is not None
    assert new.size == 5
    link = by_name["link"].attributes
    assert link is not None
    assert link.target == "away"
    itself = by_name[""].attributes
    assert itself is not None
    assert itself.mtime_ns == told.rig.rw.stat().st_mtime_ns
    os.chmod(told.rig.rw / "new", 0o600)
    assert told.names() == {(watch, "new", True)}
    assert told.changes() == []


def test_the_first_change_wakes_who_waits(told: Told) -> None:
    told.watch("rw")
    told.woken.clear()
    (told.rig.rw / "new").write_bytes(b"x")
    assert told.woken.wait(60)


def test_a_list_sets_the_watch_before_it_reads_and_names_it(told: Told) -> None:
    (told.rig.rw / "file").write_bytes(b"x")
    page = told.rig.session.answer(List("rw", 0, STREAM))
    assert isinstance(page, Page)
    assert page.watch == told.watch("rw")[0] > 0
    assert page.folder is not None
    assert page.folder.mtime_ns == told.rig.rw.stat().st_mtime_ns
    for request in (List("rw"), List("", 0, STREAM), List("rw", 0, STREAM + 1)):
        other = told.rig.session.answer(request)
        assert isinstance(other, Page)
        assert other.watch == 0


def test_what_cannot_be_granted_is_not(told: Told) -> None:
    (told.rig.rw / "file").write_bytes(b"x")
    os.symlink("..", told.rig.rw / "link")
    assert told.watch("drop", "rw/file", "rw/link", "rw/missing", "rw/../ro", "", "nothing") == [0] * 7
    assert told.watch("ro") != [0]
    assert told.rig.code(Watch(STREAM + 1, [])) == Code.INVALID
    assert told.rig.code(List("rw/missing", 0, STREAM)) == Code.NOT_FOUND


def test_file_systems_that_change_behind_our_back_are_never_granted(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0x65735546, 0x6969, 0xFF534D42, 0x01021997, 0):  # FUSE, NFS, CIFS, 9p, unknown
        monkeypatch.setattr(watch_places, "file_system_type", lambda _descriptor, number=number: number)
        assert told.watch("rw") == [0]
    assert told.rig.service._watching is not None
    assert told.rig.service._watching.watched == 0


@pytest.mark.parametrize(
    "move",
    [
        lambda rw: os.rename(rw / "a" / "b", rw / "elsewhere"),
        lambda rw: os.rename(rw / "a", rw / "elsewhere"),
        lambda rw: (os.rename(rw / "a", rw / "elsewhere"), (rw / "a" / "b").mkdir(parents=True)),
        lambda rw: (rw / "a" / "b").rmdir(),
        lambda rw: os.rename(rw, rw.parent / "elsewhere"),
    ],
    ids=["itself", "one above", "one above, and another in its place", "removed", "the share"],
)
def test_a_watch_ends_with_its_path(told: Told, move: Callable[[Path], object]) -> None:
    (told.rig.rw / "a" / "b").mkdir(parents=True)
    [watch] = told.watch("rw/a/b")
    move(told.rig.rw)
    assert told.ended() == {watch}
    table = told.rig.service._watching
    assert table is not None
    assert table.watched == 0


def test_folders_on_the_way_cost_no_notices(told: Told) -> None:
    (told.rig.rw / "a" / "b").mkdir(parents=True)
    told.watch("rw/a/b")
    (told.rig.rw / "noise").write_bytes(b"x")
    (told.rig.rw / "a" / "noise").write_bytes(b"x")
    assert told.changes() == []
    [outer] = told.watch("rw/a")
    (told.rig.rw / "a" / "told").write_bytes(b"x")
    assert told.names() == {(outer, "told", True)}


def test_what_is_watched_no_more_is_given_back(told: Told) -> None:
    (told.rig.rw / "a" / "b").mkdir(parents=True)
    [watch] = told.watch("rw/a/b")
    table = told.rig.service._watching
    assert table is not None
    assert table.watched == 3
    assert told.rig.session.answer(Unwatch(STREAM, [watch, 99])) == Done()
    assert table.watched == 0
    assert told.ended() == {watch}
    told.watch("rw")
    told.rig.session.close_notices(STREAM)
    assert table.watched == 0
    assert told.rig.code(Watch(STREAM, [])) == Code.INVALID


def test_more_changes_than_are_remembered_become_list_again(told: Told) -> None:
    [watch] = told.watch("rw")
    for number in range(NAMES_MAX + 10):
        (told.rig.rw / f"{number}").touch()
        if number % 2000 == 0:
            told.watch()  # before the system's own queue is full
    kinds = {(change.watch, change.what) for change in told.changes() if change.name or change.what}
    assert (watch, ChangeKind.AGAIN) in kinds
    (told.rig.rw / "later").touch()
    assert told.names() == {(watch, "later", True)}


def test_an_overflow_of_the_system_ends_all_watches(told: Told) -> None:
    (told.rig.rw / "sub").mkdir()
    told.watch("rw", "rw/sub")
    table = told.rig.service._watching
    assert table is not None
    with table.locked():
        table._on_event(Event(-1, Mask.Q_OVERFLOW, b""))
    assert told.ended() == {0}
    assert table.watched == 0
    assert told.watch("rw") != [0]


def many_watched(told: Told, count: int) -> watching.Watching:
    for number in range(count):
        (told.rig.rw / f"{number}").mkdir()
    assert all(told.watch(*(f"rw/{number}" for number in range(count))))
    table = told.rig.service._watching
    assert table is not None
    return table


def test_losing_all_watches_does_not_fill_the_queue_again(told: Told) -> None:
    table = many_watched(told, 100)
    before = table._inotify
    with table.locked():
        table._on_event(Event(-1, Mask.Q_OVERFLOW, b""))
        assert table._inotify.waiting == 0
    assert told.ended() == {0}
    assert before.fileno() == -1
    assert told.watch("rw") != [0]
    told.woken.clear()
    (told.rig.rw / "new").touch()
    assert told.woken.wait(60)  # whoever waits for changes waits for the new queue


def test_all_watches_are_lost_where_there_is_no_other_queue(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    table = many_watched(told, 10)

    def refused() -> inotify.Inotify:
        raise OSError(24, "too many")

    with monkeypatch.context() as patched, table.locked():
        patched.setattr(watching, "Inotify", refused)
        table._on_event(Event(-1, Mask.Q_OVERFLOW, b""))
    assert told.ended() == {0}
    assert table.watched == 0
    [watch] = told.watch("rw")
    (told.rig.rw / "new").touch()
    assert told.names() == {(watch, "new", True)}


def test_a_session_that_ends_with_many_watches_does_not_fill_the_queue(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = many_watched(told, 100)
    monkeypatch.setattr(watching, "ENDED_AT_ONCE", 10)
    waited: list[int] = []
    remove = table._inotify.remove

    def counted(watch: int) -> None:
        remove(watch)
        waited.append(table._inotify.waiting)

    monkeypatch.setattr(table._inotify, "remove", counted)
    told.rig.session.close()
    assert len(waited) == 101
    assert max(waited) <= 11 * 16  # bytes of an event without a name
    assert table.watched == 0


def test_only_a_part_of_what_the_system_has_is_taken(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    table = told.rig.service._watching
    assert table is not None
    assert 0 < table.limit <= max(1, inotify.watches_allowed() // watching.PART_OF_SYSTEM)
    monkeypatch.setattr(table, "limit", 3)
    for number in range(5):
        (told.rig.rw / f"{number}").mkdir()
    watches = told.watch(*(f"rw/{number}" for number in range(5)))
    assert sum(watch > 0 for watch in watches) == 2  # and the share's own folder on the way
    assert table.watched == 3


def test_names_that_are_never_shown_are_not_told(told: Told) -> None:
    [watch] = told.watch("rw")
    (told.rig.rw / ".gimmal-part-1").write_bytes(b"x")
    (told.rig.rw / ".gimmal-trash").mkdir()
    half = told.rig.rw / "GIMMAL"
    half.mkdir()
    (half / "half.gimmal").write_bytes(b"x")
    for name in (b"back\\slash", b"\xff"):
        (Path(os.fsdecode(os.path.join(os.fsencode(told.rig.rw), name)))).write_bytes(b"x")
    names = told.names()
    assert not any(name.startswith(".gimmal") for _watch, name, _there in names)
    listed = told.rig.session.answer(List("rw"))
    assert isinstance(listed, Page)
    assert {name for _watch, name, there in names if there} == {entry.name for entry in listed.entries}
    assert {watched for watched, _name, _there in names} == {watch}


def test_what_is_to_be_told_of_ended_watches_is_bounded(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_stream, "WATCHES_MAX", 10)
    _table, stream = told.rig.session._state.watches.stream(STREAM)
    for _ in range(50):
        told.rig.session.answer(Unwatch(STREAM, told.watch("rw")))
        assert len(stream.ended) <= 10
    assert 0 in told.ended()


def test_who_is_told_that_all_watches_are_over_has_none(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    (told.rig.rw / "kept").mkdir()
    told.watch("rw/kept", "ro")
    monkeypatch.setattr(watch_stream, "WATCHES_MAX", 10)
    table, stream = told.rig.session._state.watches.stream(STREAM)
    while not stream.lost:
        told.rig.session.answer(Unwatch(STREAM, told.watch("rw")))
    assert table.watched == 0
    assert not stream.nodes
    assert stream._share.held == 0
    assert told.ended() == {0}
    assert told.watch("rw/kept") != [0]


def test_more_ended_together_than_are_told_one_by_one(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"rw/top/{number}/inner" for number in range(15)]
    for name in names:
        (told.rig.base / name).mkdir(parents=True)
    told.watch(*names, "ro")
    monkeypatch.setattr(watch_stream, "WATCHES_MAX", 10)
    os.rename(told.rig.rw / "top", told.rig.rw / "away")
    assert told.ended() == {0}
    table, stream = told.rig.session._state.watches.stream(STREAM)
    assert table.watched == 0
    assert stream._share.held == 0


def test_folders_on_the_way_count_for_who_asks(told: Told) -> None:
    table, stream = told.rig.session._state.watches.stream(STREAM)
    budget = table._budget
    budget.total, budget.reserve = 20, 2
    deep = ["/".join(["rw", f"{number}", *"abcdefgh"]) for number in range(4)]
    for path in deep:
        (told.rig.base / path).mkdir(parents=True)
    watches = told.watch(*deep)
    # Half of the budget and its reserve: once the share itself and nine folders, not four times.
    assert [watch > 0 for watch in watches] == [True, False, False, False]
    assert table.watched == stream._share.held == 10
    assert told.watch(deep[0] + "/..") == [0]
    assert told.watch("rw/0/a")[0] > 0  # is on the way already
    assert stream._share.held == 10
    told.rig.session.answer(Unwatch(STREAM, watches))
    assert table.watched == stream._share.held == 3
    told.rig.session.close()
    assert table.watched == 0
    assert budget.taken == 0


def test_streams_of_a_session_are_bounded(told: Told) -> None:
    answers = [told.rig.session.open_notices(number, told.woken.set) for number in range(100, 200)]
    assert answers.count(Done()) == 15
    assert answers[-1] == Failed(Code.LIMIT)


def test_a_number_that_is_used_again_is_refused_and_leaves_nothing_behind(told: Told) -> None:
    [watch] = told.watch("rw")
    again = [told.rig.session.open_notices(STREAM, told.woken.set) for _ in range(3)]
    assert again == [Failed(Code.INVALID)] * 3
    (told.rig.rw / "new").touch()
    assert told.names() == {(watch, "new", True)}
    table = told.rig.service._watching
    assert table is not None
    assert len(table._streams) == 1
    told.rig.session.close()
    assert not table._streams
    assert table.watched == 0


def test_a_mount_below_ends_all_watches(told: Told) -> None:
    if os.geteuid():
        pytest.skip("mounting needs root")
    (told.rig.rw / "sub").mkdir()
    told.watch("rw", "rw/sub")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", told.rig.rw / "sub"], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("cannot mount here")
    try:
        told.woken.wait(60)
        table = told.rig.service._watching
        assert table is not None
        with table.locked():
            table._on_mounts()
        assert told.ended() == {0}
        [watch] = told.watch("rw/sub")
        (told.rig.rw / "sub" / "inside").touch()
        assert told.names() == {(watch, "inside", True)}
    finally:
        subprocess.run(["umount", told.rig.rw / "sub"], check=True)


@given(st.lists(st.tuples(st.integers(-1, 1 << 20), st.integers(0, (1 << 32) - 1), st.binary(max_size=20))))
def test_events_come_apart_as_the_kernel_puts_them_together(events: list[tuple[int, int, bytes]]) -> None:
    data = b""
    expected = []
    for watch, mask, name in events:
        name = name.replace(b"\0", b"")
        padded = name + bytes(-len(name) % 16 if name else 0)
        data += struct.pack("=iIII", watch, mask, 0, len(padded)) + padded
        expected.append(Event(watch, mask, name))
    assert list(parse_events(data)) == expected


def test_what_never_rests_is_told_once_for_each_telling(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    [watch] = told.watch("rw")
    (told.rig.rw / "busy").touch()
    told.watch()

    def look(name: bytes, folder: int) -> Attributes:
        with open(told.rig.rw / "busy", "ab") as busy:
            busy.write(b"x")
        table, _stream = told.rig.session._state.watches.stream(STREAM)
        table.catch_up()  # as the thread that waits for changes does
        return attributes_at(name, folder)

    monkeypatch.setattr(notices, "attributes_at", look)
    bodies = 0
    while told.rig.session.next_notices(STREAM, begin=not bodies) is not None:
        bodies += 1
        assert bodies < 3
    assert bodies == 1
    monkeypatch.undo()
    assert told.names() == {(watch, "busy", True)}


def test_whoever_catches_up_takes_what_waits_and_not_what_comes_meanwhile(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.watch("rw")
    table = told.rig.service._watching
    assert table is not None
    on_event, taken = table._on_event, 0

    def one_more(event: Event) -> None:
        nonlocal taken
        taken += 1
        on_event(event)
        if taken < 2000:  # so that what never ends, ends here
            with open(told.rig.rw / f"{taken % 2}", "wb"):
                pass

    with table.locked():
        monkeypatch.setattr(table, "_on_event", one_more)
        (told.rig.rw / "first").touch()
        monkeypatch.setattr(table, "catch_up", lambda: None)  # the thread that waits for changes stays out of it
    watching.Watching.catch_up(table)
    assert 0 < taken < 100


def test_a_folder_that_is_replaced_while_its_watch_is_set_is_not_watched(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told.rig.rw / "x" / "y").mkdir(parents=True)
    table, _stream = told.rig.session._state.watches.stream(STREAM)
    add, swapped = table._inotify.add, False

    def late(descriptor: int, mask: int) -> int:
        nonlocal swapped
        if os.fstat(descriptor).st_ino == (told.rig.rw / "x").stat().st_ino and not swapped:
            swapped = True
            os.rename(told.rig.rw / "x", told.rig.rw / "old")
            (told.rig.rw / "x" / "y").mkdir(parents=True)
        return add(descriptor, mask)

    monkeypatch.setattr(table._inotify, "add", late)
    told.watch("rw")
    assert told.watch("rw/x/y") == [0]
    assert swapped
    assert table.watched == 1
    [watch] = told.watch("rw/x/y")
    told.changes()
    (told.rig.rw / "x" / "y" / "new").touch()
    assert told.names() == {(watch, "new", True)}


def shares(*texts: str) -> ShareTable:
    return ShareTable([parse_share(text) for text in texts])


def all_of(rig: Rig) -> list[str]:
    return [f"rw={rig.rw}:rw", f"ro={rig.ro}:ro", f"drop={rig.drop}:drop"]


@pytest.mark.parametrize("rights", ["", "drop", "ro"])
def test_watches_end_with_the_share_and_with_its_rights(told: Told, rights: str) -> None:
    rw, ro, drop = all_of(told.rig)
    (told.rig.rw / "a" / "b").mkdir(parents=True)
    outer, inner, other = told.watch("rw", "rw/a/b", "ro")
    (told.rig.rw / "seen").touch()
    changed = [f"rw={told.rig.rw}:{rights}"] if rights else []
    with told.rig.session._state.places.using():  # somebody is at work: the folder stays open
        told.rig.service.set_shares(shares(*changed, ro, drop))
        (told.rig.rw / "secret").touch()
        (told.rig.ro / "new").touch()
        changes = told.changes()
    assert {change.watch for change in changes if change.what is ChangeKind.OVER} == {outer, inner}
    assert {change.name for change in changes if change.watch == other} == {"", "new"}
    assert {change.watch for change in changes if change.what is not ChangeKind.OVER} == {other}
    table = told.rig.service._watching
    assert table is not None
    assert table.watched == 1
    [again] = told.watch("rw")
    assert (again > 0) is (rights == "ro")
    told.rig.service.set_shares(shares(rw, ro, drop))
    told.changes()
    [anew] = told.watch("rw/a")
    (told.rig.rw / "a" / "back").touch()
    assert told.names() == {(anew, "back", True)}


def test_a_share_that_goes_on_undisturbed_keeps_its_watches(told: Told) -> None:
    [watch] = told.watch("rw")
    told.rig.service.set_shares(shares(*all_of(told.rig)[:1]))
    (told.rig.rw / "new").touch()
    assert told.names() == {(watch, "new", True)}


def test_a_place_found_before_its_share_ended_is_not_watched(told: Told) -> None:
    places = told.rig.session._state.places
    with places.using():
        place = places.find("rw", Access.LOOK)
        told.rig.service.set_shares(shares(*all_of(told.rig)[1:]))
        assert told.rig.session._state.watches.grant(STREAM, place) == (0, False)


def test_a_folder_that_is_being_looked_at_stays_open(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    told.watch("rw")
    (told.rig.rw / "new").touch()
    told.watch()
    descriptors = []

    def look(name: bytes, folder: int) -> Attributes:
        root = told.rig.session._state.places.find("rw", Access.LOOK).root
        told.rig.service.set_shares(shares(*all_of(told.rig)[1:]))
        descriptors.append(root._descriptor)
        return attributes_at(name, folder)

    monkeypatch.setattr(notices, "attributes_at", look)
    assert told.rig.session.next_notices(STREAM) is not None
    assert descriptors
    assert min(descriptors) >= 0


def test_mounts_are_told_in_a_share_that_was_added_later(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    table = told.rig.service._watching
    assert table is not None
    late = told.rig.base / "late"
    late.mkdir()
    looked_at: list[list[bytes]] = []

    def mounts_below(folders: list[bytes]) -> frozenset[bytes]:
        looked_at.append(folders)
        return frozenset()

    monkeypatch.setattr(watching, "mounts_below", mounts_below)
    told.rig.service.set_shares(shares(*all_of(told.rig), f"late={late}:rw"))
    with table.locked():
        table._on_mounts()
    assert os.fsencode(late) in looked_at[-1]
