"""What is pinned, what it looked like, and its contents: sealed in one folder of the half. For a thread."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from gimmal.base.errors import AuthenticationFailed, LocalError, ProtocolViolation
from gimmal.base.persistence import FileMissingError, is_directory, local_errors, read_limited, write_atomic
from gimmal.base.primitives import NONCE_SIZE, hmac_sha256, open_at_rest, random_bytes, seal_at_rest
from gimmal.half.places import PINNED_FOLDER
from gimmal.protocol.codec import decode_struct, encode
from gimmal.protocol.messages import Attributes, Entry
from gimmal.protocol.parts import Path as WirePath
from gimmal.remote.files import version_of
from gimmal.remote.pinned.kept_files import KeptFiles

PINS_MAX = 64
ENTRIES_MAX = 50_000
"""Entries below all pins."""

LIST_BYTES_MAX = 32 << 20
LOCK_SECONDS = 2.0
_AGAIN_SECONDS = 0.05
_LABEL = b"gimmal pinned v1"
_PINS, _TREE, _FILES = "pins", "tree", "files"

StructT = TypeVar("StructT", bound=Struct)


class Pins(Struct, array_like=True, frozen=True):
    """What the person pinned: wire paths."""

    paths: Annotated[list[WirePath], Meta(max_length=PINS_MAX)] = []


class PinnedFolder(Struct, array_like=True, frozen=True):
    """A folder as it was told last; not ``whole``: only the names that lead to what is pinned."""

    path: WirePath
    whole: bool
    entries: Annotated[list[Entry], Meta(max_length=ENTRIES_MAX)]


class PinnedTree(Struct, array_like=True, frozen=True):
    """What the pinned folders looked like ``at`` a second since 1970; 0 for never."""

    at: int = 0
    folders: Annotated[list[PinnedFolder], Meta(max_length=ENTRIES_MAX)] = []
    files: Annotated[list[tuple[WirePath, Attributes]], Meta(max_length=ENTRIES_MAX)] = []
    """Those whose contents are wanted."""


@dataclass(frozen=True)
class Pinned:
    """What is kept of one pinned path.

    Attributes:
        path: wire path.
        files, size: that are wanted, and their bytes.
        kept, kept_size: of these, what is here.
        at: second since 1970 as of which; 0 where it was never fetched.
    """

    path: str
    files: int
    size: int
    kept: int
    kept_size: int
    at: int


class PinnedStore:
    """The folder of one half.

    Args:
        half: the folder GIMMAL.
        key: 32 bytes of the half.
        locks: a folder of this computer: no file on the half is held open.
    """

    def __init__(self, half: Path, key: bytes, locks: Path) -> None:
        self._folder = half / PINNED_FOLDER
        self._key = hmac_sha256(key, b"gimmal pinned v1 lists")
        self._locks = locks
        self._lock_name = hmac_sha256(key, b"gimmal pinned v1 lock")[:16].hex()
        self.files = KeptFiles(self._folder / _FILES, hmac_sha256(key, b"gimmal pinned v1 files"))

    def pins(self) -> list[str]:
        """What is pinned, in order.

        Raises:
            LocalError: the list cannot be read.
        """
        return self._read(_PINS, Pins).paths

    def pin(self, paths: list[str]) -> list[str]:
        """Pin more; those that were not pinned before.

        Raises:
            LocalError: it cannot be written, or there are too many.
        """
        with self._locked("pins", LOCK_SECONDS):
            before = self.pins()
            new = sorted({*paths} - {*before})
            if len(before) + len(new) > PINS_MAX:
                raise LocalError(f"more than {PINS_MAX} folders are pinned", "pin a folder above them instead")
            if new:
                self._write(_PINS, Pins(sorted([*before, *new])))
            return new

    def unpin(self, path: str) -> bool:
        """Pin one no more; whether it was. What was kept of it goes when it is brought up to date.

        Raises:
            LocalError: it cannot be written.
        """
        with self._locked("pins", LOCK_SECONDS):
            pins = self.pins()
            if path not in pins:
                return False
            self._write(_PINS, Pins([pin for pin in pins if pin != path]))
            return True

    def tree(self) -> PinnedTree:
        """What the pinned folders looked like.

        Raises:
            LocalError: it cannot be read.
        """
        return self._read(_TREE, PinnedTree)

    def keep_tree(self, tree: PinnedTree) -> None:
        """They look like this.

        Raises:
            LocalError: it cannot be written.
        """
        self._write(_TREE, tree)

    def state(self) -> list[Pinned]:
        """What is kept of each pinned path.

        Raises:
            LocalError: the lists cannot be read.
        """
        tree, found = self.tree(), []
        for pin in self.pins():
            files = [(path, attributes) for path, attributes in tree.files if is_below(path, [pin])]
            kept = [each for path, each in files if self.files.holds(path, version_of(each))]
            size, kept_size = (sum(each.size for each in some) for some in ([each for _path, each in files], kept))
            known = bool(files) or any(folder.path == pin for folder in tree.folders)
            found.append(Pinned(pin, len(files), size, len(kept), kept_size, tree.at if known else 0))
        return found

    def prune(self) -> None:
        """Forget what is pinned no more.

        Raises:
            LocalError: the disk refuses.
        """
        pins, tree = self.pins(), self.tree()
        folders = [folder for folder in tree.folders if is_below(folder.path, pins)] if pins else []
        files = [(path, attributes) for path, attributes in tree.files if is_below(path, pins)]
        if len(files) < len(tree.files) or len(folders) < len(tree.folders):
            leading = [folder for folder in tree.folders if leads_to(folder.path, pins) and not folder.whole]
            self._write(_TREE, PinnedTree(tree.at, [*leading, *folders], files))
        self.files.keep_only({self.files.name(path, version_of(attributes)) for path, attributes in files})

    @contextlib.contextmanager
    def fetching(self, seconds: float) -> Iterator[None]:
        """Held by whoever brings it up to date.

        Args:
            seconds: to wait for another program that does.

        Raises:
            LocalError: it still does.
        """
        with self._locked("fetch", seconds):
            yield

    # ----------------------------------------------------------------------------------------------------------------

    def _read(self, name: str, kind: type[StructT]) -> StructT:
        path = self._folder / name
        try:
            sealed = read_limited(path, LIST_BYTES_MAX)
        except FileMissingError:
            return kind()
        try:
            return decode_struct(kind, open_at_rest(self._key, sealed, _LABEL + name.encode()))
        except (AuthenticationFailed, ProtocolViolation) as exc:
            raise LocalError("what is pinned cannot be read", f"remove {path} and pin it again") from exc

    def _write(self, name: str, struct: Struct) -> None:
        if not is_directory(self._folder):
            with local_errors("make", self._folder):
                self._folder.mkdir(mode=0o700, exist_ok=True)
        plain = encode(struct)
        if len(plain) > LIST_BYTES_MAX - 64:
            raise LocalError("too much is pinned", "pin a smaller folder")
        write_atomic(
            self._folder / name, seal_at_rest(self._key, plain, _LABEL + name.encode(), random_bytes(NONCE_SIZE))
        )

    @contextlib.contextmanager
    def _locked(self, what: str, seconds: float) -> Iterator[None]:
        lock = self._locks / f"{self._lock_name}-{what}.lock"
        with local_errors("open", lock):
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + seconds
            while not _try_lock(descriptor):
                if time.monotonic() >= until:
                    raise LocalError("another program fetches what is pinned just now", "wait until it is through")
                time.sleep(_AGAIN_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a disk without locks
    return True


def is_below(path: str, pins: list[str]) -> bool:
    """Whether a path is pinned, or lies in a folder that is."""
    return any(path == pin or path.startswith(f"{pin}/") for pin in pins)


def leads_to(path: str, pins: list[str]) -> bool:
    """Whether a folder holds something pinned at any depth."""
    return any(not path or pin.startswith(f"{path}/") for pin in pins)
