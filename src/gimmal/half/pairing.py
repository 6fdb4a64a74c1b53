"""Whether and how two folders may be joined (docs/spec/half.md, section 8.1). Looks and decides, changes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import HalfUnsupported, PairRefused, UsageError, WrongPassword
from gimmal.base.primitives import random_bytes
from gimmal.base.side import Side
from gimmal.half.format import RELAYS_MAX, RelayEntry, name_fault
from gimmal.half.new_pair import CarriedOver
from gimmal.half.password import PasswordCost, require_good_password
from gimmal.half.places import intended_location
from gimmal.half.survey import Found

GENERATION_LAST = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class PairRequest:
    """What the person asks for.

    Args:
        pair_name: None keeps the one the pair had.
        relays: None keeps those the pair had.
        passwords: the new password of each side that gets one.
        replace: give up what the second folder holds of another pair, and halves that cannot be opened.
        cost: what guessing the password costs.
    """

    pair_name: str | None = None
    relays: tuple[RelayEntry, ...] | None = None
    passwords: dict[Side, str] = field(default_factory=dict, repr=False)
    replace: bool = False
    cost: PasswordCost = field(default_factory=PasswordCost)


@dataclass(frozen=True, slots=True)
class PairPlan:
    """What a joining will do, decided and not yet begun.

    Args:
        found: by side; the first argument is side a.
        carried: what does not change.
        question: to be answered with yes before going on, or None.
        first: the side whose disk is switched last (the *first disk* of the specification).
    """

    found: dict[Side, Found]
    carried: CarriedOver
    question: str | None
    first: Side
    request: PairRequest


def two_places(directory_a: Path | str, directory_b: Path | str) -> dict[Side, Path]:
    """The two ``GIMMAL`` folders, there or to be made.

    Raises:
        HalfMissing: a folder named does not exist.
        PairRefused: it is one folder twice, or one lies inside the other.
    """
    places = {Side.A: intended_location(directory_a), Side.B: intended_location(directory_b)}
    real = {side: place.parent.resolve() / place.name for side, place in places.items()}
    parents = [real[side].parent for side in Side]
    hint = "name two folders on two disks or sticks"
    if parents[0] == parents[1] or os.path.samefile(parents[0], parents[1]):
        raise PairRefused("both sides would be the same folder", hint)
    inside = parents[0] in parents[1].parents or parents[1] in parents[0].parents
    if inside and parents[0].stat().st_dev == parents[1].stat().st_dev:
        raise PairRefused("one of the two folders lies inside the other", hint)
    return places


def plan_pairing(found: dict[Side, Found], request: PairRequest) -> PairPlan:
    """Decide what joining these two means.

    Raises:
        PairRefused: they may not be joined as asked.
        WrongPassword: one cannot be opened without its password, and is not to be replaced.
        HalfUnsupported: one was written by a newer gimmal, and is not to be replaced.
        UsageError: name or relays are missing or not allowed.
    """
    for side in Side:
        _refuse_unopened(side, found[side], request.replace)
    kept = [found[side] for side in Side if found[side].payload is not None]
    question = None
    if len(kept) == 2:
        if _lineage(kept[0]) == _lineage(kept[1]):
            question = _question(kept[0], kept[1])
        elif request.replace:
            kept = kept[:1]
        else:
            raise PairRefused(
                f"these are halves of two pairs, {_name(kept[0])} and {_name(kept[1])}",
                "with --replace the second folder's half is given up and joins the first one's pair",
            )
    carried = _carried(found, kept, request)
    for password in request.passwords.values():
        require_good_password(password, carried.pair_name)
    first = Side.A if found[Side.A] in kept or found[Side.B] not in kept else Side.B
    return PairPlan(found, carried, question, first, request)


def _refuse_unopened(side: Side, found: Found, replace: bool) -> None:
    fault = found.fault
    if fault is None or replace:
        return
    if isinstance(fault, (WrongPassword, HalfUnsupported)):
        raise fault
    raise PairRefused(
        f"the half in {displayable(str(found.location.parent))} cannot be opened: {fault.message}",
        "with --replace it is given up: what gimmal kept under its storage key is lost",
    ) from fault


def _lineage(found: Found) -> str:
    assert found.payload is not None
    return found.payload.lineage_id


def _name(found: Found) -> str:
    assert found.header is not None
    return displayable(found.header.pair_name)


def _question(one: Found, two: Found) -> str | None:
    assert one.header is not None
    assert two.header is not None
    if one.header.pair_id != two.header.pair_id:
        if one.marked or two.marked:
            # Left by a joining that was cut short: both belong together.
            return None
        return (
            f"these halves are of different joinings of the pair {_name(one)} (generations "
            f"{one.header.generation} and {two.header.generation}): at least one of them is dead. Join them anew?"
        )
    if one.header.side is two.header.side:
        return (
            f"both are copies of side {one.header.side.value} of the pair {_name(one)}: the other side will be "
            "left behind. Join them anew?"
        )
    return None


def _carried(found: dict[Side, Found], kept: list[Found], request: PairRequest) -> CarriedOver:
    pair_name = request.pair_name
    relays = request.relays
    if pair_name is None:
        pair_name = _former_name(found, kept)
    fault = name_fault(pair_name)
    if fault is not None:
        raise UsageError(f"the pair's name {fault}", "choose another with --name")
    newest = max(kept, key=lambda one: one.header.generation if one.header else 0, default=None)
    if relays is None:
        relays = tuple(newest.payload.relays) if newest is not None and newest.payload is not None else ()
    if len(relays) > RELAYS_MAX or len({entry.url for entry in relays}) != len(relays):
        raise UsageError(f"a pair has at most {RELAYS_MAX} relays, none of them twice", "leave some out")
    generation = max((one.highest for one in kept), default=0) + 1
    if generation > GENERATION_LAST:
        raise PairRefused("this pair was joined too often", "make a new one in empty folders")
    keys = {
        side: bytes.fromhex(one.payload.storage_key)
        for side, one in found.items()
        if one in kept and one.payload is not None
    }
    if len(set(keys.values())) < len(keys):
        # Two copies of one half: each half's storage key is its own from now on.
        del keys[Side.B]
    lineage = bytes.fromhex(_lineage(kept[0])) if kept else random_bytes(16)
    return CarriedOver(pair_name, generation, lineage, relays, keys)


def _former_name(found: dict[Side, Found], kept: list[Found]) -> str:
    for one in kept:
        if one.header is not None:
            return one.header.pair_name
    for one in found.values():
        if one.former_name is not None:
            return one.former_name
    raise UsageError("a new pair needs a name", "give one with --name")
