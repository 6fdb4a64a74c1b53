"""Running a copy for a person: options and summary."""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.base.display import displayable
from gimmal.frontends.cli.compress_option import packing_of
from gimmal.frontends.cli.notes import notes_of
from gimmal.frontends.cli.output import counted, human_size, print_json, say
from gimmal.frontends.cli.reaching import Way
from gimmal.frontends.cli.transferring import raise_transfer_failures, run_transfer, say_would
from gimmal.protocol.codes import Code
from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.copy_ends import copy_ends
from gimmal.remote.progress import Progress
from gimmal.remote.transfer import Transfer

_HINTS = {Code.LINK_REFUSED: "-r copies a link as a link; share what it points to by itself"}


@dataclass(frozen=True)
class CopyCommand:
    """The command line of ``gimmal cp``."""

    sources: tuple[str, ...]
    target: str
    recursive: bool
    overwrite: bool
    update: bool
    dry_run: bool
    wait: float
    quiet: bool
    as_json: bool
    xattrs: bool = True
    safe_links: bool = False
    whole_files: bool = False
    limit: int | None = None
    verify: bool = False
    compress: bool | None = None


def copy_options(command: CopyCommand) -> CopyOptions:
    """How it copies."""
    existing = Existing.OVERWRITE if command.overwrite else Existing.UPDATE if command.update else Existing.REFUSE
    would = say_would(far=command.target.startswith(":"), as_json=command.as_json) if command.dry_run else None
    return CopyOptions(
        existing,
        command.dry_run,
        would,
        xattrs=command.xattrs,
        safe_links=command.safe_links,
        verify=command.verify,
        whole_files=command.whole_files,
    )


def run_copy(command: CopyCommand, way: Way) -> None:
    """Copy, and report; raises what the command's exit code shall say."""
    ends = copy_ends(command.sources, command.target, copy_options(command), recursive=command.recursive)
    progress = Progress()
    shown = not command.quiet and not command.as_json
    events = command.as_json and not command.quiet and not command.dry_run
    packing = packing_of(command.compress)
    transfer = Transfer("copy", ends.shares, ends.work, command.wait, command.limit, packing=packing)
    seconds, path = run_transfer(transfer, way, progress, shown=shown, events=events)
    _summary(command, progress, seconds, path)
    raise_transfer_failures(progress, "copied", dry_run=command.dry_run, hints=_HINTS)


def _summary(command: CopyCommand, progress: Progress, seconds: float, path: str) -> None:
    if command.dry_run:
        return
    if command.as_json:
        print_json(
            {
                "event": "summary",
                "files": progress.files,
                "folders": progress.folders,
                "bytes": progress.bytes,
                "resumed_bytes": progress.resumed_bytes,
                "skipped": progress.skipped,
                "links": progress.links,
                "links_out": progress.links_out,
                "hard_links": progress.hard_links,
                "plain_links": progress.plain_links,
                "without_xattrs": progress.bare,
                "hole_bytes": progress.hole_bytes,
                "verified": progress.verified,
                "reused_bytes": progress.reused_bytes,
                "saved_bytes": progress.saved_bytes,
                "seconds": round(seconds, 3),
                "path": path,
                "left_out": [{"name": name, "reason": reason} for name, reason in progress.left_out],
                "failed": progress.failed,
            }
        )
        return
    if command.quiet or (progress.failed and not progress.files + progress.skipped + progress.folders):
        return
    files = "1 file" if progress.files == 1 else f"{progress.files:,} files"
    text = f"copied {files}, {human_size(progress.bytes)} in {seconds:.2f} s"
    if seconds > 0 and progress.files:
        text += f" ({human_size(int(max(0, progress.bytes - progress.hole_bytes) / seconds))}/s"
        text += f", {progress.files / seconds:,.0f} files/s)" if progress.files > 1 else ")"
    text += f", {path}"
    if progress.skipped:
        text += f"; {progress.skipped:,} already there"
    if progress.resumed_bytes:
        text += f"; {human_size(progress.resumed_bytes)} continued"
    if progress.reused_bytes:
        text += f"; {human_size(progress.reused_bytes)} of it was there already"
    if progress.hole_bytes:
        text += f"; {human_size(progress.hole_bytes)} of it holes"
    if progress.saved_bytes:
        text += f"; {human_size(progress.saved_bytes)} less by compression"
    if command.verify:
        text += f"; {progress.verified:,} read again and good"
    if progress.links:
        text += f"; {counted(progress.links, 'symbolic link')}"
    if progress.hard_links:
        text += f"; {counted(progress.hard_links, 'hard link')}"
    say(displayable(text))
    for note in notes_of(progress):
        say(f"note: {note}")
