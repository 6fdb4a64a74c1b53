"""The bookkeeping of sessions: both machines in pairs over links that lose, delay and reorder."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gimmal.base.errors import InternalError, Interrupted, ProtocolViolation
from gimmal.protocol.limits import REMEMBERED_BYTES_MAX, REMEMBERED_MAX, REQUESTS_MAX
from gimmal.protocol.session import NUMBER_MAX, Answering, Arrival, Asking


class TestAsking:
    @pytest.mark.parametrize(("opener", "numbers"), [(True, [1, 3, 5]), (False, [2, 4, 6])])
    def test_numbers_have_the_side_s_parity(self, opener: bool, numbers: list[int]) -> None:
        asking = Asking(opener=opener)
        assert [asking.begin() for _ in numbers] == numbers

    def test_the_mark_is_the_lowest_unsettled_number(self) -> None:
        asking = Asking(opener=True)
        assert asking.mark == 1
        for _ in range(4):
            asking.begin()
        asking.settle(3)
        asking.settle(5)
        assert asking.mark == 1
        asking.settle(1)
        assert asking.mark == 7
        asking.settle(7)
        assert asking.mark == 9
        assert asking.begin() == 9
        assert asking.mark == 9

    def test_settling_twice_or_something_unknown_changes_nothing(self) -> None:
        asking = Asking(opener=True)
        asking.begin()
        asking.begin()
        asking.settle(3)
        asking.settle(3)
        asking.settle(99)
        assert (asking.unsettled, asking.mark) == (1, 1)

    def test_it_is_full_with_as_many_unsettled_requests_as_allowed(self) -> None:
        asking = Asking(opener=False)
        numbers = [asking.begin() for _ in range(REQUESTS_MAX)]
        assert asking.full
        with pytest.raises(InternalError):
            asking.begin()
        asking.settle(numbers[5])
        assert not asking.full
        asking.begin()

    def test_it_is_full_where_one_request_holds_the_mark_back_too_far(self) -> None:
        asking = Asking(opener=True)
        slow = asking.begin()
        begun = 1
        while not asking.full:
            asking.settle(asking.begin())
            begun += 1
        assert begun == REMEMBERED_MAX
        asking.settle(slow)
        assert not asking.full

    def test_numbers_end_with_the_session(self) -> None:
        asking = Asking(opener=True)
        asking._next = asking._mark = NUMBER_MAX
        assert asking.begin() == NUMBER_MAX
        asking.settle(NUMBER_MAX)
        assert asking.exhausted
        with pytest.raises(Interrupted):
            asking.begin()


class TestAnswering:
    def test_a_changing_request_is_done_once_and_answered_from_memory(self) -> None:
        answering = Answering(opener=False)
        assert answering.arrive(1, 1, changing=True) is Arrival.NEW
        assert answering.arrive(1, 1, changing=True) is Arrival.RUNNING
        answering.answered(1, b"yes")
        assert answering.arrive(1, 1, changing=True) is Arrival.ANSWERED
        assert answering.answer_of(1) == b"yes"
        assert answering.arrive(3, 3, changing=True) is Arrival.NEW
        assert answering.arrive(1, 1, changing=True) is Arrival.SETTLED

    def test_what_changes_nothing_is_forgotten_once_answered(self) -> None:
        answering = Answering(opener=False)
        assert answering.arrive(1, 1, changing=False) is Arrival.NEW
        answering.answered(1, b"a page")
        assert answering.remembered == 0
        assert answering.arrive(1, 1, changing=False) is Arrival.NEW

    def test_a_dropped_request_is_new_when_repeated(self) -> None:
        answering = Answering(opener=False)
        answering.arrive(1, 1, changing=True)
        answering.drop(1)
        assert answering.arrive(1, 1, changing=True) is Arrival.NEW
        answering.answered(1, b"yes")
        answering.drop(1)
        assert answering.arrive(1, 1, changing=True) is Arrival.ANSWERED

    def test_a_late_request_below_the_mark_is_not_done(self) -> None:
        answering = Answering(opener=False)
        answering.arrive(5, 5, changing=True)
        assert answering.arrive(1, 1, changing=True) is Arrival.SETTLED
        assert answering.arrive(3, 1, changing=False) is Arrival.SETTLED

    def test_an_answer_to_a_request_settled_meanwhile_is_not_kept(self) -> None:
        answering = Answering(opener=False)
        answering.arrive(1, 1, changing=True)
        answering.arrive(3, 3, changing=True)
        answering.answered(1, b"late")
        assert answering.remembered == 1

    @pytest.mark.parametrize(
        ("opener", "number", "mark"), [(False, 2, 1), (True, 1, 1), (False, 0, 0), (True, 0, 0), (False, 5, 7)]
    )
    def test_a_number_of_the_wrong_side_or_below_its_mark_is_a_violation(
        self, opener: bool, number: int, mark: int
    ) -> None:
        with pytest.raises(ProtocolViolation):
            Answering(opener=opener).arrive(number, mark, changing=False)

    def test_more_running_requests_than_allowed_are_a_violation(self) -> None:
        answering = Answering(opener=False)
        for index in range(2 * REQUESTS_MAX):
            answering.arrive(2 * index + 1, 1, changing=bool(index % 2))
        with pytest.raises(ProtocolViolation):
            answering.arrive(4 * REQUESTS_MAX + 1, 1, changing=False)

    def test_a_mark_left_too_far_behind_is_a_violation(self) -> None:
        answering = Answering(opener=False)
        answering.arrive(1, 1, changing=True)
        answering.arrive(2 * REMEMBERED_MAX - 1, 1, changing=True)
        with pytest.raises(ProtocolViolation):
            answering.arrive(2 * REMEMBERED_MAX + 3, 1, changing=True)

    def test_answers_that_nobody_settles_are_bounded_in_bytes(self) -> None:
        answering = Answering(opener=False)
        answer = bytes(1 << 20)
        for index in range(REMEMBERED_BYTES_MAX // len(answer)):
            answering.arrive(2 * index + 1, 1, changing=True)
            answering.answered(2 * index + 1, answer)
        last = 2 * (REMEMBERED_BYTES_MAX // len(answer)) + 1
        answering.arrive(last, 1, changing=True)
        with pytest.raises(ProtocolViolation):
            answering.answered(last, answer)

    def test_settling_makes_room_again(self) -> None:
        answering = Answering(opener=False)
        answer = bytes(1 << 20)
        for index in range(3 * REMEMBERED_BYTES_MAX // len(answer)):
            number = 2 * index + 1
            answering.arrive(number, number, changing=True)
            answering.answered(number, answer)
            assert answering.remembered == 1

    def test_one_slow_request_does_not_stop_the_others(self) -> None:
        asking, answering = Asking(opener=True), Answering(opener=False)
        answering.arrive(asking.begin(), 1, changing=True)
        while not asking.full:
            number = asking.begin()
            assert answering.arrive(number, asking.mark, changing=True) is Arrival.NEW
            answering.answered(number, b"done")
            asking.settle(number)
        assert answering.remembered == REMEMBERED_MAX


@dataclass
class Wire:
    """One link: requests on their way there, answers on their way back."""

    there: deque[tuple[int, int, bool, int]] = field(default_factory=deque)
    back: deque[tuple[int, int]] = field(default_factory=deque)
    asker_sees: bool = True
    answerer_sees: bool = True


@dataclass
class Question:
    changing: bool
    wire: Wire
    number: int


class LossyLinks(RuleBasedStateMachine):
    """Each question has an id; what the answerer does is counted by id."""

    def __init__(self) -> None:
        super().__init__()
        self.asking, self.answering = Asking(opener=True), Answering(opener=False)
        self.wires = [Wire(), Wire()]
        self.questions: dict[int, Question] = {}
        self.done: dict[int, int] = {}
        self.running: dict[int, tuple[int, bool, Wire]] = {}
        self.settled: set[int] = set()
        self.next_id = 0
        self.last_mark = 0

    # The asking side -------------------------------------------------------------------------------------------------

    def usable(self) -> list[Wire]:
        return [wire for wire in self.wires if wire.asker_sees]

    def send(self, identity: int) -> None:
        question = self.questions[identity]
        question.wire.there.append((question.number, self.asking.mark, question.changing, identity))

    @rule(changing=st.booleans(), pick=st.integers(0, 10))
    def ask(self, changing: bool, pick: int) -> None:
        wires = self.usable()
        if not wires or self.asking.full:
            return
        self.questions[self.next_id] = Question(changing, wires[pick % len(wires)], self.asking.begin())
        self.send(self.next_id)
        self.next_id += 1

    @rule()
    def new_link(self) -> None:
        if len(self.usable()) < 4:
            self.wires.append(Wire())

    @rule(pick=st.integers(0, 10), lost=st.booleans(), onto=st.integers(0, 10))
    @precondition(lambda self: self.usable())
    def asker_sees_a_cut(self, pick: int, lost: bool, onto: int) -> None:
        wires = self.usable()
        wire = wires[pick % len(wires)]
        wire.asker_sees = False
        wire.back.clear()
        if lost:
            wire.there.clear()
        if not self.usable():
            self.wires.append(Wire())
        others = self.usable()
        for identity, question in self.questions.items():
            if question.wire is wire:
                question.wire = others[onto % len(others)]
                if not question.changing:
                    self.asking.settle(question.number)
                    question.number = self.asking.begin()
                self.send(identity)

    @rule(pick=st.integers(0, 10))
    @precondition(lambda self: self.questions)
    def give_up(self, pick: int) -> None:
        identity = sorted(self.questions)[pick % len(self.questions)]
        self.asking.settle(self.questions.pop(identity).number)

    @rule(pick=st.integers(0, 10))
    def deliver_an_answer(self, pick: int) -> None:
        wires = [wire for wire in self.usable() if wire.back]
        if not wires:
            return
        number, identity = wires[pick % len(wires)].back.popleft()
        question = self.questions.get(identity)
        if question is None or question.number != number:
            return
        assert not question.changing or self.done[identity] == 1
        del self.questions[identity]
        self.settled.add(identity)
        self.asking.settle(number)

    # The answering side ----------------------------------------------------------------------------------------------

    def answer(self, number: int, identity: int, wire: Wire) -> None:
        if wire.asker_sees and wire.answerer_sees:
            wire.back.append((number, identity))

    @rule(pick=st.integers(0, 10))
    def deliver_a_request(self, pick: int, *, late: bool = True) -> None:
        wires = [wire for wire in self.wires if wire.there and wire.answerer_sees and (late or wire.asker_sees)]
        if not wires:
            return
        wire = wires[pick % len(wires)]
        number, mark, changing, identity = wire.there.popleft()
        match self.answering.arrive(number, mark, changing=changing):
            case Arrival.NEW:
                assert number not in self.running
                self.running[number] = (identity, changing, wire)
            case Arrival.RUNNING:
                assert self.running[number][0] == identity
                self.running[number] = (identity, changing, wire)
            case Arrival.ANSWERED:
                assert self.answering.answer_of(number) == str(identity).encode()
                self.answer(number, identity, wire)
            case Arrival.SETTLED:
                assert identity not in self.questions or self.questions[identity].number != number

    @rule(pick=st.integers(0, 10))
    @precondition(lambda self: self.running)
    def finish(self, pick: int) -> None:
        number = sorted(self.running)[pick % len(self.running)]
        identity, changing, wire = self.running.pop(number)
        if changing:
            self.done[identity] = self.done.get(identity, 0) + 1
        self.answering.answered(number, str(identity).encode())
        self.answer(number, identity, wire)

    @rule(pick=st.integers(0, 10))
    @precondition(lambda self: self.running)
    def lose_before_anything_was_done(self, pick: int) -> None:
        number = sorted(self.running)[pick % len(self.running)]
        if not self.running[number][2].asker_sees:  # a request is only dropped where the asker will repeat it
            del self.running[number]
            self.answering.drop(number)

    @rule(pick=st.integers(0, 10))
    def answerer_sees_a_cut(self, pick: int) -> None:
        wires = [wire for wire in self.wires if not wire.asker_sees]
        if wires:
            wires[pick % len(wires)].answerer_sees = False

    @rule()
    def all_but_late_requests_go_through(self) -> None:
        while any(wire.there for wire in self.usable()):
            self.deliver_a_request(0, late=False)
        while self.running:
            self.finish(0)
        while any(wire.back for wire in self.usable()):
            self.deliver_an_answer(0)

    # What always holds -----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert all(count == 1 for count in self.done.values())

    @invariant()
    def the_mark_only_grows_and_passes_nothing_unsettled(self) -> None:
        assert self.asking.mark >= self.last_mark
        self.last_mark = self.asking.mark
        assert all(question.number >= self.asking.mark for question in self.questions.values())
        assert self.asking.unsettled == len(self.questions)

    @invariant()
    def memory_is_what_is_running_and_what_the_mark_has_not_passed(self) -> None:
        kept = [number for number in self.answering._answers if number < self.answering._mark]
        assert not kept
        assert self.answering._bytes == sum(len(answer) for answer in self.answering._answers.values())
        assert set(self.answering._running) == set(self.running)

    def teardown(self) -> None:
        """However it went, with one good link everything asked is answered, and then all is forgotten."""
        while self.running:
            self.finish(0)
        self.wires.append(Wire())
        while self.usable()[0] is not self.wires[-1]:
            self.asker_sees_a_cut(0, lost=True, onto=len(self.usable()) - 2)
        for wire in self.wires[:-1]:
            wire.answerer_sees = False
        for _ in range(3 * len(self.questions) + 3):
            self.deliver_a_request(0)
            while self.running:
                self.finish(0)
            self.deliver_an_answer(0)
        assert not self.questions
        self.ask(changing=False, pick=0)
        self.deliver_a_request(0)
        self.finish(0)
        assert self.answering.remembered == 0
        self.nothing_is_done_twice()


LossyLinks.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestLossyLinks = LossyLinks.TestCase


@pytest.mark.parametrize("seed", range(40))
def test_long_lives_of_a_session(seed: int) -> None:
    """The same rules by plain chance: rare orders of events are met in numbers."""
    chance = random.Random(seed)
    machine = LossyLinks()
    for _ in range(600):
        pick, onto = chance.randrange(11), chance.randrange(11)
        match chance.randrange(12):
            case 0 | 1 | 2:
                machine.ask(chance.random() < 0.7, pick)
            case 3:
                machine.new_link()
            case 4 if machine.usable():
                machine.asker_sees_a_cut(pick, chance.random() < 0.3, onto)
            case 5 if machine.questions and chance.random() < 0.3:
                machine.give_up(pick)
            case 6 if machine.running:
                machine.finish(pick)
            case 7 if machine.running:
                machine.lose_before_anything_was_done(pick)
            case 8 if chance.random() < 0.1:
                machine.answerer_sees_a_cut(pick)
            case 9 if chance.random() < 0.5:
                machine.all_but_late_requests_go_through()
            case 10:
                machine.deliver_an_answer(pick)
            case _:
                machine.deliver_a_request(pick)
        machine.nothing_is_done_twice()
        machine.the_mark_only_grows_and_passes_nothing_unsettled()
        machine.memory_is_what_is_running_and_what_the_mark_has_not_passed()
    machine.teardown()
