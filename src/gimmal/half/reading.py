"""Reading one half alone: which rule of docs/spec/half.md, section 2, applies, and opening it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from gimmal.base.disk import disk
from gimmal.base.display import displayable
from gimmal.base.errors import HalfDamaged, HalfDisabled, HalfError, HalfMissing, JoinAgain
from gimmal.base.persistence import FileMissingError, FileUnsuitableError, exists, read_limited
from gimmal.base.side import Side
from gimmal.half import canonical
from gimmal.half.canonical import DAMAGED_HINT, Hex16
from gimmal.half.format import (
    FILE_LIMIT,
    GENERATION_MAX,
    HalfFile,
    Payload,
    WithPassword,
    decode_half,
    name_fault,
    open_payload,
    sealing_key_of,
)
from gimmal.half.opened import OpenedHalf, check_payload, opened_half
from gimmal.half.places import DISABLED_FILE, HALF_FILE, MARK_FILE, NEW_FILE, STATE_FILES, find_half_folder
from gimmal.half.state import STATE_SIZE, choose_state

DISABLED_FORMAT = "gimmal disabled half"
_JOIN_HINT = "run gimmal pair again with both halves in this computer"


@dataclass(frozen=True, slots=True)
class HalfHeader:
    """What stands in clear: what may be shown of a half without opening it."""

    location: Path
    pair_id: bytes
    pair_name: str
    side: Side
    generation: int
    has_password: bool


class DisabledNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """disabled.json: what is left of a half that was disabled."""

    format: str
    generation: Annotated[int, msgspec.Meta(ge=1, le=GENERATION_MAX)]
    pair_id: Hex16
    pair_name: str
    side: Side
    version: int


def read_header(directory: Path | str) -> HalfHeader:
    """The clear header of the half in ``directory`` (or of that folder itself).

    Raises:
        HalfMissing, HalfDamaged, HalfUnsupported, JoinAgain, HalfDisabled: see the specification, section 1.
        LocalError: the disk does not answer as it should.
    """
    location = find_half_folder(directory)
    return header_of(location, read_half_file(location))


def header_of(location: Path, half: HalfFile) -> HalfHeader:
    """The displayable part of a decoded half.json."""
    header = half.header
    return HalfHeader(
        location=location,
        pair_id=bytes.fromhex(header.pair_id),
        pair_name=header.pair_name,
        side=header.side,
        generation=header.generation,
        has_password=isinstance(header.protection, WithPassword),
    )


def open_half(directory: Path | str, password: Callable[[], str] | None) -> OpenedHalf:
    """Open the half in ``directory``.

    Args:
        password: called once if the half has a password, never otherwise; None means there is none to give.

    Raises:
        WrongPassword: it does not open the half, or None was given where one is needed.
        HalfMissing, HalfDamaged, HalfUnsupported, JoinAgain, HalfDisabled, LocalError: as `read_header`.
    """
    location = find_half_folder(directory)
    half = read_half_file(location)
    given = None
    if isinstance(half.header.protection, WithPassword) and password is not None:
        given = password()
    return open_with_key(location, half, sealing_key_of(half.header.protection, given))


def open_with_key(location: Path, half: HalfFile, sealing_key: bytes) -> OpenedHalf:
    """Open a decoded half.json whose sealing key is known, with the state files beside it."""
    payload = checked_payload(half, sealing_key)
    files = (_read_state(location / STATE_FILES[0]), _read_state(location / STATE_FILES[1]))
    header = half.header
    _, state = choose_state(files, bytes.fromhex(payload.state_key), bytes.fromhex(header.pair_id), header.generation)
    return opened_half(location, header, payload, state)


def checked_payload(half: HalfFile, sealing_key: bytes) -> Payload:
    """Open the payload and check that its keys belong together; HalfDamaged if not."""
    payload = open_payload(half, sealing_key)
    check_payload(half.header, payload)
    return payload


def read_half_file(location: Path) -> HalfFile:
    """Apply the rules for reading one half alone to the folder ``GIMMAL`` and decode its half.json."""
    if exists(location / MARK_FILE):
        raise JoinAgain("a joining of this half was cut short, so it works with no other half", _JOIN_HINT)
    try:
        data = read_whole(location / HALF_FILE)
    except FileMissingError:
        raise _without_half_file(location) from None
    if not any(data):
        note = read_disabled_note(location)
        if note is not None:
            raise _disabled(note)
        raise HalfDamaged("half.json is empty: this half was erased or its disk has a fault", DAMAGED_HINT)
    return decode_half(data)


def read_whole(path: Path) -> bytes:
    """Read half.json, half.new or disabled.json; FileMissingError when absent, HalfDamaged when unsuitable."""
    try:
        return read_limited(path, FILE_LIMIT)
    except FileUnsuitableError as error:
        raise HalfDamaged(error.message, DAMAGED_HINT) from error


def _read_state(path: Path) -> bytes:
    try:
        return read_limited(path, STATE_SIZE)
    except (FileMissingError, FileUnsuitableError):
        return b""


def _without_half_file(location: Path) -> HalfError:
    note = read_disabled_note(location)
    if note is not None:
        return _disabled(note)
    if exists(location / NEW_FILE):
        return JoinAgain("a joining of this half was cut short before it had keys", _JOIN_HINT)
    return HalfMissing(
        f"{displayable(str(location))} holds no half",
        "make one with gimmal pair, or name another folder",
    )


def _disabled(note: DisabledNote) -> HalfDisabled:
    return HalfDisabled(
        f"the pair {displayable(note.pair_name)} was disabled with its code and the keys here were erased",
        "join this half with another one to make a new pair",
    )


def read_disabled_note(location: Path) -> DisabledNote | None:
    """disabled.json if it is there and well formed."""
    try:
        data = read_whole(location / DISABLED_FILE)
        note = canonical.decode(data, DisabledNote, FILE_LIMIT, DISABLED_FILE)
    except (FileMissingError, HalfDamaged):
        return None
    if note.format != DISABLED_FORMAT or note.version != 1 or name_fault(note.pair_name):
        return None
    return note


def exposure(location: Path) -> str | None:
    """A warning when other users of this computer may read the half, else None; also while it is being joined."""
    keys = HALF_FILE if os.path.lexists(location / HALF_FILE) else NEW_FILE
    for path in (location, location / keys):
        try:
            mode = disk().lstat(os.fspath(path)).st_mode
        except OSError:
            continue
        if stat.S_IMODE(mode) & 0o077 == 0:
            return None
    return f"other users of this computer may be able to read {displayable(str(location))}"
