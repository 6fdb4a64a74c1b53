"""The shares that this computer keeps for a pair, so that nobody names them at each plugging in.

One file for each half and computer, sealed with a key of the half: without it the names of folders are noise, and with
it they are there again, over joinings too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.agent.plugged import state_directory
from gimmal.base.display import displayable
from gimmal.base.errors import AuthenticationFailed, LocalError, ProtocolViolation, UsageError
from gimmal.base.home import home_folder
from gimmal.base.persistence import FileMissingError, local_errors, read_limited, write_atomic
from gimmal.base.primitives import NONCE_SIZE, hkdf_sha256, hmac_sha256, open_at_rest, random_bytes, seal_at_rest
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
        key = hkdf_sha256(b"", half.storage_key, _INFO, 32)
        folder = state_directory(half.lineage_id) / "settings"
        # Keyed, so that the two halves of a pair have shares of their own on one computer.
        self._path = folder / hmac_sha256(key, b"name")[:16].hex()
        self._key = hmac_sha256(key, b"seal")

    def read(self) -> list[KeptShare]:
        """All of them, in order of their names.

        Raises:
            LocalError: the file cannot be read, or was altered.
        """
        try:
            sealed = read_limited(self._path, FILE_BYTES_MAX)
        except FileMissingError:
            return []
        try:
            kept = decode_struct(_File, open_at_rest(self._key, sealed, _INFO))
        except (AuthenticationFailed, ProtocolViolation) as exc:
            raise self._unreadable() from exc
        if kept.version != _VERSION:
            raise self._unreadable()
        return [KeptShare(one.name, Path(os.fsdecode(one.path)), one.rights) for one in kept.shares]

    def change(self, how: Callable[[list[KeptShare]], list[KeptShare]]) -> None:
        """Replace them by what ``how`` makes of them; a cut leaves the old or the new ones.

        Raises:
            LocalError: another program is changing them, or the disk refuses.
            UsageError: two names look alike, or there are too many.
        """
        with self._locked():
            shares = how(self.read())
            # Checks the names against each other; the folders may be gone.
            table = ShareTable([Share(one.name, one.path, one.rights) for one in shares])
            if len(table) > SHARES_MAX:
                raise UsageError(f"there are {SHARES_MAX} shares already", "share a folder that holds several of them")
            kept = [_Kept(one.name, os.fsencode(one.path), one.rights) for one in table]
            plain = msgspec.msgpack.encode(_File(_VERSION, kept))
            write_atomic(self._path, seal_at_rest(self._key, plain, _INFO, random_bytes(NONCE_SIZE)))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._path.with_suffix(".lock")
        with local_errors("open", lock):
            lock.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(OSError):  # a disk without locks
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise LocalError(
                        "another program is changing these shares just now", "run the command again"
                    ) from None
            yield
        finally:
            os.close(descriptor)

    def _unreadable(self) -> LocalError:
        return LocalError(
            f"the shares kept in {displayable(os.fspath(self._path))} cannot be read",
            "remove that file and add them again",
        )


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
