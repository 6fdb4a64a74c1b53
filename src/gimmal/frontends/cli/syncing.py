"""Running a sync for a person: which folder is where, filters, summary."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError
from gimmal.frontends.cli.compress_option import packing_of
from gimmal.frontends.cli.output import counted, human_size, print_json, say
from gimmal.frontends.cli.reaching import Way
from gimmal.frontends.cli.transferring import Transfer, raise_transfer_failures, run_transfer, say_would
from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.copy_plan import local_target, typed_path
from gimmal.remote.files import Files
from gimmal.remote.filters import Filters
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.sync import SyncJob, sync_once
from gimmal.share.shares import Rights, Share


@dataclass(frozen=True)
class SyncCommand:
    """The command line of ``gimmal sync``."""

    source: str
    target: str
    patterns: tuple[str, ...]
    delete: bool
    trash: bool
    dry_run: bool
    confirmed: bool
    wait: float
    quiet: bool
    as_json: bool
    limit: int | None = None
    compress: bool | None = None
    xattrs: bool = True
    safe_links: bool = False
    verify: bool = False
    whole_files: bool = False


def run_sync(command: SyncCommand, way: Way) -> None:
    """Sync, and report; raises what the command's exit code shall say."""
    from_far, to_far = command.source.startswith(":"), command.target.startswith(":")
    if not from_far and not to_far:
        raise UsageError("neither folder is on the other side", "write :PATH for the other side, or use rsync")
    shares: list[Share] = []
    if from_far:
        source = typed_path(command.source.removesuffix("/."))
    else:
        shares.append(_folder(command.source, Rights.READ_ONLY))
        source = shares[0].name
    if to_far:
        target = typed_path(command.target.removesuffix("/."))
    else:
        share, target = _target(command.target, make=not command.dry_run)
        shares.append(share)
    would = say_would(far=to_far, as_json=command.as_json) if command.dry_run else None
    options = CopyOptions(
        Existing.OVERWRITE,
        command.dry_run,
        would,
        xattrs=command.xattrs,
        safe_links=command.safe_links,
        verify=command.verify,
        whole_files=command.whole_files,
    )
    filters = Filters(command.patterns)
    job = SyncJob(
        source, target, options, filters, delete=command.delete, trash=command.trash, confirmed=command.confirmed
    )

    async def work(local: LocalFiles, other: RemoteFiles, progress: Progress) -> None:
        ways: tuple[Files, Files] = (other if from_far else local, other if to_far else local)
        await sync_once(*ways, job, progress)

    progress = Progress()
    shown = not command.quiet and not command.as_json
    transfer = Transfer(
        "sync",
        shares,
        work,
        command.wait,
        shown,
        command.limit,
        sweep=not to_far and not command.dry_run,
        events=command.as_json and not command.quiet and not command.dry_run,
        packing=packing_of(command.compress),
    )
    seconds, path = run_transfer(transfer, way, progress)
    _summary(command, progress, seconds, path)
    if progress.not_deleted:
        say(f"note: nothing was deleted, for not all was copied; {progress.not_deleted:,} entries would have been")
    raise_transfer_failures(progress, "synced", dry_run=command.dry_run)


def _folder(text: str, rights: Rights) -> Share:
    try:
        real = Path(text).resolve(strict=True)
        os.listdir(real)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "cannot be opened").lower()
        raise LocalError(
            f"{displayable(text)}: {reason}", "check the name, and that its disk is there; `:` names the other side"
        ) from error
    return Share("here", real, rights, own=True)


def _target(text: str, *, make: bool) -> tuple[Share, str]:
    """The target as a share of its own, so that its trash lies at its root; made where it is missing."""
    if not Path(text).exists():
        share, named = local_target(text)
        if not make:
            return share, named.path
        try:
            Path(text).mkdir()
        except OSError as error:
            raise LocalError(
                f"{displayable(text)}: {(error.strerror or '').lower()}", "choose another target"
            ) from error
    share = _folder(text, Rights.READ_WRITE)
    if share.path == share.path.parent:
        raise UsageError("the root folder cannot be a target", "name a folder below it")
    return share, share.name


def _summary(command: SyncCommand, progress: Progress, seconds: float, path: str) -> None:
    if command.as_json:
        if not command.dry_run:
            print_json(
                {
                    "event": "summary",
                    "files": progress.files,
                    "folders": progress.folders,
                    "bytes": progress.bytes,
                    "resumed_bytes": progress.resumed_bytes,
                    "skipped": progress.skipped,
                    "reused_bytes": progress.reused_bytes,
                    "deleted": progress.deleted,
                    "not_deleted": progress.not_deleted,
                    "links": progress.links,
                    "hard_links": progress.hard_links,
                    "without_xattrs": progress.bare,
                    "verified": progress.verified,
                    "saved_bytes": progress.saved_bytes,
                    "seconds": round(seconds, 3),
                    "path": path,
                    "left_out": [{"name": name, "reason": reason} for name, reason in progress.left_out],
                    "failed": progress.failed,
                }
            )
        return
    if command.quiet or command.dry_run:
        return
    files = "1 file" if progress.files == 1 else f"{progress.files:,} files"
    text = f"synced {files}, {human_size(progress.bytes)} in {seconds:.2f} s, {path}"
    if progress.skipped:
        text += f"; {progress.skipped:,} already there"
    if progress.saved_bytes:
        text += f"; {human_size(progress.saved_bytes)} less by compression"
    if progress.reused_bytes:
        text += f"; {human_size(progress.reused_bytes)} of it was there already"
    if command.verify:
        text += f"; {progress.verified:,} read again and good"
    if progress.links:
        text += f"; {counted(progress.links, 'symbolic link')}"
    if progress.deleted:
        text += f"; {progress.deleted:,} deleted" + (", to the trash" if command.trash else "")
    say(displayable(text))


def writable_folder(text: str) -> Share:
    """A folder of this computer as a share of this side alone.

    Raises:
        LocalError: it is not there or cannot be read.
    """
    return _folder(text, Rights.READ_WRITE)
