"""Running a sync for a person: options and summary."""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.base.display import displayable
from gimmal.frontends.cli.compress_option import packing_of
from gimmal.frontends.cli.notes import notes_of
from gimmal.frontends.cli.output import counted, human_size, print_json, say
from gimmal.frontends.cli.reaching import Way
from gimmal.frontends.cli.transferring import raise_transfer_failures, run_transfer, say_would
from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.progress import Progress
from gimmal.remote.sync_ends import sync_ends
from gimmal.remote.transfer import Transfer


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


def sync_options(command: SyncCommand) -> CopyOptions:
    """How it copies files."""
    would = say_would(far=command.target.startswith(":"), as_json=command.as_json) if command.dry_run else None
    return CopyOptions(
        Existing.OVERWRITE,
        command.dry_run,
        would,
        xattrs=command.xattrs,
        safe_links=command.safe_links,
        verify=command.verify,
        whole_files=command.whole_files,
    )


def run_sync(command: SyncCommand, way: Way) -> None:
    """Sync, and report; raises what the command's exit code shall say."""
    ends = sync_ends(
        command.source,
        command.target,
        sync_options(command),
        command.patterns,
        delete=command.delete,
        trash=command.trash,
        confirmed=command.confirmed,
        make=not command.dry_run,
    )
    progress = Progress()
    shown = not command.quiet and not command.as_json
    events = command.as_json and not command.quiet and not command.dry_run
    packing = packing_of(command.compress)
    transfer = Transfer("sync", ends.shares, ends.work, command.wait, command.limit, sweep=ends.sweep, packing=packing)
    seconds, path = run_transfer(transfer, way, progress, shown=shown, events=events)
    _summary(command, progress, seconds, path)
    if progress.not_deleted:
        say(f"note: nothing was deleted, for not all was copied; {progress.not_deleted:,} entries would have been")
    raise_transfer_failures(progress, "synced", dry_run=command.dry_run)


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
    for note in notes_of(progress):
        say(f"note: {note}")
