"""The shares that this computer keeps for a pair, so that nobody names them at each plugging in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.agent.sealed_setting import SealedSetting
from gimmal.base.display import displayable
from gimmal.base.errors import ProtocolViolation, UsageError
from gimmal.base.home import home_folder
from gimmal.half.opened import OpenedHalf
from gimmal.protocol.codec import decode_struct
from gimmal.share.shares import Rights, Share, ShareTable, share_of

SHARES_MAX = 256
PATH_BYTES_MAX = 4096
FILE_BYTES_MAX = 2 * 1024 * 1024

_INFO = b"gimmal kept shares v1"
_VERSION = 1


class _Kept(Struct, array_like=True, frozen=True):
    name: Annotated[str, Meta(max_length=255)]
    path: Annotated[bytes, Meta(max_length=PATH_BYTES_MAX)]
    rights: Rights


class _File(Struct, array_like=True, frozen=True):
    version: int
    shares: Annotated[list[_Kept], Meta(max_length=SHARES_MAX)]


@dataclass(frozen=True)
class KeptShare:
    """A share that is kept; its folder may be gone."""

    name: str
    path: Path
    rights: Rights

    def opened(self) -> Share:
        """The share, checked as one that is named on the command line.

        Raises:
            UsageError: its folder is gone, or something else lies there.
        """
        return share_of(self.name, os.fspath(self.path), self.rights)


class KeptShares:
    """What this computer keeps for one half.

    Args:
        half: opened.

    Raises:
        LocalError: there is no folder for it.
    """

    def __init__(self, half: OpenedHalf) -> None:
        self._setting = SealedSetting(
            half, _INFO, FILE_BYTES_MAX, "the shares kept in", "remove that file and add them again"
        )

    def read(self) -> list[KeptShare]:
        """All of them, in order of their names.

        Raises:
            LocalError: the file cannot be read, or was altered.
        """
        plain = self._setting.read()
        if plain is None:
            return []
        try:
            kept = decode_struct(_File, plain)
        except ProtocolViolation as exc:
            raise self._setting.unreadable() from exc
        if kept.version != _VERSION:
            raise self._setting.unreadable()
        return [KeptShare(one.name, Path(os.fsdecode(one.path)), one.rights) for one in kept.shares]

    def change(self, how: Callable[[list[KeptShare]], list[KeptShare]]) -> None:
        """Replace them by what ``how`` makes of them; a cut leaves the old or the new ones.

        Raises:
            LocalError: another program is changing them, or the disk refuses.
            UsageError: two names look alike, or there are too many.
        """
        with self._setting.locked():
            shares = how(self.read())
            # Checks the names against each other; the folders may be gone.
            table = ShareTable([Share(one.name, one.path, one.rights) for one in shares])
            if len(table) > SHARES_MAX:
                raise UsageError(f"there are {SHARES_MAX} shares already", "share a folder that holds several of them")
            kept = [_Kept(one.name, os.fsencode(one.path), one.rights) for one in table]
            self._setting.write(msgspec.msgpack.encode(_File(_VERSION, kept)))


def kept_table(half: OpenedHalf) -> tuple[ShareTable, list[str]]:
    """What is kept for a half, to be shared: all whose folders are there, and why each of the others is left out.

    Raises:
        LocalError: the file cannot be read, or was altered.
    """
    shares, left_out = [], []
    for one in KeptShares(half).read():
        try:
            shares.append(one.opened())
        except UsageError as exc:
            left_out.append(exc.message)
    return ShareTable(shares), left_out


def refuse_odd_places(share: Share, halves: list[Path], *, whole_home: bool) -> None:
    """Refuse what is most likely a mistake when a share is to be kept.

    Args:
        halves: the folders ``GIMMAL`` at the top of mounted disks.
        whole_home: the person says that the home folder is meant.

    Raises:
        UsageError: the folder lies on a stick that holds a half, or is the home folder or one that holds it.
        LocalError: this computer does not say which that is.
    """
    shown = displayable(os.fspath(share.path))
    home = home_folder().resolve()
    for half in halves:
        disk = half.parent.resolve()
        # A half at the top of the disk that the home folder is on is on no stick.
        if share.path.is_relative_to(disk) and not home.is_relative_to(disk):
            raise UsageError(
                f"{shown} lies on the stick of a half, and goes with it",
                "share a folder of this computer; gimmal up --share shares one of a stick for once",
            )
    if home.is_relative_to(share.path) and not whole_home:
        raise UsageError(
            f"{shown} is or holds your home folder, where other programs keep keys and passwords",
            "share a folder in it, or say --whole-home",
        )
