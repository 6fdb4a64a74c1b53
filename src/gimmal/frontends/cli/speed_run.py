"""Running the measurements of ``gimmal speed``: one after another, each path over a session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from gimmal.agent.reach import Reach, ReachOptions
from gimmal.base.errors import GimmalError, HalfGone, UnreachableError, UsageError, WrongPassword
from gimmal.frontends.cli.pulled import end_when_pulled
from gimmal.frontends.cli.reaching import Way, run_async
from gimmal.protocol.features import MEASURE
from gimmal.remote.files import Files, shown
from gimmal.remote.line_speed import measure_line
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.part_speed import (
    DISK_BYTES,
    DiskSpeed,
    measure_cipher,
    measure_disk,
    measure_round_trip,
    some_share,
    why_not,
)
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.sync_ends import writable_folder
from gimmal.share.service import ShareService
from gimmal.share.shares import Share, ShareTable
from gimmal.transport.link import PathKind
from gimmal.transport.tcp_connect import connect_tcp, reason_of

if TYPE_CHECKING:
    from gimmal.agent.reach import Reached

ResultT = TypeVar("ResultT")

PATH_SECONDS = 10.0
"""For a path to be reached."""

RELAY_SECONDS = 5.0
LINE_LEAST_SECONDS = 0.5
_OLD = "gimmal on the other side is too old to measure"


@dataclass
class LineSpeed:
    """One path to the other side; rates in bytes a second, the round trip in seconds, None where not measured."""

    path: str
    from_there: float | None = None
    to_there: float | None = None
    round_trip: float | None = None
    note: str = ""


@dataclass
class RelaySpeed:
    """A relay, and how long a TCP connection to it takes: one round trip."""

    address: str
    round_trip: float | None = None
    note: str = ""


@dataclass
class Speeds:
    """All that was measured; ``lines`` begins with the one that a copy would take."""

    here: str
    there: str
    disk_here: DiskSpeed = field(default_factory=DiskSpeed)
    disk_there: DiskSpeed = field(default_factory=DiskSpeed)
    cipher_here: float | None = None
    cipher_there: float | None = None
    cipher_note: str = ""
    lines: list[LineSpeed] = field(default_factory=list)
    relays: list[RelaySpeed] = field(default_factory=list)


def measure(way: Way, path: str, directory: str, seconds: float) -> Speeds:
    """Measure all parts.

    Args:
        way: which half, and which way to the other side; without one, each path is tried.
        path: wire path of the other side, empty for a share that suits.
        directory: of this computer.
        seconds: for all of it, about.

    Raises:
        LocalError: the folder is not there or cannot be written.
        GimmalError: the other side cannot be reached at all.
    """
    share = writable_folder(directory)
    share = Share("here", share.path, share.rights)
    options = way.options()
    password = options.password
    if password is not None:
        options = replace(options, password=_asked_once(password))
    return run_async(_Run(options, path, share, seconds).run())


def _asked_once(ask: Callable[[], str]) -> Callable[[], str]:
    """A password that is asked for once, though several sessions need it."""
    known: list[str] = []

    def answer() -> str:
        if not known:
            known.append(ask())
        return known[0]

    return answer


class _Run:
    def __init__(self, options: ReachOptions, path: str, share: Share, seconds: float) -> None:
        self._options = options
        self._path = path
        self._share = share
        self._seconds = seconds
        self._speeds = Speeds(str(share.path), "")

    async def run(self) -> Speeds:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with Reach(self._options) as reach:
            end_when_pulled(reach.location)
            reached = await reach.open(PATH_SECONDS, as_call=True)
            await self._measure_computers(reach, reached)
            left = self._seconds - (loop.time() - began)
            await self._measure_lines(reach, reached, left)
            if not self._speeds.relays:
                await self._measure_relays(reach)
        return self._speeds

    # Disks and ciphers -----------------------------------------------------------------------------------------------

    async def _measure_computers(self, reach: Reach, reached: Reached) -> None:
        speeds, other = self._speeds, reached.files
        service = await reach.workers.call(
            ShareService, ShareTable([self._share]), reach.journal_directory / "local", reach.journal_key
        )
        session = service.open_session()
        local = LocalFiles(session, reach.pool, reach.workers, {self._share.name: self._share.path})
        length = DISK_BYTES if self._seconds >= 5 else DISK_BYTES // 4
        old = not other.offers(MEASURE)
        try:
            speeds.cipher_here, _note = await _tried(measure_cipher(local))
            if old:
                speeds.cipher_note = _OLD
            else:
                speeds.cipher_there, speeds.cipher_note = await _tried(measure_cipher(other))
            path = self._path or await some_share(other)
            speeds.there = shown(path) if path else ""
            async with asyncio.TaskGroup() as group:  # two computers, two disks
                here = group.create_task(_disk(local, self._share.name, length))
                there = group.create_task(_disk(other, path, length, old=old))
            speeds.disk_here, speeds.disk_there = here.result(), there.result()
        finally:
            await reach.workers.call(session.close)
            await reach.workers.call(service.close)

    # Lines -----------------------------------------------------------------------------------------------------------

    async def _measure_lines(self, main: Reach, reached: Reached, seconds: float) -> None:
        options = self._options
        if options.at is not None or options.only is not None:
            self._speeds.lines.append(await self._measure_line(reached.path, reached.files, seconds / 2))
            return
        measured = 0
        for only in (PathKind.DIRECT, PathKind.RELAYED):
            line = LineSpeed(only.value)
            try:
                async with Reach(replace(options, only=only)) as reach:
                    opened = await reach.open(PATH_SECONDS, as_call=True)
                    line = await self._measure_line(opened.path, opened.files, seconds / 4)
                    measured += 1
                    if only is PathKind.RELAYED:
                        await self._measure_relays(reach)
            except (WrongPassword, HalfGone):
                raise
            except (GimmalError, UsageError) as exc:
                line.note = exc.message
            self._speeds.lines.append(line)
        if not measured:
            # No address and no relay of the other side, and yet it is reached: it dialled this computer's agent.
            self._speeds.lines = [await self._measure_line(reached.path, reached.files, seconds / 2)]

    async def _measure_line(self, path: str, files: RemoteFiles, seconds: float) -> LineSpeed:
        line = LineSpeed(path)
        try:
            line.round_trip = await measure_round_trip(files)
            if not files.offers(MEASURE):
                line.note = _OLD
                return line
            each = max(seconds, LINE_LEAST_SECONDS)
            line.from_there = await measure_line(files, each, up=False)
            line.to_there = await measure_line(files, each, up=True)
        except UnreachableError as exc:
            line.note = exc.message
        except GimmalError as exc:
            line.note = why_not(exc)
        return line

    async def _measure_relays(self, reach: Reach) -> None:
        loop = asyncio.get_running_loop()
        for host, port in reach.relay_addresses:
            relay = RelaySpeed(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            began = loop.time()
            try:
                async with asyncio.timeout(RELAY_SECONDS):
                    connection = await connect_tcp(host, port)
                relay.round_trip = loop.time() - began
                connection.close()
            except OSError as exc:
                relay.note = "no answer" if isinstance(exc, TimeoutError) else reason_of(exc)
            self._speeds.relays.append(relay)


async def _tried(measuring: Awaitable[ResultT]) -> tuple[ResultT | None, str]:
    """What was measured, or why it was not."""
    try:
        return await measuring, ""
    except UnreachableError:
        raise
    except GimmalError as exc:
        return None, why_not(exc)


async def _disk(files: Files, path: str, length: int, *, old: bool = False) -> DiskSpeed:
    if old:
        return DiskSpeed(note=_OLD)
    if not path:
        return DiskSpeed(note="the other side shares nothing")
    speed, note = await _tried(measure_disk(files, path, length))
    return speed or DiskSpeed(note=note)
