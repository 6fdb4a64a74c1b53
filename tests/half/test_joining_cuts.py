"""A joining cut at every step that changes a disk: never two halves that silently disagree (spec, section 8.3)."""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gimmal.base.disk import replaced_disk
from gimmal.base.errors import GimmalError, HalfDisabled, HalfMissing, JoinAgain, LocalError
from gimmal.base.persistence import is_directory
from gimmal.base.side import Side
from gimmal.half.erase import mark_disabled
from gimmal.half.format import RelayEntry
from gimmal.half.joining import Joined, perform
from gimmal.half.opened import OpenedHalf
from gimmal.half.pairing import PairRequest, plan_pairing
from gimmal.half.reading import open_half, read_header
from gimmal.half.survey import survey
from tests.figures import figure
from tests.half.simulated_disk import (
    Fault,
    Killed,
    SimulatedDisk,
    fail_at,
    full_from,
    keeping,
    kill_at,
    pulled_at,
)

pytestmark = pytest.mark.timeout(1800 if os.environ.get("GIMMAL_CAMPAIGN") == "full" else 600)

ONE, TWO = Path("/one/GIMMAL"), Path("/two/GIMMAL")
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
RELAYS = (RelayEntry(token="", url="gimmal-relay://relay.example:7117/"),)


def no_passwords(_: object) -> Iterator[str]:
    return iter(())


def join(places: tuple[Path, Path], name: str | None = None, replace: bool = False) -> Joined:
    """What `gimmal.half.joining.pair` does, without the locks, which are not on these disks."""
    was_there = {side: is_directory(place) for side, place in zip(Side, places, strict=True)}
    found = {side: survey(place, no_passwords) for side, place in zip(Side, places, strict=True)}
    relays = RELAYS if name else None
    plan = plan_pairing(found, PairRequest(name, relays, replace=replace))
    shown: list[Joined] = []
    joined = perform(plan, shown.append, was_there)
    assert shown[0].disable_code == joined.disable_code
    return joined


@dataclass
class Scenario:
    """Where a joining starts."""

    name: str
    places: tuple[Path, Path] = (ONE, TWO)
    pair_name: str | None = None
    replace: bool = False
    disk: SimulatedDisk = field(default_factory=SimulatedDisk)

    def run(self) -> Joined:
        return join(self.places, self.pair_name, self.replace)


def scenarios() -> list[Scenario]:
    made = [Scenario("fresh", pair_name="new"), Scenario("again"), Scenario("swapped", places=(TWO, ONE))]
    made += [Scenario("new stick"), Scenario("replaced", replace=True), Scenario("disabled")]
    made += [Scenario("new home", places=(ONE, TWO))]
    for scenario in made[1:]:
        with replaced_disk(scenario.disk):
            join((ONE, TWO), "first")
    for number, kept in ((3, ONE), (6, TWO)):
        lost = made[number].disk._roots["two" if kept is ONE else "one"]
        lost.live.clear()
        lost.durable.clear()
    with replaced_disk(made[4].disk):
        other = SimulatedDisk()
        with replaced_disk(other):
            join((ONE, TWO), "other")
        made[4].disk._roots["two"] = other._roots["two"]
    with replaced_disk(made[5].disk):
        mark_disabled(read_header(TWO))
    return made


SCENARIOS = {scenario.name: scenario for scenario in scenarios()}


def look(place: Path) -> OpenedHalf | str:
    """The half in a folder, or the one word for why there is none. Any other error is a failure."""
    try:
        return open_half(place, None)
    except JoinAgain:
        return "join again"
    except HalfMissing:
        return "missing"
    except HalfDisabled:
        return "disabled"


def agree(one: OpenedHalf, two: OpenedHalf) -> bool:
    return (
        one.pair_id == two.pair_id
        and one.root == two.root
        and one.key_id == two.key_id
        and one.side is two.side.other
        and one.static_public == two.peer_static_public
        and two.static_public == one.peer_static_public
        and one.sign_public == two.peer_sign_public
        and two.sign_public == one.peer_sign_public
        and one.discovery_secret == two.discovery_secret
        and one.lineage_id == two.lineage_id
        and one.generation == two.generation
        and one.relays == two.relays
    )


Looks = tuple[OpenedHalf | str, OpenedHalf | str]


def looks() -> Looks:
    return look(ONE), look(TWO)


def acceptable(before: Looks, after: Looks) -> bool:
    """Both as before, both new and agreeing, or one at least says join again and the other is as before or new."""
    if "join again" in after:
        return all(
            now == "join again" or now == was or (isinstance(now, OpenedHalf) and _newer(now, before))
            for was, now in zip(before, after, strict=True)
        )
    if after == before:
        return True
    one, two = after
    return isinstance(one, OpenedHalf) and isinstance(two, OpenedHalf) and agree(one, two) and _newer(one, before)


def _newer(now: OpenedHalf, before: Looks) -> bool:
    return all(not isinstance(was, OpenedHalf) or was.pair_id != now.pair_id for was in before)


def check_mended(scenario: Scenario, before: Looks) -> None:
    """Joining once more works, and everything that carries over did."""
    try:
        highest = max((one.generation for one in looks() if isinstance(one, OpenedHalf)), default=0)
        scenario.run()
    except GimmalError as error:
        raise AssertionError(f"{scenario.name}: not mended: {error.message}") from error
    one, two = looks()
    assert isinstance(one, OpenedHalf)
    assert isinstance(two, OpenedHalf)
    assert agree(one, two)
    assert one.generation > highest
    held = {place: was for place, was in zip((ONE, TWO), before, strict=True) if isinstance(was, OpenedHalf)}
    kept = held.get(scenario.places[0]) or held.get(scenario.places[1])
    if kept is not None:
        assert one.lineage_id == kept.lineage_id
        assert one.pair_name == kept.pair_name
        assert one.relays == kept.relays
        for place, half in ((ONE, one), (TWO, two)):
            if place in held and held[place].lineage_id == kept.lineage_id:
                assert half.storage_key == held[place].storage_key
    for place in (ONE, TWO):
        assert survey(place, no_passwords).from_new is None


def run_with(scenario: Scenario, disk: SimulatedDisk, fault: Fault | None) -> GimmalError | Killed | None:
    disk.begin(fault)
    try:
        scenario.run()
    except (GimmalError, Killed) as error:
        return error
    finally:
        disk.begin()
    return None


def steps_of(scenario: Scenario) -> int:
    disk = copy.deepcopy(scenario.disk)
    with replaced_disk(disk):
        assert run_with(scenario, disk, kill_at(-1)) is None
        disk.begin()
    disk = copy.deepcopy(scenario.disk)
    counted: list[int] = []
    with replaced_disk(disk):
        run_with(scenario, disk, lambda number, call, path: counted.append(number))
    return len(counted)


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_step(name: str) -> None:
    """The process ends between two calls; what it wrote stays in the system's memory."""
    scenario = SCENARIOS[name]
    total = steps_of(scenario)
    assert total > 20
    for step in range(total):
        disk = copy.deepcopy(scenario.disk)
        with replaced_disk(disk):
            before = looks()
            assert isinstance(run_with(scenario, disk, kill_at(step)), Killed)
            after = looks()
            assert acceptable(before, after), (step, after)
            check_mended(scenario, before)


@pytest.mark.parametrize("name", SCENARIOS)
def test_power_cut_at_every_step(name: str) -> None:
    """What was not synced is dropped, torn by sector and reordered."""
    scenario = SCENARIOS[name]
    tried = 0
    for step in range(steps_of(scenario) + 1):
        for seed in range(20 if FULL else 3):
            disk = copy.deepcopy(scenario.disk)
            with replaced_disk(disk):
                before = looks()
                run_with(scenario, disk, kill_at(step))
                disk.power_cut(keeping(seed if seed < 2 else seed * 1000 + step))
                after = looks()
                assert acceptable(before, after), (step, seed, after)
                check_mended(scenario, before)
                tried += 1
    figure(f"joining cut at every durable step ({name}): {tried} cuts, half-made pairs usable", 0, "0")


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("trouble", ["EIO", "ENOSPC", "full", "pulled one", "pulled two"])
def test_failing_calls(name: str, trouble: str) -> None:
    """Call i fails, or everything does from call i on: an error is raised, and power may go as well."""
    scenario = SCENARIOS[name]
    faults = {
        "EIO": lambda step: fail_at(step, errno.EIO),
        "ENOSPC": lambda step: fail_at(step, errno.ENOSPC),
        "full": full_from,
        "pulled one": lambda step: pulled_at(step, "/one"),
        "pulled two": lambda step: pulled_at(step, "/two"),
    }
    for step in range(0, steps_of(scenario), 1 if FULL else 3):
        for seed in range(6) if FULL else (step % 3,):
            disk = copy.deepcopy(scenario.disk)
            with replaced_disk(disk):
                before = looks()
                error = run_with(scenario, disk, faults[trouble](step))
                assert error is None or isinstance(error, LocalError | JoinAgain), error
                after = looks()
                assert acceptable(before, after), (step, after)
                if error is None:
                    assert after != before
                elif isinstance(error, LocalError):
                    # A folder that was empty may keep what a pulled disk did not let us remove.
                    assert all(
                        now == was or (was == "missing" and now == "join again" and trouble.startswith("pulled"))
                        for was, now in zip(before, after, strict=True)
                    ), (step, after)
                disk.power_cut(keeping(seed))
                after = looks()
                assert acceptable(before, after), (step, seed, after)
                check_mended(scenario, before)


@pytest.mark.parametrize("name", SCENARIOS)
def test_short_writes_change_nothing(name: str) -> None:
    scenario = SCENARIOS[name]
    disk = copy.deepcopy(scenario.disk)
    with replaced_disk(disk):
        disk.halve_writes = True
        scenario.run()
        one, two = looks()
        assert isinstance(one, OpenedHalf)
        assert isinstance(two, OpenedHalf)
        assert agree(one, two)


@pytest.mark.campaign
@pytest.mark.parametrize("name", SCENARIOS)
def test_cut_again_while_mending(name: str) -> None:
    """A second cut, of either kind, during the joining that mends the first."""
    scenario = SCENARIOS[name]
    total = steps_of(scenario)
    for first in range(0, total, 1 if FULL else 13):
        for second in range(0, total + 10, 1 if FULL else 11):
            disk = copy.deepcopy(scenario.disk)
            seed = first * 1000 + second
            with replaced_disk(disk):
                before = looks()
                run_with(scenario, disk, kill_at(first))
                if seed % 2:
                    disk.power_cut(keeping(seed))
                run_with(scenario, disk, kill_at(second))
                disk.power_cut(keeping(seed * 7 + 3))
                after = looks()
                assert acceptable(before, after) or "join again" in after, (first, second, after)
                check_mended(scenario, before)


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_of_the_old_keys_is_left(name: str) -> None:
    scenario = SCENARIOS[name]
    disk = copy.deepcopy(scenario.disk)
    with replaced_disk(disk):
        old = [one for one in looks() if isinstance(one, OpenedHalf)]
        old_files = [_file(disk, place, file) for place in (ONE, TWO) for file in ("half.json", "state-0", "state-1")]
        scenario.run()
        left = disk.everything()
        for content in old_files:
            assert not content or content not in left
        assert disk.names("/one/GIMMAL") == disk.names("/two/GIMMAL") == {"half.json", "state-0", "state-1"}
        assert all(one.pair_id not in {now.pair_id for now in looks() if isinstance(now, OpenedHalf)} for one in old)


def _file(disk: SimulatedDisk, place: Path, name: str) -> bytes:
    try:
        node = disk._find(f"{place}/{name}")
    except FileNotFoundError:
        return b""
    return bytes(getattr(node, "live", b""))


@pytest.mark.parametrize("name", ["again", "new stick"])
def test_what_stands_only_in_half_new_survives_a_second_cut(name: str) -> None:
    """The keys that carry over are in half.new alone when half.json is torn: mending may not lose them either."""
    scenario = SCENARIOS[name]
    tried = 0
    for first in range(steps_of(scenario)):
        for seed in (None, 0, 2, 3) if FULL else (None, 2):
            cut = copy.deepcopy(scenario.disk)
            with replaced_disk(cut):
                before = looks()
                run_with(scenario, cut, kill_at(first))
                if seed is not None:
                    cut.power_cut(keeping(seed))
                if not any(survey(place, no_passwords).from_new for place in (ONE, TWO)):
                    continue
            for second in range(24) if FULL else range(first % 3, 24, 3):
                disk = copy.deepcopy(cut)
                with replaced_disk(disk):
                    run_with(scenario, disk, kill_at(second))
                    disk.power_cut(keeping(second % 4 + 2))
                    assert all(isinstance(one, OpenedHalf) or one != "missing" for one in looks())
                    check_mended(scenario, before)
                    tried += 1
    assert tried > 50
