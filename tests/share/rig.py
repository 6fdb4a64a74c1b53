"""Shares in a scratch folder and a session of a peer, for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.digest import block_count, file_digest, small_file_digest
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import (
    Answer,
    BundleFile,
    BundleItem,
    Commit,
    DigestFiles,
    Entry,
    Failed,
    Found,
    List,
    OpenPart,
    PartOpened,
    Read,
    ReadBundle,
    Replace,
    Results,
    Tree,
    Version,
    Write,
    WriteBundle,
)
from gimmal.share.service import ShareService, ShareSession
from gimmal.share.shares import ShareTable, parse_share

KEY = bytes(range(32))
SOURCE = b"fingerprint-0001"
MTIME = 1_700_000_000_123_456_789


def make_service(base: Path) -> ShareService:
    """A service with the shares ``rw``, ``ro`` and ``drop`` below ``base``, made where missing."""
    shares = []
    for name in ("rw", "ro", "drop"):
        (base / name).mkdir(parents=True, exist_ok=True)
        shares.append(parse_share(f"{name}={base / name}:{name}"))
    return ShareService(ShareTable(shares), base / "journals", KEY)


class Rig:
    """A service, one session, and what a peer would do with it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.rw = base / "rw"
        self.ro = base / "ro"
        self.drop = base / "drop"
        self.service = make_service(base)
        self.session = self.service.open_session()

    def close(self) -> None:
        """End session and service."""
        self.session.close()
        self.service.close()

    def again(self) -> None:
        """A new session of the same service, as after a lost connection."""
        self.session.close()
        self.session = self.service.open_session()

    def code(self, request: object) -> int:
        """Code of the answer to a request that must fail."""
        answer = self.session.answer(request)
        assert isinstance(answer, Failed), answer
        return answer.code

    def upload(
        self,
        path: str,
        content: bytes,
        *,
        replace: Replace = Replace.NEVER,
        expected: Version | None = None,
        mode: int | None = None,
        source: bytes = SOURCE,
        durable: bool = True,
        keep: bool = False,
    ) -> Answer:
        """The whole way of one file: open, write what is missing, commit."""
        return upload(self.session, path, content, replace, expected, mode, source, durable, keep)[0]

    def read(self, path: str, offset: int = 0, length: int = BLOCK_SIZE, version: Version | None = None) -> bytes | int:
        """A range of a file, or the code."""
        return read_range(self.session, path, offset, length, version)

    def names(self, path: str) -> list[str]:
        """Names in a folder, all pages."""
        return [entry.name for entry in entries(self.session, List(path))]

    def bundle(
        self,
        folder: str,
        files: dict[str, bytes],
        replace: Replace = Replace.NEVER,
        *,
        newer_only: bool = False,
        keep: bool = False,
    ) -> list[int] | int:
        """Codes of a bundle written, or the one code."""
        request = WriteBundle(folder, replace, newer_only=newer_only, keep=keep)
        answer = self.session.write_bundle(request, *bundle_of(files))
        return answer.code if isinstance(answer, Failed) else answer.codes

    def bundled(self, folder: str, name: str) -> int:
        """Code of one file in a bundle read."""
        header, _contents = self.session.read_bundle(ReadBundle(folder, [name]))
        return msgspec.msgpack.decode(header, type=list[BundleItem])[0].code

    def digested(self, folder: str, name: str) -> int:
        """Code of one file among those read again."""
        answer = self.session.answer(DigestFiles(folder, [name]))
        return answer.code if isinstance(answer, Failed) else answer.files[0].code  # type: ignore[union-attr]


def code_of(answer: object) -> int:
    """The (first) code of an answer, or of what the rig made of one; 0 where it was done."""
    if isinstance(answer, Failed):
        return answer.code
    if isinstance(answer, Results):
        return answer.codes[0]
    if isinstance(answer, list):
        return int(answer[0])
    return answer if isinstance(answer, int) else 0


def upload(
    session: ShareSession,
    path: str,
    content: bytes,
    replace: Replace = Replace.NEVER,
    expected: Version | None = None,
    mode: int | None = None,
    source: bytes = SOURCE,
    durable: bool = True,
    keep: bool = False,
) -> tuple[Answer, int]:
    """Upload a file; the last answer, and how many blocks were sent."""
    opened = session.answer(OpenPart(path, len(content), source, replace, expected))
    if not isinstance(opened, PartOpened):
        return opened, 0
    digests = []
    sent = 0
    for index in range(block_count(len(content))):
        block = content[index * BLOCK_SIZE : (index + 1) * BLOCK_SIZE]
        digests.append(blake3_digest(block))
        if index < len(opened.blocks) and opened.blocks[index] == digests[-1]:
            continue
        answer = write_block(session, opened.part, index, block)
        sent += 1
        if isinstance(answer, Failed):
            return answer, sent
    commit = Commit(opened.part, file_digest(len(content), digests), MTIME, mode, durable, keep=keep)
    return session.answer(commit), sent


def write_block(session: ShareSession, part: int, index: int, block: bytes, digest: bytes | None = None) -> Answer:
    """Write one block of a part file in pieces, as records bring it."""
    writer = session.begin_write(Write(part, index * BLOCK_SIZE, len(block)))
    if isinstance(writer, Failed):
        return writer
    view = memoryview(block)
    for start in range(0, len(block), 1 << 20):
        piece = view[start : start + (1 << 20)]
        writer.write([piece[:10], piece[10:]], start)
    return writer.finish(digest or blake3_digest(block))


def read_range(
    session: ShareSession, path: str, offset: int = 0, length: int = BLOCK_SIZE, version: Version | None = None
) -> bytes | int:
    """A range of a file, or the code."""
    opened = session.open_range(Read(path, offset, length, version))
    if isinstance(opened, Failed):
        return opened.code
    try:
        buffer = bytearray(opened.length)
        done = 0
        while done < opened.length:
            count = opened.read_into(memoryview(buffer)[done : done + 100_000], done)
            if not count:
                break
            done += count
        return opened.check() or bytes(buffer)
    finally:
        opened.close()


def entries(session: ShareSession, request: List | Tree) -> list[Entry]:
    """All entries of a listing or tree; it must have no failures."""
    found, failures = pages(session, request)
    assert not failures, failures
    return found


def pages(session: ShareSession, request: List | Tree) -> tuple[list[Entry], list[tuple[str, int]]]:
    """All entries and failures of a listing or tree."""
    found: list[Entry] = []
    failures: list[tuple[str, int]] = []
    cursor = 0
    while True:
        answer = session.answer(type(request)(request.path, cursor))
        assert not isinstance(answer, Failed | Found), answer
        found += answer.entries
        failures += answer.failures
        cursor = answer.cursor
        if not cursor:
            return found, failures


def bundle_of(files: dict[str, bytes]) -> tuple[list[BundleFile], list[memoryview]]:
    """Headers and contents of a bundle."""
    headers = [BundleFile(name, len(data), small_file_digest(data), MTIME) for name, data in files.items()]
    return headers, [memoryview(data) for data in files.values()]


def tree_of(folder: Path) -> dict[str, object]:
    """Everything below a folder of this computer: names, kinds, contents, modes, times."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content: Sequence[object] = ()
        if path.is_symlink():
            content = (str(path.readlink()),)
        elif path.is_file():
            content = (path.read_bytes(),)
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_mtime_ns, content)
    return found
