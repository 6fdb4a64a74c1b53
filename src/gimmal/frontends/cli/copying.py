"""Running a copy for a person: both ends, what is copied, summary."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError
from gimmal.frontends.cli.compress_option import packing_of
from gimmal.frontends.cli.output import counted, human_size, print_json, say
from gimmal.frontends.cli.reaching import Way
from gimmal.frontends.cli.transferring import Transfer, raise_transfer_failures, run_transfer, say_would
from gimmal.protocol.codes import Code
from gimmal.remote.copy import CopyJob, copy_once
from gimmal.remote.copy_plan import Named, all_named, local_source, local_target, remote_named
from gimmal.remote.copy_tree import CopyOptions, Existing
from gimmal.remote.files import Files
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.shares import Share

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


@dataclass
class _Ends:
    """Which side is which, and the folders of this computer concerned."""

    shares: list[Share]
    job: CopyJob
    upload: bool
    far: bool
    missing: list[tuple[str, str]]
    """Sources of this computer that are not there; the others are copied all the same."""


def run_copy(command: CopyCommand, way: Way) -> None:
    """Copy, and report; raises what the command's exit code shall say."""
    ends = _ends(command)
    progress = Progress()

    async def work(local: LocalFiles, other: RemoteFiles, progress: Progress) -> None:
        ways: tuple[Files, Files] = (other, other) if ends.far else (local, other) if ends.upload else (other, local)
        job = ends.job
        if ends.far or not ends.upload:
            job = replace(job, sources=await all_named(other, job.sources))
        await copy_once(*ways, job, progress)

    shown = not command.quiet and not command.as_json
    events = command.as_json and not command.quiet and not command.dry_run
    packing = packing_of(command.compress)
    transfer = Transfer("copy", ends.shares, work, command.wait, shown, command.limit, events=events, packing=packing)
    seconds, path = run_transfer(transfer, way, progress)
    for name, reason in ends.missing:
        progress.fail(name, reason)
    _summary(command, progress, seconds, path)
    raise_transfer_failures(progress, "copied", dry_run=command.dry_run, hints=_HINTS)


def _ends(command: CopyCommand) -> _Ends:
    from_far = [source.startswith(":") for source in command.sources]
    to_far = command.target.startswith(":")
    if any(from_far) != all(from_far):
        raise UsageError("the sources lie on both sides", "copy those of one side at a time")
    if not to_far and not any(from_far):
        raise UsageError("neither source nor target is on the other side", "write :PATH for the other side, or use cp")
    existing = Existing.OVERWRITE if command.overwrite else Existing.UPDATE if command.update else Existing.REFUSE
    shares: list[Share] = []
    sources: list[Named] = []
    missing: list[tuple[str, str]] = []
    if any(from_far):
        sources = [remote_named(source) for source in command.sources]
    else:
        for index, source in enumerate(command.sources):
            try:
                share, named = local_source(source, index)
            except LocalError as exc:
                missing.append((displayable(source), exc.message.rpartition(": ")[2]))
                if len(missing) == len(command.sources):
                    raise
                continue
            shares.append(share)
            sources.append(named)
    if to_far:
        target = remote_named(command.target)
    else:
        share, target = local_target(command.target)
        shares.append(share)
    if len(command.sources) > 1:
        target = replace(target, into=True)
    would = say_would(far=to_far, as_json=command.as_json) if command.dry_run else None
    options = CopyOptions(
        existing,
        command.dry_run,
        would,
        xattrs=command.xattrs,
        safe_links=command.safe_links,
        verify=command.verify,
        whole_files=command.whole_files,
    )
    job = CopyJob(sources, target, command.recursive, options)
    return _Ends(shares, job, upload=to_far, far=to_far and any(from_far), missing=missing)


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
    _notes(progress)


def _notes(progress: Progress) -> None:
    if progress.links_out:
        say(f"note: {counted(progress.links_out, 'symbolic link')} lead out of what was copied; look before following")
    if progress.plain_links:
        say(f"note: {counted(progress.plain_links, 'hard link')} became files of their own: the target takes none")
    if progress.bare:
        say(f"note: {counted(progress.bare, 'file or folder', 'files or folders')} lack extended attributes")
