"""``gimmal trash``: what sync replaced or deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_async, run_reaching

if TYPE_CHECKING:
    from gimmal.protocol.messages import TrashEntry
    from gimmal.remote.files import Files

ResultT = TypeVar("ResultT")

_DAY = 24 * 3600


@click.group("trash")
def command() -> None:
    """What `gimmal sync` replaced or deleted lies in the trash of the share, or of the folder, for 30 days.

    WHERE is a share of the other side, `:SHARE`, or a folder of this computer that was synced into.
    """


@command.command("list")
@click.argument("where", metavar="[WHERE]", default=":")
@reach_options
def list_command(where: str, way: Way, as_json: bool) -> None:
    """List the trash at WHERE, oldest first; of all shares of the other side without it."""
    from gimmal.base.display import displayable, displayable_path
    from gimmal.frontends.cli.output import human_size, local_time, print_json
    from gimmal.protocol.messages import Kind

    async def work(files: Files, share: str) -> list[tuple[str, TrashEntry]]:
        shares = [share] if share else await _writable_shares(files)
        return [(each, entry) for each in shares for entry in await _entries(files, each)]

    for share, entry in _run(where, way, work):
        path = f":{share}/{entry.path}" if where.startswith(":") else entry.path
        if as_json:
            print_json(
                {
                    "id": entry.name,
                    "path": path if entry.path else "",
                    "share": share if where.startswith(":") else "",
                    "kind": entry.attributes.kind.name.lower(),
                    "size": entry.attributes.size,
                    "mtime_ns": entry.attributes.mtime_ns,
                    "trashed": entry.trashed,
                    "who": entry.who,
                }
            )
            continue
        size = human_size(entry.attributes.size) if entry.attributes.kind is Kind.FILE else ""
        slash = "/" if entry.attributes.kind is Kind.DIRECTORY else ""
        shown = displayable_path(path) + slash if entry.path else "? (restore it with --to)"
        when = local_time(entry.trashed * 1_000_000_000)
        print(f"{displayable(entry.name, 64):21}  {when}  {size:>8}  {displayable(entry.who, 40)}  {shown}")


@command.command("restore")
@click.argument("where", metavar="WHERE")
@click.argument("wanted", nargs=-1, metavar="[WHAT]...")
@click.option("--all", "everything", is_flag=True, help="Restore all that the trash holds.")
@click.option("--to", "target", metavar="PATH", help="Put the one WHAT there, below WHERE.")
@reach_options
def restore_command(
    where: str, wanted: tuple[str, ...], everything: bool, target: str | None, way: Way, as_json: bool
) -> None:
    """Move entries of the trash at WHERE back to where they were. Nothing that is there is replaced.

    WHAT is the id that `list` shows, or a path below WHERE, which means the newest entry of that name.
    """
    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.cli.reaching import raise_failures

    if bool(wanted) == everything:
        raise UsageError("name what is to be restored, or say --all", "gimmal trash list WHERE shows it")
    if target is not None and len(wanted) != 1:
        raise UsageError("--to takes one WHAT", "restore one at a time")

    async def work(files: Files, share: str) -> tuple[list[TrashEntry], list[int]]:
        chosen = _choose(await _entries(files, _one_share(share)), wanted, everything=everything)
        place = f"{share}/{target.strip('/')}" if target is not None else ""
        return chosen, await files.restore_trash(share, [entry.name for entry in chosen], place)

    chosen, codes = _run(where, way, work)
    failures = _failures(chosen, codes, where)
    done = len(codes) - len(failures)
    if as_json and done:
        print_json({"restored": done})
    raise_failures(failures, done, "restored")


@command.command("empty")
@click.argument("where", metavar="WHERE")
@click.argument("wanted", nargs=-1, metavar="[WHAT]...")
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Only what has been there for so long.")
@click.option("--yes", "confirmed", is_flag=True, help="Do not ask.")
@reach_options
def empty_command(
    where: str, wanted: tuple[str, ...], older_than: float | None, confirmed: bool, way: Way, as_json: bool
) -> None:
    """Destroy what the trash at WHERE holds, or only each WHAT. It cannot be had back."""
    import sys
    import time

    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.cli.reaching import raise_failures

    if not confirmed:
        if not sys.stdin.isatty():
            raise UsageError("emptying a trash cannot be undone", "add --yes")
        click.confirm("destroy it for good?", abort=True, err=True)

    async def work(files: Files, share: str) -> tuple[list[TrashEntry], list[int]]:
        chosen = _choose(await _entries(files, _one_share(share)), wanted, everything=not wanted)
        if older_than is not None:
            chosen = [entry for entry in chosen if time.time() - entry.trashed >= older_than * _DAY]
        return chosen, await files.empty_trash(share, [entry.name for entry in chosen])

    chosen, codes = _run(where, way, work)
    failures = _failures(chosen, codes, where)
    done = len(codes) - len(failures)
    if as_json and (done or not failures):
        print_json({"destroyed": done})
    raise_failures(failures, done, "destroyed")


def _run(where: str, way: Way, work: Callable[[Files, str], Awaitable[ResultT]]) -> ResultT:
    """Do the work on the other side's files, or on those of a folder of this computer, which needs no half."""
    if where.startswith(":"):
        from gimmal.frontends.cli.reaching import remote_path

        share = remote_path(where)

        async def reaching(files: Files) -> ResultT:
            _require_trash(files)
            return await work(files, share)

        return run_reaching(way, reaching)
    return run_async(_locally(where, work))


async def _locally(where: str, work: Callable[[Files, str], Awaitable[ResultT]]) -> ResultT:
    from pathlib import Path

    from gimmal.base.workers import Workers
    from gimmal.remote.local_files import LocalFiles
    from gimmal.remote.sync_ends import writable_folder
    from gimmal.share.service import ShareService
    from gimmal.share.shares import ShareTable
    from gimmal.transport.buffers import BufferPool

    folder = writable_folder(where)
    workers = Workers()
    # Nothing is uploaded here, so nothing is ever written to a journal.
    service = ShareService(ShareTable([folder]), Path("/nonexistent"), bytes(32))
    session = service.open_session()
    try:
        return await work(LocalFiles(session, BufferPool(), workers, {folder.name: folder.path}), folder.name)
    finally:
        session.close()
        service.close()
        workers.close()


def _require_trash(files: Files) -> None:
    from gimmal.base.errors import RemoteError
    from gimmal.protocol.features import TRASH

    if not files.offers(TRASH):
        raise RemoteError("unsupported", "gimmal on the other side is too old to have a trash", "update it there")


def _one_share(share: str) -> str:
    from gimmal.base.errors import UsageError

    if not share or "/" in share:
        raise UsageError("a trash belongs to a share", "write :SHARE, and what is meant after it")
    return share


async def _writable_shares(files: Files) -> list[str]:
    return [entry.name async for page in files.entries("") for entry in page if entry.attributes.mode == 0o755]


async def _entries(files: Files, share: str) -> list[TrashEntry]:
    from gimmal.remote.files import ENTRIES_MAX, too_many_entries

    entries: list[TrashEntry] = []
    async for page in files.trash_entries(share):
        entries += page
        if len(entries) > ENTRIES_MAX:
            raise too_many_entries(files.shown(share))
    return entries


def _choose(entries: list[TrashEntry], wanted: tuple[str, ...], *, everything: bool) -> list[TrashEntry]:
    from gimmal.base.display import displayable
    from gimmal.base.errors import RemoteError

    if everything:
        return list(reversed(entries))
    known: dict[str, TrashEntry] = {}
    for entry in entries:  # oldest first: the newest of a path stays
        known[entry.path] = entry
    known.update((entry.name, entry) for entry in entries)
    chosen: dict[str, TrashEntry] = {}
    for text in wanted:
        entry_or_none = known.get(text.strip("/"))
        if entry_or_none is None:
            raise RemoteError("not_found", f"{displayable(text)}: not in the trash", "gimmal trash list shows what is")
        chosen[entry_or_none.name] = entry_or_none
    return list(chosen.values())


def _failures(entries: list[TrashEntry], codes: list[int], where: str) -> list[tuple[str, str]]:
    from gimmal.base.display import displayable
    from gimmal.protocol.codes import error_here, error_of_code

    error = error_of_code if where.startswith(":") else error_here
    return [
        (displayable(entry.path or entry.name), error(code, "").message)
        for entry, code in zip(entries, codes, strict=True)
        if code
    ]
