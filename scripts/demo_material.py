"""Real files for the demo, and a hash of a tree that knows nothing of gimmal."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sysconfig
from dataclasses import dataclass
from pathlib import Path

_LEFT_OUT = {"site-packages", "dist-packages", "__pycache__"}
_SMALL_PART = {"asyncio", "collections", "email", "encodings", "json", "logging", "unittest", "wsgiref"}
_CHUNK = 4 << 20


@dataclass(frozen=True)
class Entry:
    """What is compared of one file or folder: kind, permission bits, time of change, size and SHA-256."""

    kind: str
    mode: int
    mtime_ns: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """Everything below a folder, or one file, by path."""

    entries: dict[str, Entry]

    @property
    def files(self) -> int:
        """Number of files."""
        return sum(entry.kind == "file" for entry in self.entries.values())

    @property
    def folders(self) -> int:
        """Number of folders, the top one included."""
        return sum(entry.kind == "folder" for entry in self.entries.values())

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries.values())

    @property
    def digest(self) -> str:
        """One SHA-256 over all paths and entries."""
        state = hashlib.sha256()
        for path, entry in sorted(self.entries.items()):
            state.update(f"{path}\0{entry}\n".encode(errors="surrogateescape"))
        return state.hexdigest()

    def differences(self, other: Contents) -> list[str]:
        """What is not the same in ``other``, one sentence each."""
        found = [f"{path} is missing" for path in self.entries.keys() - other.entries.keys()]
        found += [f"{path} is too much" for path in other.entries.keys() - self.entries.keys()]
        for path in self.entries.keys() & other.entries.keys():
            mine, theirs = self.entries[path], other.entries[path]
            if mine != theirs:
                found.append(f"{path or 'the top'} differs: {mine} became {theirs}")
        return sorted(found)


def contents_of(top: Path) -> Contents:
    """Read every byte of a file or of everything below a folder."""
    entries = {"": _entry(top)}
    if top.is_dir():
        for folder, names, files in os.walk(top):
            for name in names + files:
                path = Path(folder, name)
                entries[str(path.relative_to(top))] = _entry(path)
    return Contents(entries)


def _entry(path: Path) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return Entry("folder", mode, status.st_mtime_ns, 0, "")
    if not stat.S_ISREG(status.st_mode):
        return Entry("other", mode, status.st_mtime_ns, 0, "")
    with open(path, "rb") as file:
        return Entry("file", mode, status.st_mtime_ns, status.st_size, hashlib.file_digest(file, "sha256").hexdigest())


def library_folder() -> Path:
    """Where the running Python keeps its standard library."""
    return Path(sysconfig.get_path("stdlib"))


def library_size() -> int:
    """Bytes that ``copy_library`` will write at most."""
    total = 0
    for folder, names, files in os.walk(library_folder()):
        names[:] = [name for name in names if name not in _LEFT_OUT]
        total += sum(os.stat(path).st_size for name in files if os.path.isfile(path := os.path.join(folder, name)))
    return total


def copy_library(target: Path, small: bool) -> None:
    """Copy the standard library without installed packages and compiled files.

    Links are replaced by what they point to, so that a copy can be compared byte by byte; what cannot be read and
    links that lead nowhere stay behind.

    Args:
        target: folder to make.
        small: take a few packages only.
    """
    top = library_folder()

    def left_out(folder: str, names: list[str]) -> set[str]:
        out = {name for name in names if name in _LEFT_OUT}
        for name in names:
            path = os.path.join(folder, name)
            if not os.access(path, os.R_OK) or not (os.path.isfile(path) or os.path.isdir(path)):
                out.add(name)
        if small and Path(folder) == top:
            out |= {name for name in names if name not in _SMALL_PART}
        return out

    shutil.copytree(top, target, ignore=left_out)


def write_film(path: Path, size: int) -> None:
    """Write ``size`` pseudo-random bytes, which nothing can compress or guess."""
    with open(path, "wb") as file:
        file.writelines(os.urandom(min(_CHUNK, size - start)) for start in range(0, size, _CHUNK))
