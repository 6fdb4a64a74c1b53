"""Doing a joining that was planned, step by durable step (docs/spec/half.md, section 8.2)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gimmal.base.disk import disk
from gimmal.base.errors import GimmalError, JoinAgain, LocalError, PairRefused
from gimmal.base.persistence import is_directory, make_directory
from gimmal.base.side import Side
from gimmal.half import switching
from gimmal.half.disable_code import display_code
from gimmal.half.lockfile import HalfLock, held_folder
from gimmal.half.new_pair import NewPair, make_content, make_pair
from gimmal.half.pairing import PairPlan, PairRequest, plan_pairing, two_places
from gimmal.half.survey import OldPasswords, survey


@dataclass(frozen=True, slots=True)
class Joined:
    """A pair as it is shown to the person.

    Args:
        disable_code: in groups with its check symbol; shown once, stored nowhere.
        sign_publics: the Ed25519 public keys, for the sheet.
        left_over: sides on which an erased ``half.new`` could not be removed.
    """

    pair_id: bytes
    pair_name: str
    generation: int
    disable_code: str = field(repr=False)
    passwords: tuple[Side, ...]
    relays: tuple[str, ...]
    sign_publics: dict[Side, bytes]
    locations: dict[Side, Path]
    left_over: tuple[Side, ...] = ()


def pair(
    directory_a: Path | str,
    directory_b: Path | str,
    request: PairRequest,
    old_passwords: OldPasswords,
    confirm: Callable[[str], bool],
    announce: Callable[[Joined], None],
) -> Joined:
    """Join two folders: look, decide, ask, and do it, holding both halves meanwhile.

    Args:
        confirm: answers the plan's question.
        announce: shows the pair and its code before it comes to life; what it raises stops the joining with the old
            pair intact.

    Raises:
        PairRefused: they may not be joined, or the question was answered with no.
        HalfInUse: another program serves or changes one of them.
        JoinAgain: it was cut short so far in that the halves say so themselves.
        LocalError: it failed before anything changed.
        HalfMissing, HalfUnsupported, WrongPassword, UsageError: see `two_places` and `plan_pairing`.
    """
    places = two_places(directory_a, directory_b)
    was_there = {side: is_directory(place) for side, place in places.items()}
    with contextlib.ExitStack() as held:
        for side in Side:
            if was_there[side]:
                held.enter_context(held_folder(places[side]))
        found = {side: survey(place, old_passwords) for side, place in places.items()}
        plan = plan_pairing(found, request)
        for pair_id, side in sorted(found[Side.A].identities | found[Side.B].identities):
            held.enter_context(HalfLock(pair_id, side))
        if plan.question is not None and not confirm(plan.question):
            raise PairRefused("nothing was joined", "answer yes, or give --yes, to join them anew")
        try:
            for side in Side:
                if not was_there[side]:
                    make_directory(places[side])
                    held.enter_context(held_folder(places[side]))
            return perform(plan, announce, was_there)
        except Exception:  # whatever it was, what has begun is undone before it goes on its way
            for side in Side:
                if not was_there[side]:
                    # Only where nothing lies in it: what failed before it began leaves no trace.
                    with contextlib.suppress(OSError):
                        disk().rmdir(os.fspath(places[side]))
            raise


def perform(plan: PairPlan, announce: Callable[[Joined], None], was_there: dict[Side, bool]) -> Joined:
    """Steps 1 to 9. The caller holds both halves.

    Args:
        was_there: whether each folder ``GIMMAL`` was there before; those that were not go away on failure.

    Raises:
        JoinAgain, LocalError: as `pair`.
    """
    request = plan.request
    new = make_pair(plan.carried)
    places = {side: plan.found[side].location for side in Side}
    contents = {side: make_content(new, side, request.passwords.get(side), request.cost) for side in Side}
    joined = _joined(new, plan, places)
    order = (plan.first, plan.first.other)
    begun: list[Side] = []
    try:
        for side in order:
            make_directory(places[side])
            switching.settle(places[side], plan.found[side].from_new)
            begun.append(side)
            switching.prepare(places[side], contents[side])
        announce(joined)
    except Exception:  # whatever it was, what has begun is undone before it goes on its way
        for side in begun:
            with contextlib.suppress(LocalError):
                switching.unprepare(places[side], was_there[side])
        raise
    first, second = places[order[0]], places[order[1]]
    with _join_again():
        switching.mark(second)
        switching.switch(second, contents[order[1]])
        switching.mark(first)
        switching.switch(first, contents[order[0]])
        switching.unmark(first)
        switching.unmark(second)
    left = tuple(side for side in order if not switching.clean(places[side]))
    return _joined(new, plan, places, left)


def _joined(new: NewPair, plan: PairPlan, places: dict[Side, Path], left_over: tuple[Side, ...] = ()) -> Joined:
    return Joined(
        pair_id=new.pair_id,
        pair_name=new.pair_name,
        generation=new.generation,
        disable_code=display_code(new.code),
        passwords=tuple(side for side in Side if side in plan.request.passwords),
        relays=tuple(entry.url for entry in plan.carried.relays),
        sign_publics=new.sign_publics,
        locations=places,
        left_over=left_over,
    )


@contextlib.contextmanager
def _join_again() -> Iterator[None]:
    try:
        yield
    except GimmalError as error:
        raise JoinAgain(
            f"the joining was cut short: {error.message}",
            "a disable code shown before is void; run the same command again with both halves in",
        ) from error
