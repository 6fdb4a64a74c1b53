"""What the queue decides, event by event, and what never happens whatever the events."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gimmal.agent.queue.machine import (
    ENDED_MAX,
    ENDED_SECONDS,
    RUNNING_MAX,
    UNFINISHED_MAX,
    Change,
    Machine,
    Outcome,
    Standing,
    State,
    Stop,
)
from gimmal.base.errors import ExitCode, GimmalError

NOW = 1_700_000_000.0


def machine_of(*states: State) -> Machine:
    return Machine(
        Standing(index + 1, NOW, state, 0.0 if state in (State.WAITING, State.PAUSED) else NOW)
        for index, state in enumerate(states)
    )


def begin_all(machine: Machine) -> list[int]:
    numbers = machine.starts()
    for number in numbers:
        machine.began(number)
    return numbers


def done(machine: Machine, change: Change) -> Change:
    machine.apply(change)
    return change


def test_a_few_run_and_the_others_follow_in_their_order() -> None:
    machine = Machine()
    for _ in range(RUNNING_MAX + 2):
        machine.apply(machine.add(NOW))
    assert begin_all(machine) == [1, 2, 3]
    assert machine.starts() == []
    done(machine, machine.ended(2, Outcome(State.DONE), NOW + 1))
    assert begin_all(machine) == [4]
    assert machine.standings[2] == Standing(2, NOW, State.DONE, NOW + 1)


def test_a_pause_stops_what_runs_and_gives_its_place_to_the_next() -> None:
    machine = machine_of(*[State.WAITING] * 4)
    assert begin_all(machine) == [1, 2, 3]
    change = done(machine, machine.pause(2))
    assert change.stops == (Stop(2, drain=True),)
    assert machine.starts() == [], "its run is under way still"
    assert machine.ended(2, None, NOW) == Change()
    assert begin_all(machine) == [4]
    assert machine.pause(2) == Change(), "twice is once"
    done(machine, machine.resume(2))
    done(machine, machine.ended(1, Outcome(State.DONE), NOW))
    assert begin_all(machine) == [2], "it has its old place in the order"


def test_one_resumed_before_its_run_has_stopped_runs_once_more_after_it() -> None:
    machine = machine_of(State.WAITING)
    begin_all(machine)
    done(machine, machine.pause(1))
    done(machine, machine.resume(1))
    assert machine.starts() == []
    done(machine, machine.ended(1, None, NOW))
    assert begin_all(machine) == [1]


def test_one_that_ends_before_it_hears_of_the_pause_has_ended() -> None:
    machine = machine_of(State.WAITING)
    begin_all(machine)
    done(machine, machine.pause(1))
    done(machine, machine.ended(1, Outcome(State.PARTLY, "one failed"), NOW + 1))
    assert machine.standings[1] == Standing(1, NOW, State.PARTLY, NOW + 1, message="one failed")


def test_a_cancelled_one_stays_so_unless_it_was_done() -> None:
    for outcome, state in ((Outcome(State.FAILED, "x"), State.CANCELLED), (Outcome(State.DONE), State.DONE)):
        machine = machine_of(State.WAITING)
        begin_all(machine)
        assert done(machine, machine.cancel(1, discard=False, now=NOW)).stops == (Stop(1, drain=False),)
        done(machine, machine.ended(1, outcome, NOW + 1))
        assert machine.standings[1].state is state
        assert machine.starts() == []


def test_part_files_are_removed_by_a_run_of_its_own_before_others_begin() -> None:
    machine = machine_of(*[State.WAITING] * 5)
    begin_all(machine)
    done(machine, machine.cancel(3, discard=True, now=NOW))
    done(machine, machine.cancel(5, discard=True, now=NOW))
    done(machine, machine.ended(3, None, NOW))
    assert machine.starts() == [3]
    assert machine.began(3)
    assert machine.clear() == Change(), "not before they are removed"
    done(machine, machine.ended(3, Outcome(State.CANCELLED), NOW))
    assert not machine.standings[3].discarding
    assert machine.starts() == [5]
    assert machine.clear().forgotten == (3,)


def test_one_resumed_while_its_part_files_are_removed_waits_for_the_end_of_that() -> None:
    machine = machine_of(State.WAITING)
    done(machine, machine.cancel(1, discard=True, now=NOW))
    begin_all(machine)
    assert done(machine, machine.resume(1)).stops == (Stop(1, drain=False),)
    assert machine.starts() == []
    done(machine, machine.ended(1, None, NOW))
    assert machine.starts() == [1]
    assert not machine.began(1)


@pytest.mark.parametrize("state", [State.FAILED, State.PARTLY, State.CANCELLED])
def test_one_that_has_failed_can_be_tried_again(state: State) -> None:
    machine = Machine([Standing(7, NOW, state, NOW, message="m", hint="h")])
    done(machine, machine.resume(None))
    assert machine.starts() == [], "all means those that are paused"
    done(machine, machine.resume(7))
    assert machine.standings[7] == Standing(7, NOW)
    assert machine.starts() == [7]


def test_what_makes_no_sense_is_refused_with_words() -> None:
    machine = machine_of(State.DONE, State.FAILED)
    for act in (machine.pause, machine.resume, lambda number: machine.cancel(number, discard=False, now=NOW)):
        with pytest.raises(GimmalError, match="transfer 1 is done already"):
            act(1)
        with pytest.raises(GimmalError, match="there is no transfer 9") as missing:
            act(9)
        assert missing.value.exit_code is ExitCode.REFUSED
        assert act(None) == Change(), "all is whatever it fits"
    with pytest.raises(GimmalError, match="transfer 2 is failed already"):
        machine.pause(2)


def test_there_is_an_end_to_queueing() -> None:
    machine = machine_of(*[State.PAUSED] * UNFINISHED_MAX)
    with pytest.raises(GimmalError, match="queued already"):
        machine.add(NOW)
    done(machine, machine.cancel(1, discard=False, now=NOW))
    assert machine.add(NOW).standings[0].number == UNFINISHED_MAX + 1


def test_those_that_ended_are_forgotten_in_time_and_in_number() -> None:
    machine = Machine(
        [Standing(number, NOW, State.DONE, NOW + number) for number in range(1, ENDED_MAX + 4)]
        + [Standing(1000, NOW - 10 * ENDED_SECONDS)]
    )
    change = done(machine, machine.expire(NOW))
    assert change.forgotten == (1, 2, 3)
    assert machine.expire(NOW + ENDED_SECONDS + 3.5) == Change()
    assert machine.expire(NOW + ENDED_SECONDS + 4.5).forgotten == (4,)
    assert 1000 in machine.standings
    assert machine.next_number == 1001


def test_numbers_are_not_given_twice() -> None:
    machine = Machine([], 12)
    done(machine, machine.add(NOW))
    done(machine, machine.cancel(12, discard=False, now=NOW))
    done(machine, machine.clear())
    assert not machine.standings
    assert machine.add(NOW).standings[0].number == 13


class AnyEvents(RuleBasedStateMachine):
    """Random commands and ends of runs; the runs it has are those that the machine believes in."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.runs: dict[int, bool] = {}
        self.stopped: set[int] = set()
        self.now = NOW
        self.numbers: set[int] = set()

    def make(self, change: Change) -> None:
        self.now += 1
        self.machine.apply(change)
        for stop in change.stops:
            assert stop.number in self.runs, "only what runs is stopped"
            self.stopped.add(stop.number)
        for number in self.machine.starts():
            assert number not in self.runs, "one run of each at a time"
            self.runs[number] = self.machine.began(number)
            self.stopped.discard(number)

    @rule()
    def add(self) -> None:
        change = self.machine.add(self.now)
        number = change.standings[0].number
        assert number not in self.numbers
        self.numbers.add(number)
        self.make(change)

    @rule(act=st.sampled_from(["pause", "resume", "cancel", "discard"]), number=st.none() | st.integers(1, 8))
    def command(self, act: str, number: int | None) -> None:
        try:
            if act == "pause":
                self.make(self.machine.pause(number))
            elif act == "resume":
                self.make(self.machine.resume(number))
            else:
                self.make(self.machine.cancel(number, discard=act == "discard", now=self.now))
        except GimmalError as exc:
            assert number is not None, exc
            assert exc.hint

    @rule()
    def clear(self) -> None:
        self.make(self.machine.clear())

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.runs)))
        discarding = self.runs.pop(number)
        outcome: Outcome | None = Outcome(State.CANCELLED)
        if not discarding:
            outcome = Outcome(data.draw(st.sampled_from([State.DONE, State.PARTLY, State.FAILED])))
        if number in self.stopped and data.draw(st.booleans()):
            outcome = None
        self.make(self.machine.ended(number, outcome, self.now))

    @invariant()
    def holds(self) -> None:
        machine = self.machine
        assert machine.running == self.runs
        assert len(self.runs) <= RUNNING_MAX
        assert machine.next_number > max(self.numbers, default=0)
        for number in self.runs:
            standing = machine.standings[number]
            wanted = standing.discarding if self.runs[number] else standing.state is State.WAITING
            assert wanted or number in self.stopped, "what is not wanted any more was told to stop"
        waiting = [each for each in machine.standings.values() if each.state is State.WAITING or each.discarding]
        if len(self.runs) < RUNNING_MAX:
            assert all(each.number in self.runs for each in waiting), "no place stays empty"
        for each in machine.standings.values():
            assert (each.ended > 0) == (each.state not in (State.WAITING, State.PAUSED))
            assert not each.discarding or each.state is State.CANCELLED


AnyEvents.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyEvents = AnyEvents.TestCase
