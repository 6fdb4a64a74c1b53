"""Two disks in memory that can fail any call, and forget, tear and reorder whatever was not synced."""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from gimmal.base.disk import Disk

SECTOR = 512


class Killed(BaseException):
    """The process ended here."""


@dataclass(eq=False)
class File:
    number: int
    live: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        for at in range(offset - offset % SECTOR, offset + len(data), SECTOR):
            start, end = max(at, offset), min(at + SECTOR, offset + len(data))
            self.pending.append((start, bytes(data[start - offset : end - offset])))
        if len(self.live) < offset:
            self.live.extend(bytes(offset - len(self.live)))
        self.live[offset : offset + len(data)] = data

    def resize(self, size: int) -> None:
        self.pending.append(size)
        self._apply(self.live, size)

    def sync(self) -> None:
        self.durable, self.pending = bytes(self.live), []

    def cut(self, keep: Callable[[], bool]) -> None:
        content = bytearray(self.durable)
        for operation in self.pending:
            if keep():
                self._apply(content, operation)
        self.live, self.durable, self.pending = content, bytes(content), []

    @staticmethod
    def _apply(content: bytearray, operation: tuple[int, bytes] | int) -> None:
        if isinstance(operation, int):
            if operation < len(content):
                del content[operation:]
            else:
                content.extend(bytes(operation - len(content)))
            return
        offset, data = operation
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data


@dataclass(eq=False)
class Folder:
    number: int
    live: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[tuple[str, File | Folder | None]] = field(default_factory=list)

    def set(self, name: str, node: File | Folder | None) -> None:
        self.pending.append((name, node))
        if node is None:
            del self.live[name]
        else:
            self.live[name] = node

    def sync(self) -> None:
        self.durable, self.pending = dict(self.live), []

    def cut(self, keep: Callable[[], bool]) -> None:
        entries = dict(self.durable)
        for name, node in self.pending:
            if keep():
                if node is None:
                    entries.pop(name, None)
                else:
                    entries[name] = node
        self.live, self.durable, self.pending = entries, dict(entries), []
        for node in entries.values():
            node.cut(keep)


Fault = Callable[[int, str, str], None]
"""Called before each changing call with its number, name and path; raises to make it fail."""


class SimulatedDisk(Disk):
    """Folders ``/one`` and ``/two`` stand for two disks."""

    def __init__(self) -> None:
        self._number = 2
        self._roots = {"one": Folder(1), "two": Folder(2)}
        self._open: dict[int, tuple[str, File | Folder]] = {}
        self._next = 1000
        self.calls = 0
        self.fault: Fault | None = None
        self.halve_writes = False
        self.dead = False

    # What a test does with it.

    def begin(self, fault: Fault | None = None) -> None:
        """Start counting anew; ``fault`` decides which call fails."""
        self.calls, self.fault, self.dead = 0, fault, False
        self._open.clear()

    def power_cut(self, keep: Callable[[], bool]) -> None:
        """Both disks keep what was synced, and of the rest each sector and entry for which ``keep`` says so."""
        for root in self._roots.values():
            root.cut(keep)
        self.begin()

    def everything(self) -> bytes:
        """All bytes of all files that can be reached, live and durable, for a search."""
        found: list[bytes] = []

        def visit(folder: Folder) -> None:
            for node in [*folder.live.values(), *folder.durable.values()]:
                if isinstance(node, Folder):
                    visit(node)
                else:
                    found.extend((bytes(node.live), node.durable))

        for root in self._roots.values():
            visit(root)
        return b"\n".join(found)

    def names(self, path: str) -> set[str]:
        node = self._find(path)
        assert isinstance(node, Folder)
        return set(node.live)

    # The calls.

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._alive()
        folder, name = self._parent(path)
        node = folder.live.get(name)
        if flags & os.O_CREAT and node is None:
            self._change("create", path)
            self._number += 1
            node = File(self._number)
            folder.set(name, node)
        elif flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, "File exists", path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        self._next += 1
        self._open[self._next] = (path, node)
        return self._next

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self._alive()
        return bytes(self._file(descriptor).live[offset : offset + size])

    def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        if self.halve_writes and len(data) > 1:
            data = data[: len(data) // 2]
        self._change("pwrite", self._open[descriptor][0])
        self._file(descriptor).write(offset, bytes(data))
        return len(data)

    def truncate(self, descriptor: int, size: int) -> None:
        self._change("truncate", self._open[descriptor][0])
        self._file(descriptor).resize(size)

    def fsync(self, descriptor: int) -> None:
        path, node = self._open[descriptor]
        self._change("fsync", path)
        node.sync()

    def fchmod(self, descriptor: int, mode: int) -> None:
        self._change("fchmod", self._open[descriptor][0])

    def fstat(self, descriptor: int) -> os.stat_result:
        self._alive()
        return self._status(self._open[descriptor][1])

    def lstat(self, path: str) -> os.stat_result:
        self._alive()
        return self._status(self._find(path))

    def rename(self, source: str, target: str) -> None:
        self._change("rename", target)
        node = self._find(source)
        old_folder, old_name = self._parent(source)
        new_folder, new_name = self._parent(target)
        new_folder.set(new_name, node)
        old_folder.set(old_name, None)

    def unlink(self, path: str) -> None:
        self._find(path)
        self._change("unlink", path)
        folder, name = self._parent(path)
        folder.set(name, None)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        folder, name = self._parent(path)
        if name in folder.live:
            raise FileExistsError(errno.EEXIST, "File exists", path)
        self._change("mkdir", path)
        self._number += 1
        folder.set(name, Folder(self._number))

    def rmdir(self, path: str) -> None:
        node = self._find(path)
        if isinstance(node, Folder) and node.live:
            raise OSError(errno.ENOTEMPTY, "Directory not empty", path)
        self._change("rmdir", path)
        folder, name = self._parent(path)
        folder.set(name, None)

    def sync(self) -> None:
        raise AssertionError("folders can be synced here")

    def _alive(self) -> None:
        if self.dead:
            raise Killed

    def _change(self, call: str, path: str) -> None:
        self._alive()
        number, self.calls = self.calls, self.calls + 1
        if self.fault is not None:
            try:
                self.fault(number, call, path)
            except Killed:
                self.dead = True
                raise

    def _find(self, path: str) -> File | Folder:
        folder, name = self._parent(path)
        node = folder.live.get(name)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        self._alive()
        parts = path.strip("/").split("/")
        if len(parts) == 1:
            return Folder(0, live=dict(self._roots)), parts[0]
        node: File | Folder | None = self._roots.get(parts[0])
        for part in parts[1:-1]:
            node = node.live.get(part) if isinstance(node, Folder) else None
        if not isinstance(node, Folder):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return node, parts[-1]

    def _file(self, descriptor: int) -> File:
        node = self._open[descriptor][1]
        assert isinstance(node, File)
        return node

    @staticmethod
    def _status(node: File | Folder) -> os.stat_result:
        is_folder = isinstance(node, Folder)
        mode = stat.S_IFDIR | 0o700 if is_folder else stat.S_IFREG | 0o600
        size = 0 if isinstance(node, Folder) else len(node.live)
        return os.stat_result((mode, node.number, 1, 1, 0, 0, size, 0, 0, 0))


def kill_at(wanted: int) -> Fault:
    """The process ends before call ``wanted``."""

    def fault(number: int, call: str, path: str) -> None:
        if number == wanted:
            raise Killed

    return fault


def fail_at(wanted: int, code: int) -> Fault:
    """Call ``wanted`` fails once."""

    def fault(number: int, call: str, path: str) -> None:
        if number == wanted:
            raise OSError(code, os.strerror(code), path)

    return fault


def full_from(wanted: int) -> Fault:
    """From call ``wanted`` on no new file, folder or longer file fits."""

    def fault(number: int, call: str, path: str) -> None:
        if number >= wanted and call in ("create", "mkdir", "pwrite"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    return fault


def pulled_at(wanted: int, root: str) -> Fault:
    """From call ``wanted`` on the disk ``root`` is gone."""

    def fault(number: int, call: str, path: str) -> None:
        if number >= wanted and path.startswith(root):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    return fault


def keeping(seed: int) -> Callable[[], bool]:
    """Which unsynced pieces survive a power cut: 0 none, 1 all, else at random by that seed."""
    if seed < 2:
        return lambda: bool(seed)
    chance = random.Random(seed)
    return lambda: chance.random() < 0.5
