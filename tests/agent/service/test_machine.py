"""What the supervisor decides, without processes, disks or a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.agent.service.machine import (
    GONE_SECONDS,
    HALVES_MAX,
    PAUSE_MOST,
    STEADY_SECONDS,
    Action,
    Condition,
    Deed,
    Seen,
    Supervision,
)
from gimmal.base.errors import ExitCode

PAIR = bytes(16)


def half(location: str = "/m/GIMMAL", identity: int = 1, *, password: bool = False, fault: str = "") -> Seen:
    return Seen(location, (identity,), PAIR if not fault else b"", "a", "Home", password, fault)


def condition(machine: Supervision, now: float = 0.0) -> Condition:
    (view,) = machine.views(now)
    return view.condition


def served(machine: Supervision, seen: Seen, now: float = 0.0) -> int:
    (action,) = machine.look([seen], now)
    assert action.deed is Deed.START
    machine.said(action.number, "ready", now)
    assert condition(machine) is Condition.SERVING
    return action.number


def test_a_half_is_served_as_soon_as_it_is_seen_and_once() -> None:
    machine = Supervision()
    assert machine.look([half()], 0.0) == [Action(Deed.START, "/m/GIMMAL", 1)]
    assert condition(machine) is Condition.STARTING
    assert machine.look([half()], 1.0) == []
    machine.said(1, "ready", 1.0)
    assert condition(machine) is Condition.SERVING
    machine.said(1, "connected", 2.0)
    assert machine.views(2.0)[0].connected
    machine.said(1, "disconnected", 3.0)
    assert not machine.views(3.0)[0].connected


def test_it_is_calm_where_nothing_falls_due_by_itself() -> None:
    machine = Supervision()
    assert machine.calm
    machine.look([half(password=True)], 0.0)
    assert machine.calm, "a half that waits for its password"
    machine.look([], 1.0)
    number = served(machine, half(), 1.0)
    assert machine.calm
    machine.look([], 2.0)
    assert not machine.calm, "its agent has to end"
    machine.ended(number, ExitCode.HALF, "", 3.0)
    assert machine.calm
    number = served(machine, half(), 4.0)
    machine.ended(number, ExitCode.LOCAL, "", 5.0)
    assert not machine.calm, "it is started again"
    machine.look([half("/f/GIMMAL", fault="damaged")], 6.0)
    assert not machine.calm, "a fault may pass"


def test_two_halves_have_an_agent_each() -> None:
    machine = Supervision()
    actions = machine.look([half("/x/GIMMAL"), half("/y/GIMMAL")], 0.0)
    assert [(one.deed, one.location) for one in actions] == [(Deed.START, "/x/GIMMAL"), (Deed.START, "/y/GIMMAL")]
    assert len({one.number for one in actions}) == 2


def test_an_agent_that_does_not_notice_is_stopped_then_killed() -> None:
    machine = Supervision()
    number = served(machine, half())
    assert machine.look([], 10.0) == []
    assert machine.look([], 10.0 + GONE_SECONDS - 0.1) == []
    assert machine.look([], 10.0 + GONE_SECONDS) == [Action(Deed.STOP, "/m/GIMMAL", number)]
    assert machine.look([], 10.0 + GONE_SECONDS + 1) == []
    assert machine.look([], 10.0 + 2 * GONE_SECONDS) == [Action(Deed.KILL, "/m/GIMMAL", number)]
    assert machine.look([], 100.0) == []
    machine.ended(number, -9, "", 101.0)
    assert machine.views(101.0) == []


def test_plugged_in_again_before_the_old_agent_has_ended() -> None:
    machine = Supervision()
    number = served(machine, half())
    machine.look([], 1.0)
    assert machine.look([half(identity=2)], 2.0) == [], "one agent at a time"
    machine.said(number, "unplugged", 2.0)
    machine.ended(number, 0, "", 2.1)
    (action,) = machine.look([half(identity=2)], 3.0)
    assert (action.deed, action.number) == (Deed.START, number + 1)
    machine.said(number, "ready", 3.0)
    assert condition(machine) is Condition.STARTING, "what the old one said counts for nothing"


def test_back_before_its_agent_noticed() -> None:
    machine = Supervision()
    number = served(machine, half())
    machine.look([], 1.0)
    machine.look([half()], 1.1)
    machine.said(number, "stopped", 2.0)
    machine.ended(number, 0, "", 2.0)
    assert condition(machine) is Condition.PUT_AWAY


def test_another_half_at_the_same_place_ends_the_agent_of_the_first() -> None:
    machine = Supervision()
    number = served(machine, half())
    assert machine.look([half(identity=2)], 1.0) == []
    assert machine.look([half(identity=2)], 1.0 + GONE_SECONDS) == [Action(Deed.STOP, "/m/GIMMAL", number)]
    machine.ended(number, 0, "", 4.0)
    assert [one.deed for one in machine.look([half(identity=2)], 5.0)] == [Deed.START]


def test_a_crash_is_followed_by_growing_pauses() -> None:
    machine = Supervision()
    now = 0.0
    (action,) = machine.look([half()], now)
    pauses = []
    for _ in range(10):
        machine.ended(action.number, -11, "", now)
        assert condition(machine, now) is Condition.PAUSING
        again_in = machine.views(now)[0].again_in
        assert again_in is not None
        pauses.append(again_in)
        assert machine.look([half()], now + again_in - 0.01) == []
        now += again_in
        (action,) = machine.look([half()], now)
    assert pauses == [1, 2, 4, 8, 16, 32, PAUSE_MOST, PAUSE_MOST, PAUSE_MOST, PAUSE_MOST]
    machine.said(action.number, "ready", now)
    machine.ended(action.number, -11, "", now + STEADY_SECONDS)
    assert machine.views(now + STEADY_SECONDS)[0].again_in == 1, "it had been sound for long"
    assert "signal 11" in machine.views(now)[0].reason


def test_a_half_with_a_password_waits_for_it_and_again_after_a_crash() -> None:
    machine = Supervision()
    assert machine.look([half(password=True)], 0.0) == []
    assert condition(machine) is Condition.LOCKED
    action = machine.start("/m/GIMMAL", 1.0)
    assert action is not None
    assert machine.start("/m/GIMMAL", 1.0) is None, "it is being started"
    machine.ended(action.number, ExitCode.PASSWORD, "the password does not open this half", 2.0)
    (view,) = machine.views(2.0)
    assert (view.condition, view.reason) == (Condition.LOCKED, "the password does not open this half")
    action = machine.start("/m/GIMMAL", 3.0)
    assert action is not None
    machine.said(action.number, "ready", 3.0)
    machine.ended(action.number, -9, "", 4.0)
    assert condition(machine) is Condition.LOCKED
    assert machine.look([half(password=True)], 500.0) == []


def test_unplugged_by_command_it_is_left_alone_until_pulled_out_or_unlocked() -> None:
    machine = Supervision()
    number = served(machine, half())
    machine.said(number, "stopped", 1.0)
    machine.ended(number, 0, "", 1.0)
    assert condition(machine) is Condition.PUT_AWAY
    assert machine.look([half()], 500.0) == []
    assert machine.start("/m/GIMMAL", 501.0) is not None
    machine = Supervision()
    number = served(machine, half())
    machine.said(number, "stopped", 1.0)
    machine.ended(number, 0, "", 1.0)
    machine.look([], 2.0)
    assert [one.deed for one in machine.look([half()], 3.0)] == [Deed.START]


def test_put_away() -> None:
    machine = Supervision()
    assert machine.put_away(PAIR, "a", 0.0) == []
    number = served(machine, half())
    machine.ended(number, 5, "", 1.0)
    assert condition(machine) is Condition.PAUSING
    assert machine.put_away(PAIR, "a", 1.0) == []
    assert condition(machine) is Condition.PUT_AWAY
    assert machine.look([half()], 100.0) == []


def test_put_away_while_its_agent_starts() -> None:
    machine = Supervision()
    (begun,) = machine.look([half()], 0.0)
    assert machine.put_away(PAIR, "b", 0.0) == []
    assert machine.put_away(PAIR, "a", 0.0) == [Action(Deed.STOP, "/m/GIMMAL", begun.number)]
    machine.ended(begun.number, -15, "", 1.0)
    assert condition(machine) is Condition.PUT_AWAY
    assert machine.look([half()], 100.0) == []
    again = machine.start("/m/GIMMAL", 101.0)
    assert again is not None
    machine.ended(again.number, -15, "", 102.0)
    assert condition(machine) is Condition.PAUSING, "that it was unwanted once is over"


def test_no_copy_steps_in_for_a_half_that_was_put_away() -> None:
    machine = Supervision()
    one, two = machine.look([half("/x/GIMMAL"), half("/y/GIMMAL")], 0.0)
    machine.said(one.number, "ready", 0.0)
    machine.ended(two.number, ExitCode.HALF, "another program uses this half", 0.5)
    machine.said(one.number, "stopped", 1.0)
    machine.ended(one.number, 0, "", 1.0)
    assert machine.put_away(PAIR, "a", 1.0) == []
    assert [view.condition for view in machine.views(1.0)] == [Condition.PUT_AWAY] * 2
    assert machine.look([half("/x/GIMMAL"), half("/y/GIMMAL")], 100.0) == []


def test_a_half_that_cannot_be_read_is_tried_again_when_it_has_changed() -> None:
    machine = Supervision()
    assert machine.look([half(fault="half.json is damaged")], 0.0) == []
    (view,) = machine.views(0.0)
    assert (view.condition, view.reason) == (Condition.REFUSED, "half.json is damaged")
    assert machine.start("/m/GIMMAL", 0.0) is None
    assert [one.deed for one in machine.look([half()], 1.0)] == [Deed.START]


def test_a_disabled_half_is_not_tried_again() -> None:
    machine = Supervision()
    (action,) = machine.look([half()], 0.0)
    machine.ended(action.number, ExitCode.DISABLED, "the pair was disabled", 1.0)
    assert condition(machine) is Condition.REFUSED
    assert machine.look([half()], 1000.0) == []


def test_a_half_is_found_by_pair_and_side() -> None:
    machine = Supervision()
    assert machine.find(PAIR, "a") is None
    served(machine, half())
    found = machine.find(PAIR, "a")
    assert found is not None
    assert found.seen.location == "/m/GIMMAL"
    assert machine.find(PAIR, "b") is None
    assert machine.find(b"\1" * 16, "a") is None


def test_no_more_halves_than_can_be_looked_after() -> None:
    machine = Supervision()
    crowd = [half(f"/{index}/GIMMAL") for index in range(HALVES_MAX + 10)]
    assert len(machine.look(crowd, 0.0)) == HALVES_MAX


steps = st.lists(
    st.one_of(
        st.tuples(st.just("look"), st.sets(st.sampled_from([(place, kind) for place in "xy" for kind in (1, 2, 3)]))),
        st.tuples(st.just("ready"), st.integers(0, 3)),
        st.tuples(st.just("end"), st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 5, 6, 11, -9]))),
        st.tuples(st.just("stop"), st.integers(0, 3)),
        st.tuples(st.just("start"), st.sampled_from("xy")),
        st.tuples(st.just("away"), st.none()),
        st.tuples(st.just("wait"), st.floats(0.1, 100.0)),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_a_place_has_one_agent_and_a_half_without_fault_gets_one(
    events: list[tuple[str, object]],
) -> None:
    machine = Supervision()
    running: dict[int, str] = {}
    now = 0.0

    def take(actions: list[Action]) -> None:
        for action in actions:
            if action.deed is Deed.START:
                assert action.location not in running.values(), "two agents for one place"
                assert action.number not in running
                running[action.number] = action.location
            else:
                assert running.get(action.number) == action.location

    def nth(index: int) -> int:
        return sorted(running)[index % len(running)] if running else 0

    for what, value in events:
        if what == "look":
            seen = {
                place: half(f"/{place}/GIMMAL", kind, password=kind == 2, fault="bad" * (kind == 3))
                for place, kind in value
            }  # type: ignore[attr-defined]
            take(machine.look(seen.values(), now))
        elif what == "ready":
            machine.said(nth(value), "ready", now)  # type: ignore[arg-type]
        elif what == "end":
            number = nth(value[0])  # type: ignore[index]
            running.pop(number, None)
            machine.ended(number, value[1], "", now)  # type: ignore[index]
        elif what == "stop":
            machine.said(nth(value), "stopped", now)  # type: ignore[arg-type]
        elif what == "start":
            action = machine.start(f"/{value}/GIMMAL", now)
            take([action] if action else [])
        elif what == "away":
            take(machine.put_away(PAIR, "a", now))
        else:
            now += value  # type: ignore[operator]
        assert {view.number for view in machine.views(now)} - {0} == set(running)
    # All is pulled out; what runs ends. Then the same halves come anew, and each is served.
    take(machine.look([], now))
    for number in list(running):
        running.pop(number)
        machine.ended(number, 0, "", now)
    machine.look([], now)
    assert machine.views(now) == []
    take(machine.look([half("/x/GIMMAL"), half("/y/GIMMAL")], now))
    assert sorted(running.values()) == ["/x/GIMMAL", "/y/GIMMAL"]
