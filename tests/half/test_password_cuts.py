"""A password change cut at every step: the old seal, the new one, or join again; and joining mends it."""

from __future__ import annotations

import contextlib
import copy

from gimmal.base.disk import replaced_disk
from gimmal.base.errors import GimmalError
from gimmal.base.side import Side
from gimmal.half.format import NoPassword
from gimmal.half.opened import OpenedHalf
from gimmal.half.password import PasswordCost
from gimmal.half.reading import read_half_file
from gimmal.half.resealing import Held, reseal
from tests.half.simulated_disk import Killed, SimulatedDisk, keeping, kill_at
from tests.half.test_joining_cuts import ONE, SCENARIOS, TWO, agree, check_mended, look, looks


def change(disk: SimulatedDisk) -> None:
    """Seal both halves anew without a password: the same steps as with one, without Argon2id's second."""
    held = []
    for place in (ONE, TWO):
        half = read_half_file(place)
        assert isinstance(half.header.protection, NoPassword)
        held.append(Held.open(place, half, None))
    reseal(held, {Side.A: None, Side.B: None}, PasswordCost())


def test_cut_at_every_step() -> None:
    scenario = SCENARIOS["again"]
    counting = copy.deepcopy(scenario.disk)
    with replaced_disk(counting):
        before = looks()
        counting.begin()
        change(counting)
        total = counting.calls
        assert looks() == before
    assert total > 20
    for step in range(total + 1):
        for seed in range(4):
            disk = copy.deepcopy(scenario.disk)
            with replaced_disk(disk):
                disk.begin(kill_at(step))
                with contextlib.suppress(Killed, GimmalError):
                    change(disk)
                disk.begin()
                if seed:
                    disk.power_cut(keeping(seed - 1))
                for was, now in zip(before, (look(ONE), look(TWO)), strict=True):
                    assert now in (was, "join again"), (step, seed)
                one, two = looks()
                if isinstance(one, OpenedHalf) and isinstance(two, OpenedHalf):
                    assert agree(one, two)
                check_mended(scenario, before)
