"""Setting and clearing passwords (docs/spec/half.md, section 8.5). Keys stay; both halves must be present."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gimmal.base.errors import GimmalError, JoinAgain, LocalError, PairRefused
from gimmal.base.primitives import random_bytes
from gimmal.base.side import Side
from gimmal.half import switching
from gimmal.half.format import HalfFile, Payload, WithPassword, encode_half, sealing_key_of
from gimmal.half.lockfile import HalfLock, held_folder
from gimmal.half.new_pair import make_protection
from gimmal.half.password import PasswordCost, require_good_password
from gimmal.half.places import HALF_FILE, find_half_folder
from gimmal.half.reading import HalfHeader, checked_payload, header_of, open_with_key, read_half_file


@dataclass(frozen=True, slots=True)
class Held:
    """A half that is about to be sealed anew."""

    location: Path
    half: HalfFile
    payload: Payload = field(repr=False)

    @classmethod
    def open(cls, location: Path, half: HalfFile, password: str | None) -> Held:
        """Open it whole, state files too; errors as `gimmal.half.reading.open_half`."""
        key = sealing_key_of(half.header.protection, password)
        open_with_key(location, half, key)
        return cls(location, half, checked_payload(half, key))


def change_passwords(
    directories: tuple[Path | str, Path | str],
    new_passwords: dict[Side, str | None],
    present_password: Callable[[HalfHeader], str],
    cost: PasswordCost | None = None,
) -> tuple[Side, ...]:
    """Seal halves of a pair anew; the other keys, the code and the generation stay.

    Args:
        directories: both halves, in any order.
        new_passwords: for each side to change: its new password, or None for no password.
        present_password: asked for each of those halves that has one.

    Returns:
        The sides that have a password afterwards.

    Raises:
        PairRefused: the two are not the two sides of one pair.
        WrongPassword: a present password is wrong; nothing was changed.
        JoinAgain: a change was cut short so far in that the half says so itself.
        HalfInUse, HalfMissing, HalfDamaged, HalfUnsupported, HalfDisabled, LocalError, UsageError: nothing changed.
    """
    locations = [find_half_folder(directory) for directory in directories]
    if locations[0].samefile(locations[1]):
        raise PairRefused("both are the same half", "name the folders of the two halves")
    with contextlib.ExitStack() as held:
        for location in locations:
            held.enter_context(held_folder(location))
        halves = [(location, read_half_file(location)) for location in locations]
        _require_one_pair([half for _, half in halves])
        for location, half in halves:
            header = header_of(location, half)
            held.enter_context(HalfLock(header.pair_id, header.side))
        changing = [
            Held.open(location, half, _present(location, half, present_password))
            for location, half in halves
            if half.header.side in new_passwords
        ]
        reseal(changing, new_passwords, cost or PasswordCost())
    return tuple(
        sorted(
            half.header.side
            for _, half in halves
            if (
                new_passwords[half.header.side] is not None
                if half.header.side in new_passwords
                else isinstance(half.header.protection, WithPassword)
            )
        )
    )


def _require_one_pair(halves: list[HalfFile]) -> None:
    one, two = (half.header for half in halves)
    if one.pair_id != two.pair_id or one.side is two.side:
        raise PairRefused(
            "these are not the two halves of one pair", "passwords are changed with both halves of a pair present"
        )


def _present(location: Path, half: HalfFile, present_password: Callable[[HalfHeader], str]) -> str | None:
    if isinstance(half.header.protection, WithPassword):
        return present_password(header_of(location, half))
    return None


def reseal(changing: list[Held], new_passwords: dict[Side, str | None], cost: PasswordCost) -> None:
    """Seal opened halves anew, step by durable step. The caller holds them; errors as `change_passwords`."""
    contents: list[tuple[Path, bytes]] = []
    for one in changing:
        password = new_passwords[one.half.header.side]
        if password is not None:
            require_good_password(password, one.half.header.pair_name)
        protection, key = make_protection(password, cost)
        header = msgspec.structs.replace(one.half.header, protection=protection)
        contents.append((one.location, encode_half(header, one.payload, key, random_bytes(12))))
    begun: list[Path] = []
    try:
        for location, data in contents:
            switching.settle(location, None)
            begun.append(location)
            switching.prepare_file(location, data)
    except Exception:  # whatever it was, what has begun is undone before it goes on its way
        for location in begun:
            with contextlib.suppress(LocalError):
                switching.clean(location)
        raise
    for location, data in contents:
        with _join_again():
            switching.mark(location)
            switching.put(location / HALF_FILE, data)
            switching.unmark(location)
        switching.clean(location)


@contextlib.contextmanager
def _join_again() -> Iterator[None]:
    try:
        yield
    except GimmalError as error:
        raise JoinAgain(
            f"the password change was cut short: {error.message}",
            "run gimmal pair with both halves in: it makes new keys",
        ) from error
