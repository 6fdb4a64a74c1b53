"""What a folder holds before a joining: an opened half, nothing, or something that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gimmal.base.errors import GimmalError, HalfDamaged, HalfError, HalfUnsupported, WrongPassword
from gimmal.base.persistence import FileMissingError
from gimmal.base.side import Side
from gimmal.half.format import HalfFile, Payload, WithPassword, decode_half, sealing_key_of
from gimmal.half.places import HALF_FILE, NEW_FILE
from gimmal.half.reading import HalfHeader, checked_payload, header_of, read_disabled_note, read_whole
from gimmal.half.switching import is_marked

OldPasswords = Callable[[HalfHeader], Iterable[str]]
"""Called for a half that has a password; yields the ones to try, in order."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a joining finds in one folder.

    Args:
        location: the folder ``GIMMAL``, there or not.
        header, payload: of the half whose payload opened, or None.
        from_new: the bytes of ``half.new`` if what opened stands only or better there.
        marked: the half says JoinAgain.
        highest: the highest generation any header here states, 0 if there is none.
        identities: pair id and side of every header here, opened or not.
        fault: why a half that is here cannot be opened, or None.
        former_name: pair name of a disabled half, or None.
    """

    location: Path
    header: HalfHeader | None = None
    payload: Payload | None = field(default=None, repr=False)
    from_new: bytes | None = field(default=None, repr=False)
    marked: bool = False
    highest: int = 0
    identities: frozenset[tuple[bytes, Side]] = frozenset()
    fault: HalfError | None = None
    former_name: str | None = None

    @property
    def holds(self) -> bool:
        """Whether a half is here, opened or not."""
        return self.payload is not None or self.fault is not None


def survey(location: Path, old_passwords: OldPasswords) -> Found:
    """Look at one folder without changing it.

    Takes Argon2id's time for a half with a password.

    Raises:
        LocalError: the disk does not answer as it should.
    """
    marked = is_marked(location)
    current = _candidate(location / HALF_FILE)
    fresh = _candidate(location / NEW_FILE)
    note = read_disabled_note(location)
    if not marked and (current is None or (note is not None and not isinstance(current, _Whole))):
        # Nothing ever lived here, or it was disabled: half.new, if there, is of a joining that never happened.
        return Found(location, former_name=None if note is None else note.pair_name)
    order = [fresh, current] if marked else [current, fresh]
    whole = [header_of(location, one.half) for one in order if isinstance(one, _Whole)]
    found = Found(
        location,
        marked=marked,
        highest=max((header.generation for header in whole), default=0),
        identities=frozenset((header.pair_id, header.side) for header in whole),
        former_name=None if note is None else note.pair_name,
    )
    if current is None and not whole:
        # A joining of an empty folder was cut short before it had whole keys: nothing can be lost.
        return found
    fault: HalfError | None = None
    for one in order:
        try:
            if isinstance(one, HalfError):
                raise one
            if one is not None:
                payload = _open(location, one.half, old_passwords)
                header = header_of(location, one.half)
                return replace(found, header=header, payload=payload, from_new=one.data if one is fresh else None)
        except HalfError as error:
            # The person can do most about a wrong password, so that is what is told.
            fault = fault if fault is not None and not isinstance(error, WrongPassword) else error
    return replace(found, fault=fault)


@dataclass(frozen=True, slots=True)
class _Whole:
    data: bytes = field(repr=False)
    half: HalfFile


def _candidate(path: Path) -> _Whole | HalfError | None:
    try:
        data = read_whole(path)
        return _Whole(data, decode_half(data))
    except FileMissingError:
        return None
    except (HalfDamaged, HalfUnsupported) as error:
        return error


def _open(location: Path, half: HalfFile, old_passwords: OldPasswords) -> Payload:
    protection = half.header.protection
    if not isinstance(protection, WithPassword):
        return checked_payload(half, sealing_key_of(protection, None))
    failure: GimmalError | None = None
    for password in old_passwords(header_of(location, half)):
        try:
            key = sealing_key_of(protection, password)
        except WrongPassword as error:
            failure = error
            continue
        return checked_payload(half, key)
    raise WrongPassword(
        f"side {half.header.side.value} has a password, and what was given does not open it",
        "give its present password with --old-password-file, or start afresh with --replace",
    ) from failure
