"""What the cache asks and what it does not, its bounds and numbers; that it tells nothing old is tried elsewhere."""

from __future__ import annotations

import pytest

from gimmal.protocol.messages import Attributes, Change, ChangeKind, Entry, Kind
from gimmal.remote.tree.cache import HEARD_SECONDS, OWN_MAX, TreeCache
from gimmal.remote.tree.looking import SETTLED_SECONDS
from gimmal.remote.tree.records import LATER_MAX, Absent, Ask, Known, Question

STREAM = 3


def file(identity: int, size: int = 0, linked: int = 0) -> Attributes:
    return Attributes(Kind.FILE, size, 5, 0o644, identity, "", linked)


def folder(identity: int, mtime: int = 5) -> Attributes:
    return Attributes(Kind.DIRECTORY, 0, mtime, 0o755, identity)


def stat(cache: TreeCache, path: str, attributes: Attributes | None, now: float) -> None:
    cache.found(cache.begin(Ask(Question.STAT, path), now), attributes)


def listed(
    cache: TreeCache, path: str, entries: dict[str, Attributes], now: float, watch: int = 0, itself: int | None = None
) -> None:
    ticket = cache.begin(Ask(Question.LIST, path), now)
    told = folder(9) if itself is None else folder(9, itself)
    cache.listed(ticket, [Entry(name, attributes) for name, attributes in entries.items()], watch, told)


def number_of(cache: TreeCache, path: str) -> int:
    known = cache.find_anyway(path)
    assert isinstance(known, Known)
    return known.number


def test_what_was_not_in_a_whole_listing_is_absent_for_who_cannot_ask() -> None:
    cache = TreeCache()
    cache.remember("s", [Entry("a", folder(1))])
    cache.remember("s/a", [Entry("x", file(2))], whole=True)
    assert cache.find_anyway("s/b") is None, "the way to what is kept tells of nothing beside it"
    assert cache.find_anyway("s/a/y") == Absent()
    assert isinstance(cache.find("s/a/y", 1.0), Ask), "who can ask does"
    cache.opened(3, 1.0)
    listed(cache, "s", {"a": folder(1)}, 1.0, watch=1)
    cache.noticed([Change(1, ChangeKind.AGAIN)], 2.0)
    assert cache.find_anyway("s/b") == Absent()
    assert isinstance(cache.find("s/b", 2.0), Ask)


class TestWithoutAWatch:
    def test_what_was_asked_is_told_for_a_second_and_asked_again_then(self) -> None:
        cache = TreeCache()
        assert cache.find("s/a", 10.0) == Ask(Question.STAT, "s/a")
        stat(cache, "s/a", file(1), 10.0)
        assert isinstance(cache.find("s/a", 11.0), Known)
        assert cache.find("s/a", 11.1) == Ask(Question.STAT, "s/a")
        stat(cache, "s/none", None, 20.0)
        assert cache.find("s/none", 20.9) == Absent()
        assert cache.find("s/none", 21.1) != Absent()

    def test_the_third_entry_of_a_folder_that_is_asked_for_makes_it_a_list(self) -> None:
        cache = TreeCache()
        for index, name in enumerate("abc"):
            expected = Ask(Question.STAT, f"s/{name}") if index < 2 else Ask(Question.LIST, "s")
            # The first makes the record of the folder, and is not counted.
            if index:
                assert cache.find(f"s/{name}", 10.0) == expected or index == 2
            stat(cache, f"s/{name}", file(index), 10.0)
        stat(cache, "s/d", file(9), 10.0)
        assert cache.find("s/e", 10.0) == Ask(Question.LIST, "s")

    def test_a_folder_is_checked_by_one_stat_once_its_time_is_settled(self) -> None:
        cache = TreeCache()
        listed(cache, "s/a", {"x": file(1)}, 100.0)
        # Its time may be that of a change just before, and another one would not show: it is listed again.
        assert cache.listing("s/a", 102.0) == Ask(Question.LIST, "s/a")
        now = 100.0 + SETTLED_SECONDS
        listed(cache, "s/a", {"x": file(1)}, now)
        for later in (10.0, 20.0, 30.0):
            assert cache.listing("s/a", now + later) == Ask(Question.STAT, "s/a")
            stat(cache, "s/a", folder(9), now + later)
            names = cache.listing("s/a", now + later + 0.5)
            assert not isinstance(names, Ask)
            assert [name.name for name in names] == ["x"]
        stat(cache, "s/a", folder(9, 6), now + 40.0)
        assert cache.listing("s/a", now + 40.0) == Ask(Question.LIST, "s/a")

    def test_a_folder_that_cannot_be_listed_is_not_tried_again_for_its_entries(self) -> None:
        cache = TreeCache()
        cache.refused(cache.begin(Ask(Question.LIST, "drop"), 1.0))
        for _ in range(5):
            assert cache.find("drop/x", 2.0) == Ask(Question.STAT, "drop/x")
            cache.refused(cache.begin(Ask(Question.STAT, "drop/x"), 2.0))


class TestWithAWatch:
    def watched(self) -> TreeCache:
        cache = TreeCache()
        cache.opened(STREAM, 0.0)
        listed(cache, "s", {"x": file(1), "sub": folder(2), "twin": file(3, linked=7)}, 0.0, watch=1)
        return cache

    def test_all_is_told_for_ever_but_what_a_watch_does_not_cover(self) -> None:
        cache = self.watched()
        for now in (10.0, 1e6):
            assert isinstance(cache.find("s/x", now), Known)
            assert cache.find("s/none", now) == Absent()
            assert isinstance(cache.find("s", now), Known)
            assert not isinstance(cache.listing("s", now), Ask)
            assert cache.find("s/sub", now) == Ask(Question.STAT, "s/sub")
            assert cache.find("s/twin", now) == Ask(Question.STAT, "s/twin")

    def test_it_is_believed_for_as_long_as_the_stream_is_heard(self) -> None:
        cache = self.watched()
        assert cache.is_heard(HEARD_SECONDS)
        assert not cache.is_heard(HEARD_SECONDS + 0.1)
        cache.synced(HEARD_SECONDS + 0.1)
        assert cache.is_heard(2 * HEARD_SECONDS)
        cache.noticed([], 100.0)
        assert cache.is_heard(100.0 + HEARD_SECONDS)

    @pytest.mark.parametrize("how", ["the stream is lost", "this one is over", "all are over"])
    def test_a_watch_that_is_over_makes_everything_be_checked(self, how: str) -> None:
        cache = self.watched()
        if how == "the stream is lost":
            cache.lost()
        else:
            cache.noticed([Change(1 if how == "this one is over" else 0, ChangeKind.OVER)], 0.5)
        assert cache.watched == 0
        assert isinstance(cache.find("s/x", 0.5), Ask)
        assert isinstance(cache.listing("s", 0.5), Ask)
        # What was known is still there, for who cannot ask.
        assert len(cache.listing_anyway("s") or []) == 3
        assert isinstance(cache.find_anyway("s/x"), Known)

    def test_list_again_keeps_the_watch(self) -> None:
        cache = self.watched()
        cache.noticed([Change(1, ChangeKind.AGAIN)], 1.0)
        assert cache.listing("s", 1.0) == Ask(Question.LIST, "s")
        assert isinstance(cache.find("s/x", 1.0), Ask)
        listed(cache, "s", {"y": file(4)}, 1.0, watch=1)
        assert cache.find("s/x", 50.0) == Absent()
        assert isinstance(cache.find("s/y", 50.0), Known)
        assert cache.take_released() == []

    def test_a_listing_to_which_too_much_was_told_meanwhile_counts_for_nothing(self) -> None:
        cache = self.watched()
        ticket = cache.begin(Ask(Question.LIST, "s"), 1.0)
        change = [Change(1, ChangeKind.ENTRY, "x", file(1, 1))]
        cache.noticed(change * (LATER_MAX + 1), 1.0)
        assert len(ticket.later) == LATER_MAX
        cache.listed(ticket, [], 1, folder(9))
        assert isinstance(cache.find("s/x", 2.0), Known)

    def test_many_own_changes_are_borne_out_before_more_are_made(self) -> None:
        cache = self.watched()
        for number in range(OWN_MAX + 1):
            cache.changed(cache.begin_change(f"s/{number}", 1.0), file(100 + number), 1.0)
        assert not cache.is_heard(1.0)
        cache.synced(1.0)
        assert cache.is_heard(1.0)

    def test_a_number_given_to_two_folders_is_believed_of_one(self) -> None:
        cache = self.watched()
        listed(cache, "s/sub", {}, 1.0, watch=1)
        assert cache.watched == 1
        assert isinstance(cache.listing("s", 10.0), Ask)
        cache.lost()
        assert isinstance(cache.listing("s/sub", 10.0), Ask)


class TestOrder:
    """Things that come in another order than they were done."""

    def opened(self) -> TreeCache:
        cache = TreeCache()
        cache.opened(STREAM, 0.0)
        return cache

    def test_a_notice_of_before_does_not_cover_what_this_side_did(self) -> None:
        cache = self.opened()
        listed(cache, "s", {"x": file(1)}, 0.0, watch=1)
        cache.changed(cache.begin_change("s/x", 1.0), file(1, 7), 1.1)
        cache.noticed([Change(1, ChangeKind.ENTRY, "x", file(1, 3))], 1.2)
        assert cache.find("s/x", 1.2) == Ask(Question.STAT, "s/x")
        stat(cache, "s/x", file(1, 7), 1.3)
        cache.noticed([Change(1, ChangeKind.ENTRY, "x", file(1, 7))], 1.4)
        assert isinstance(cache.find("s/x", 50.0), Known)
        # It is borne out: from now on notices are newer.
        cache.noticed([Change(1, ChangeKind.ENTRY, "x", file(1, 9))], 51.0)
        known = cache.find("s/x", 52.0)
        assert isinstance(known, Known)
        assert known.attributes.size == 9

    def test_notices_that_come_before_the_answer_that_names_their_watch_count(self) -> None:
        cache = self.opened()
        ticket = cache.begin(Ask(Question.LIST, "s"), 1.0)
        cache.noticed([Change(5, ChangeKind.ENTRY, "y", file(2)), Change(5, ChangeKind.ENTRY, "x", None)], 1.1)
        cache.listed(ticket, [Entry("x", file(1))], 5, folder(9))
        assert isinstance(cache.find("s/y", 9.0), Known)
        assert cache.find("s/x", 9.0) == Absent()

    def test_a_listing_of_a_folder_that_was_moved_meanwhile_is_not_kept(self) -> None:
        cache = self.opened()
        listed(cache, "s", {"a": folder(2)}, 0.0)
        ticket = cache.begin(Ask(Question.LIST, "s/a"), 0.1)
        cache.renamed(cache.begin_change("s/a", 0.2), cache.begin_change("s/b", 0.2), 0.3)
        cache.listed(ticket, [Entry("x", file(1))], 0, folder(2))
        assert cache.find_anyway("s/a/x") is None
        assert cache.find("s/a", 0.4) == Absent()

    def test_an_answer_that_was_read_before_the_watch_was_set_does_not_count_after_it(self) -> None:
        cache = self.opened()
        early = cache.begin(Ask(Question.STAT, "s/x"), 1.0)
        listed(cache, "s", {"x": file(1, 7)}, 1.1, watch=1)
        cache.found(early, file(1, 3))
        known = cache.find("s/x", 50.0)
        assert isinstance(known, Known)
        assert known.attributes.size == 7

    def test_what_another_side_did_after_this_one_is_not_covered_by_a_late_answer(self) -> None:
        cache = self.opened()
        listed(cache, "s", {"x": file(1)}, 0.0, watch=1)
        ticket = cache.begin_change("s/x", 1.0)
        cache.noticed([Change(1, ChangeKind.ENTRY, "x", file(1, 9))], 1.1)
        cache.changed(ticket, file(1, 7), 1.2)
        assert cache.find("s/x", 1.2) == Ask(Question.STAT, "s/x")

    def test_the_time_of_a_folder_is_asked_for_after_this_side_made_something_in_it(self) -> None:
        cache = self.opened()
        listed(cache, "s", {}, 0.0, watch=1)
        assert isinstance(cache.find("s", 0.5), Known)
        cache.changed(cache.begin_change("s/new", 0.6), file(1), 0.7)
        assert cache.find("s", 0.7) == Ask(Question.STAT, "s")


class TestNumbers:
    def test_they_stay_while_it_is_the_same_entry(self) -> None:
        cache = TreeCache()
        stat(cache, "s/x", file(1), 1.0)
        number = number_of(cache, "s/x")
        stat(cache, "s/x", file(1, size=7), 2.0)
        assert number_of(cache, "s/x") == number
        stat(cache, "s/x", file(2, size=7), 3.0)
        assert number_of(cache, "s/x") != number
        assert cache.numbers.path_of(number) is None
        assert cache.numbers.path_of(1) == ""

    def test_they_move_with_what_is_below(self) -> None:
        cache = TreeCache()
        listed(cache, "s", {"a": folder(1)}, 1.0)
        listed(cache, "s/a", {"b": folder(2)}, 1.0)
        listed(cache, "s/a/b", {"x": file(3)}, 1.0)
        numbers = [number_of(cache, path) for path in ("s/a", "s/a/b", "s/a/b/x")]
        cache.renamed(cache.begin_change("s/a", 1.1), cache.begin_change("s/z", 1.1), 1.2)
        assert [number_of(cache, path) for path in ("s/z", "s/z/b", "s/z/b/x")] == numbers
        assert [cache.numbers.path_of(number) for number in numbers] == ["s/z", "s/z/b", "s/z/b/x"]
        assert cache.find("s/a", 1.2) == Absent()

    def test_a_rename_of_the_other_side_keeps_them_and_another_file_with_the_same_inode_gets_none(self) -> None:
        cache = TreeCache()
        cache.opened(STREAM, 0.0)
        listed(cache, "s", {"x": file(1, 5)}, 0.0, watch=1)
        number = number_of(cache, "s/x")
        moved = [Change(1, ChangeKind.ENTRY, "x", None), Change(1, ChangeKind.ENTRY, "y", file(1, 5))]
        cache.noticed(moved, 1.0)
        assert number_of(cache, "s/y") == number
        cache.noticed([Change(1, ChangeKind.ENTRY, "y", None), Change(1, ChangeKind.ENTRY, "z", file(1, 6))], 2.0)
        assert number_of(cache, "s/z") != number


class TestAnotherVersion:
    """This side saves a file: another one takes its place, and is the same entry."""

    def test_it_keeps_its_number_whether_the_notice_or_the_answer_comes_first(self) -> None:
        for notice_first in (True, False):
            cache = TreeCache()
            cache.opened(STREAM, 0.0)
            listed(cache, "far", {"x": file(7)}, 0.0, watch=3)
            number = number_of(cache, "far/x")
            ticket = cache.begin_change("far/x", 1.0, same=True)
            notice = Change(3, ChangeKind.ENTRY, "x", file(8, 5))
            if notice_first:
                cache.noticed([notice], 1.1)
                assert number_of(cache, "far/x") == number
            cache.changed(ticket, file(8, 5), 1.2)
            if not notice_first:
                cache.noticed([notice], 1.3)
            found = cache.find("far/x", 1.4)
            assert isinstance(found, Known)
            assert (found.number, found.attributes) == (number, file(8, 5))
            assert cache.numbers.path_of(number) == "far/x"

    def test_who_else_puts_a_file_there_makes_another_entry(self) -> None:
        cache = TreeCache()
        cache.opened(STREAM, 0.0)
        listed(cache, "far", {"x": file(7)}, 0.0, watch=3)
        number = number_of(cache, "far/x")
        ticket = cache.begin_change("far/x", 1.0)
        cache.changed(ticket, file(8, 5), 1.2)
        assert number_of(cache, "far/x") != number


class TestBounds:
    def test_the_folders_unused_longest_go_first_and_give_their_watches_back(self) -> None:
        cache = TreeCache(entries_max=100)
        cache.opened(STREAM, 0.0)
        for number in range(30):
            listed(cache, f"s/{number}", {f"{name}": file(name) for name in range(9)}, float(number), watch=number + 1)
            assert cache.kept[0] <= 100 + 11
            assert not isinstance(cache.listing("s/0", float(number)), Ask)  # used all the time
        assert cache.watched < 12
        assert len(cache.take_released()) == 30 - cache.watched
        assert cache.take_released() == []

    def test_bytes_are_bounded_too(self) -> None:
        cache = TreeCache(bytes_max=100_000)
        for number in range(200):
            listed(cache, f"s/{number}", {"n" * 200: file(1)}, 1.0)
            assert cache.kept[1] <= 100_000 + 2000

    def test_what_is_held_stays(self) -> None:
        cache = TreeCache(entries_max=50)
        listed(cache, "s/a", {"x": file(1), "y": file(2)}, 1.0)
        number = number_of(cache, "s/a/x")
        cache.numbers.hold(number)
        for other in range(40):
            listed(cache, f"s/b{other}", {"z": file(1), "w": file(2)}, 2.0)
        assert cache.numbers.path_of(number) == "s/a/x"
        assert cache.find_anyway("s/a/y") is None
        cache.numbers.release(number)
        for other in range(40):
            listed(cache, f"s/c{other}", {"z": file(1), "w": file(2)}, 3.0)
        assert cache.numbers.path_of(number) is None

    def test_a_folder_too_large_to_be_kept_is_asked_entry_by_entry(self) -> None:
        cache = TreeCache(entries_max=100)
        cache.opened(STREAM, 0.0)
        listed(cache, "s", {f"{name}": file(name) for name in range(60)}, 1.0, watch=4)
        assert cache.watched == 0
        assert cache.take_released() == [4]
        for number in range(5):
            assert cache.find(f"s/{number}", 1.0) == Ask(Question.STAT, f"s/{number}")
            stat(cache, f"s/{number}", file(number), 1.0)

    def test_names_without_end_in_one_folder_are_bounded_whoever_tells_them(self) -> None:
        cache = TreeCache(entries_max=100)
        cache.opened(STREAM, 0.0)
        listed(cache, "s", {}, 1.0, watch=4)
        for number in range(300):
            cache.noticed([Change(4, ChangeKind.ENTRY, f"{number}", file(number))], 1.0)
            assert cache.kept[0] <= 100
        for number in range(300):
            stat(cache, f"s/x{number}", file(number), 2.0)
            assert cache.kept[0] <= 100
        assert cache.watched == 0
