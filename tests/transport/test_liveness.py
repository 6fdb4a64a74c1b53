"""A link is given up while another one is heard, and for nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.liveness import (
    ASK_SECONDS,
    LATE_SECONDS,
    LOST_SECONDS,
    NEVER,
    ROUND_TRIPS,
    STREAM_SECONDS,
    SUSPECT_SECONDS,
    Liveness,
    Sight,
    Verdict,
)

TICK = 0.25


@dataclass
class Way:
    """A link in a simulated network.

    Attributes:
        answers: seconds from asking to the answer; None where nothing comes back.
        acknowledges: seconds until the system at the other end acknowledges; None where it never does.
        chats: bytes that nobody asked for now come every so many seconds.
    """

    answers: float | None
    acknowledges: float | None
    waiting: bool = True
    round_trip: float | None = 0.02
    streaming: bool = False
    relayed: bool = False
    known: bool = True
    path: object = None
    chats: float | None = None
    heard: float = 0.0
    asked: float | None = None
    system: float = 0.0
    proved: float = NEVER
    pings: list[float] = field(default_factory=list)
    verdict: Verdict = Verdict.FINE
    lost_at: float | None = None
    suspect_at: float | None = None

    def pass_time(self, now: float) -> None:
        for ping in self.pings:
            if self.answers is not None and ping + self.answers <= now:
                self.heard = max(self.heard, ping + self.answers)
                if ping == self.pings[-1]:
                    self.proved = ping
            if self.acknowledges is not None and ping + self.acknowledges <= now:
                self.system = max(self.system, ping + self.acknowledges)
        if self.chats is not None:
            self.heard = now - now % self.chats
        if self.asked is not None and self.heard > self.asked:
            self.asked = None

    def sight(self, now: float) -> Sight:
        self.pass_time(now)
        waits = any(self.acknowledges is None or ping + self.acknowledges > now for ping in self.pings)
        return Sight(
            heard=self.heard,
            waiting=0.0 if self.waiting else None,
            asked=self.asked,
            round_trip=self.round_trip,
            in_flight=waits if self.known else None,
            silent=now - max(self.system, self.heard) if self.known else None,
            pinged=self.pings[-1] if self.pings else NEVER,
            proved=self.proved,
            streaming=self.streaming,
            relayed=self.relayed,
            path=self.path,
        )

    def ping(self, now: float) -> None:
        self.pings.append(now)
        self.asked = now if self.asked is None else self.asked


def simulate(seconds: float, *ways: Way) -> None:
    """All was heard at 0, something waits on each since then."""
    liveness = Liveness()
    now = 0.0
    while now < seconds:
        now += TICK
        left = [way for way in ways if way.lost_at is None]
        for way, verdict in zip(left, liveness.look(now, now, [way.sight(now) for way in left]), strict=True):
            way.verdict = verdict
            if verdict is Verdict.ASK or (verdict is Verdict.SUSPECT and way.asked is None):
                way.ping(now)
            elif verdict is Verdict.LOST:
                way.lost_at = now
            if verdict is Verdict.SUSPECT and way.suspect_at is None:
                way.suspect_at = now
        assert all(len(way.pings) <= 2 * now + 2 for way in ways)


ALIVE = Way(0.05, 0.02)
IDLE = replace(ALIVE, waiting=False)
HOLE = Way(None, None)


def new(way: Way, **changes: Any) -> Way:
    return replace(way, pings=[], **changes)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("relayed", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
def test_a_hole_is_noticed_while_another_link_lives(known: bool, relayed: bool, streaming: bool) -> None:
    hole = new(HOLE, known=known, relayed=relayed, streaming=streaming)
    simulate(30, hole, reserve := new(IDLE))
    assert hole.lost_at is not None
    slow = streaming and not known  # nothing else tells a hole from a reader that has stopped
    assert hole.lost_at <= (STREAM_SECONDS if slow else LOST_SECONDS) + 4 * TICK
    assert reserve.lost_at is None


def test_a_hole_is_lost_within_three_seconds_and_avoided_before() -> None:
    hole = new(HOLE)
    simulate(4, hole, new(IDLE))
    assert hole.suspect_at is not None and hole.suspect_at <= 2.0
    assert hole.lost_at is not None and hole.lost_at <= 2.5


def test_the_only_link_is_never_given_up() -> None:
    hole = new(HOLE)
    simulate(60, hole)
    assert hole.lost_at is None
    assert hole.verdict is Verdict.SUSPECT


def test_links_that_are_silent_together_are_kept() -> None:
    ways = [new(HOLE), new(HOLE, relayed=True), new(HOLE, waiting=False)]
    simulate(60, *ways)
    assert [way.lost_at for way in ways] == [None] * 3


@pytest.mark.parametrize("streaming", [True, False])
def test_a_busy_program_or_disk_is_no_hole(streaming: bool) -> None:
    """The other side's system acknowledges, its program answers after a minute; another link is heard all the time."""
    busy = Way(60, 0.03, streaming=streaming)
    simulate(59, busy, new(ALIVE))
    assert busy.lost_at is None and busy.suspect_at is None


def test_a_reader_that_stopped_behind_a_relay_has_time() -> None:
    stopped = Way(STREAM_SECONDS - 2, 0.01, relayed=True, streaming=True)
    simulate(STREAM_SECONDS - 1, stopped, new(ALIVE))
    assert stopped.lost_at is None


@given(queue=st.floats(0.001, 20), known=st.booleans(), relayed=st.booleans())
def test_a_queue_that_all_share_costs_no_link(queue: float, known: bool, relayed: bool) -> None:
    """Bufferbloat of seconds: each answer comes late, on each link alike, first asked first answered."""
    ways = [Way(queue, queue, known=known, relayed=relayed, round_trip=0.01), Way(queue, queue, round_trip=0.01)]
    simulate(60, *ways)
    assert [way.lost_at for way in ways] == [None, None]


@given(queue=st.floats(0.001, 12), chats=st.floats(0.05, 2.0), relayed=st.booleans())
def test_answers_to_what_was_asked_before_prove_nothing(queue: float, chats: float, relayed: bool) -> None:
    """An upload fills the queue of the only line: its answers come all the time, those to new questions late."""
    questions = Way(queue, queue, relayed=relayed, known=not relayed, round_trip=0.01)
    bulk = Way(queue, queue, relayed=relayed, streaming=True, chats=chats)
    simulate(60, questions, bulk)
    assert questions.lost_at is None and bulk.lost_at is None


@given(round_trip=st.floats(0.001, 3.0), known=st.booleans())
def test_far_links_are_given_their_time(round_trip: float, known: bool) -> None:
    far = Way(round_trip, round_trip, known=known, round_trip=round_trip)
    simulate(30, far, new(ALIVE))
    assert far.lost_at is None


def test_only_what_waits_is_asked() -> None:
    idle = new(IDLE)
    simulate(30, idle)
    assert idle.asked is None


def test_silence_before_the_question_does_not_count() -> None:
    sights = [Sight(heard=0.0, waiting=100.0, in_flight=True, silent=100.0), Sight(heard=100.0, waiting=None)]
    liveness = Liveness()
    assert liveness.look(100.5, 100.5, sights)[0] is Verdict.FINE
    assert liveness.look(100.0 + ASK_SECONDS, 101.0, sights)[0] is Verdict.ASK
    assert liveness.look(100.0 + SUSPECT_SECONDS, 101.5, sights)[0] is Verdict.SUSPECT


def test_time_that_this_process_slept_does_not_count() -> None:
    sights = [Sight(0.0, 0.0, asked=1.0, in_flight=True, silent=600.0, pinged=600.0), Sight(600.0, None)]
    liveness = Liveness()
    assert liveness.look(600.0, 1.25, sights)[0] is Verdict.FINE
    assert liveness.look(600.5, 600.5 - LATE_SECONDS / 2, sights)[0] is Verdict.FINE
    heard = [sights[0], replace(sights[1], heard=601.9, pinged=601.6, proved=601.6)]
    assert liveness.look(602.0, 602.0, heard)[0] is Verdict.LOST


def test_limits_grow_with_the_round_trip() -> None:
    late = SUSPECT_SECONDS + ROUND_TRIPS - 0.1
    far = Sight(0.0, 0.0, asked=1.0, round_trip=1.0, in_flight=True, silent=late, pinged=1.0)
    assert Liveness().look(late, 4.4, [far]) == [Verdict.FINE]
    assert Liveness().look(5.0, 5.0, [replace(far, silent=5.0)]) == [Verdict.SUSPECT]


def test_all_links_of_a_path_without_an_end_go_together() -> None:
    """Those on which nothing waits, too: what is asked next would be asked on them."""
    bulk, idle, question = new(HOLE, path=1), new(HOLE, path=1, waiting=False), new(HOLE, path=1, waiting=False)
    reserve = new(IDLE, path=2)
    simulate(5, bulk, idle, question, reserve)
    assert reserve.lost_at is None and reserve.suspect_at is None
    for way in (bulk, idle, question):
        assert way.lost_at is not None and way.lost_at <= LOST_SECONDS + 2 * TICK


def test_without_another_path_all_links_of_one_are_suspect_soon_and_none_is_lost() -> None:
    ways = [new(HOLE, path=1), new(HOLE, path=1, waiting=False)]
    simulate(30, *ways)
    for way in ways:
        assert way.suspect_at is not None and way.suspect_at <= SUSPECT_SECONDS + 3 * TICK
        assert way.lost_at is None and way.verdict is Verdict.SUSPECT


def test_a_link_that_answers_stays_though_others_of_its_path_do_not() -> None:
    lost, answers = new(HOLE, path=1), new(ALIVE, path=1)
    simulate(5, lost, answers)
    assert lost.lost_at is not None
    assert answers.lost_at is None and answers.suspect_at is None
