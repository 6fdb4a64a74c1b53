"""One thread looks for all that want to know; each of them hears once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gimmal.base.errors import HalfGone
from gimmal.half import presence_watch
from gimmal.half.presence import Presence
from gimmal.half.presence_watch import watch_half
from tests.half.helpers import folders, join
from tests.patience import PATIENCE


@pytest.fixture
def location(tmp_path: Path) -> Path:
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return one / "GIMMAL"


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "presence of the half"}


def test_all_hear_that_it_is_gone(location: Path) -> None:
    heard = [threading.Event(), threading.Event()]
    before = threads()  # of halves that an earlier test uses still
    with watch_half(location) as watch, watch_half(location) as same:
        assert same is watch
        assert len(threads() - before) == 1
        for one in heard:
            watch.tell(one.set)
        assert not watch.gone.is_set()
        location.rename(location.with_name("away"))
        assert all(one.wait(PATIENCE) for one in heard)
        late = threading.Event()
        watch.tell(late.set)
        assert late.is_set()
        assert watch.gone.is_set()
        with pytest.raises(HalfGone):
            watch_half(location)
        location.with_name("away").rename(location)
        with watch_half(location) as again:
            assert again is not watch
            assert not again.gone.is_set()


def test_a_reason_to_look_is_a_look_at_once(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_watch, "LOOK_SECONDS", 10 * PATIENCE)
    first = threading.Event()
    present = Presence.present

    def looked(self: Presence) -> bool:
        there = present(self)
        first.set()
        return there

    monkeypatch.setattr(Presence, "present", looked)
    with watch_half(location) as watch:
        assert first.wait(PATIENCE)
        location.rename(location.with_name("away"))
        watch.stir()
        assert watch.gone.wait(PATIENCE)


def test_one_look_at_once_without_the_thread(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_watch, "LOOK_SECONDS", 10 * PATIENCE)
    with watch_half(location) as watch:
        assert not watch.looks_gone()
        location.rename(location.with_name("away"))
        assert watch.looks_gone()


def test_who_has_left_hears_nothing_and_the_thread_ends(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_watch, "LOOK_SECONDS", 0.01)
    heard = threading.Event()
    with watch_half(location) as watch:
        watch.tell(heard.set)
    watch._thread.join(PATIENCE)
    assert not watch._thread.is_alive()
    location.rename(location.with_name("away"))
    assert not heard.is_set()
    assert not watch.gone.is_set()


def test_one_that_leaves_takes_the_watch_from_nobody(location: Path) -> None:
    heard = threading.Event()
    with watch_half(location) as watch:
        with watch_half(location):
            pass
        watch.tell(heard.set)
        location.rename(location.with_name("away"))
        assert heard.wait(PATIENCE)


def test_a_look_that_a_disk_holds_up_hangs(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def held_up(_presence: Presence) -> bool:
        asked.set()
        return answer.wait(PATIENCE)

    monkeypatch.setattr(Presence, "present", held_up)
    with watch_half(location) as watch:
        assert asked.wait(PATIENCE)
        assert not watch.hangs()
        monkeypatch.setattr(presence_watch, "HANGS_SECONDS", 0.0)
        assert watch.hangs()
        asked.clear()
        monkeypatch.setattr(Presence, "present", lambda _presence: not asked.set())
        answer.set()
        assert asked.wait(PATIENCE)
