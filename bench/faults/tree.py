"""A tree of everything that a copy meets, and what another program sees of it."""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 4 << 20
PART_PREFIX = ".gimmal-part-"
_MIB = 1 << 20
_FOLDERS = 12
_TIME = 1_600_000_000_000_000_000


@dataclass(frozen=True)
class Entry:
    """One name of a tree, as ``lstat`` and ``read`` show it.

    Attributes:
        kind: ``file``, ``folder`` or ``link``.
        mode, mtime_ns: permission bits and time; 0 for the mode of a link.
        size: of a file.
        content: digest of a file's bytes or text of a link.
        attributes: extended ones of the user's, in order.
        first: the first name, in order, of the same file.
    """

    kind: str
    mode: int
    mtime_ns: int
    size: int = 0
    content: str = ""
    attributes: tuple[tuple[str, bytes], ...] = ()
    first: str = ""


@dataclass
class Tree:
    """What was seen of a tree, by relative name; part files are no names of it but counted."""

    entries: dict[str, Entry] = field(default_factory=dict)
    part_files: int = 0


def build(chance: random.Random, root: Path, scale: float = 1.0) -> None:
    """Make a tree: small, middling, large, sparse and empty files, links of both kinds, modes, times, attributes.

    Args:
        root: not there yet.
        scale: 1 makes about 70 MiB in 500 files.
    """
    folders = [root, *(root / f"folder {number}" / "below" for number in range(_FOLDERS))]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    sizes = [chance.choice((0, 1, 100, 4096, 8000, 30_000)) for _ in range(int(400 * scale) or 1)]
    sizes += [chance.randrange(100_000, 400_000) for _ in range(int(60 * scale) or 1)]
    sizes += [int(length * scale) + 4321 for length in (26 * _MIB, 17 * _MIB, 5 * _MIB)]
    files = []
    for number, size in enumerate(sizes):
        path = chance.choice(folders) / f"file-{number:04d}"
        path.write_bytes(chance.randbytes(size))
        files.append(path)
    for number in range(2):
        path = chance.choice(folders) / f"sparse-{number}"
        _write_sparse(chance, path, int(48 * _MIB * scale) or 1)
        files.append(path)
    for path in chance.sample(files, 12):
        os.setxattr(path, "user.note", chance.randbytes(40))
    for number, path in enumerate(chance.sample(files, 8)):
        os.link(path, chance.choice(folders) / f"hard-{number}")
    for number in range(10):
        target = chance.choice(("nowhere", "../file", "file-0001", "/etc/hostname", "x" * 200))
        link = chance.choice(folders) / f"link-{number}"
        os.symlink(target, link)
        os.utime(link, ns=(_TIME, _TIME + number), follow_symlinks=False)
    for path in files:
        path.chmod(chance.choice((0o600, 0o644, 0o755, 0o444)))
        os.utime(path, ns=(_TIME, _TIME + chance.randrange(10**18)))
    for folder in sorted({*folders, *(folder.parent for folder in folders[1:])}, reverse=True):
        folder.chmod(chance.choice((0o755, 0o700, 0o750)))
        os.utime(folder, ns=(_TIME, _TIME + chance.randrange(10**18)))


def _write_sparse(chance: random.Random, path: Path, size: int) -> None:
    with open(path, "wb") as file:
        for _ in range(4):
            file.seek(chance.randrange(size))
            file.write(chance.randbytes(300_000))
        file.truncate(max(size, file.tell()))


def seen(root: Path) -> Tree:
    """Look at everything below and at a folder."""
    found = Tree()
    firsts: dict[tuple[int, int], str] = {}

    def look(path: Path, name: str) -> None:
        state = os.lstat(path)
        mode, time = state.st_mode & 0o7777, state.st_mtime_ns
        if path.is_symlink():
            found.entries[name] = Entry("link", 0, time, content=os.readlink(path))
            return
        attributes = tuple((key, os.getxattr(path, key)) for key in sorted(os.listxattr(path)) if key[:5] == "user.")
        if path.is_dir():
            found.entries[name] = Entry("folder", mode, time, attributes=attributes)
            for below in sorted(os.listdir(path)):
                if below.startswith(PART_PREFIX):
                    found.part_files += 1
                else:
                    look(path / below, f"{name}/{below}")
            return
        first = firsts.setdefault((state.st_dev, state.st_ino), name)
        found.entries[name] = Entry("file", mode, time, state.st_size, content_of(path), attributes, first)

    look(root, root.name)
    return found


def content_of(path: Path) -> str:
    """Digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def differences(source: Tree, target: Tree) -> list[str]:
    """What is not alike: one text for each name; both trees have the same name themselves."""
    found = []
    for name in sorted(source.entries.keys() | target.entries.keys()):
        wanted, got = source.entries.get(name), target.entries.get(name)
        if wanted != got:
            found.append(f"{name}: {wanted} became {got}")
    return found


def data_of(path: Path) -> list[tuple[int, int]]:
    """The stretches of a file that are no hole: begin and end."""
    found: list[tuple[int, int]] = []
    descriptor = os.open(path, os.O_RDONLY)
    at = 0
    try:
        while True:
            begin = os.lseek(descriptor, at, os.SEEK_DATA)
            at = os.lseek(descriptor, begin, os.SEEK_HOLE)
            found.append((begin, at))
    except OSError:
        return found
    finally:
        os.close(descriptor)


def missing_bytes(source: Path, target: Path) -> int:
    """Bytes of contents that a copy still has to send.

    Data, without holes, of files whose names are not there, less the blocks that already lie in a part file.
    """
    total = 0
    there: set[tuple[int, int]] = set()
    absent: dict[tuple[int, int], Path] = {}
    for folder, _folders, names in os.walk(source):
        for name in names:
            path = Path(folder, name)
            if path.is_symlink():
                continue
            state = path.stat()
            key = (state.st_dev, state.st_ino)
            if os.path.lexists(target / path.relative_to(source)):
                there.add(key)
            else:
                absent.setdefault(key, path)
    for key, path in absent.items():
        if key not in there:
            blocks = _data_by_block(path)
            kept = _blocks_kept(path, target / path.relative_to(source).parent, blocks)
            total += sum(count for block, count in blocks.items() if block not in kept)
    return total


def _data_by_block(path: Path) -> dict[int, int]:
    found: dict[int, int] = {}
    for begin, end in data_of(path):
        for block in range(begin // BLOCK, (end - 1) // BLOCK + 1):
            low, high = max(begin, block * BLOCK), min(end, (block + 1) * BLOCK)
            found[block] = found.get(block, 0) + high - low
    return found


def _blocks_kept(path: Path, folder: Path, blocks: dict[int, int]) -> set[int]:
    """Blocks of a file that a part file in the target's folder holds whole."""
    kept: set[int] = set()
    size = path.stat().st_size
    for part in folder.glob(f"{PART_PREFIX}*") if size > BLOCK // 16 else ():
        with open(path, "rb") as wanted, open(part, "rb") as got:
            for block in blocks:
                wanted.seek(block * BLOCK)
                got.seek(block * BLOCK)
                if wanted.read(BLOCK) == got.read(BLOCK):
                    kept.add(block)
    return kept
