"""Running a copy for a person: options and summary."""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.base.display import displayable
from gimmal.frontends.cli.compress_option import packing_of
from gimmal.frontends.cli.output import print_json, say
from gimmal.frontends.cli.reaching import Way
from gimmal.frontends.cli.transfer_summary import say_notes, summary_fields, summary_text
from gimmal.frontends.cli.transferring import raise_transfer_failures, refuse_contradictions, run_transfer, say_would
from gimmal.protocol.codes import Code
from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.copy_ends import copy_ends
from gimmal.remote.progress import Progress
from gimmal.remote.transfer import Transfer

_HINTS = {
    Code.LINK_REFUSED: "-r copies a link as a link; share what it points to by itself",
    Code.IS_A_DIRECTORY: "use -r for folders",
}
_HINTS_RECURSIVE = {Code.IS_A_DIRECTORY: "nothing replaces a folder: choose another target, or remove it first"}


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
    refuse_contradictions(dry_run=command.dry_run, verify=command.verify)
    ends = copy_ends(command.sources, command.target, copy_options(command), recursive=command.recursive)
    progress = Progress()
    shown = not command.quiet and not command.as_json
    events = command.as_json and not command.quiet and not command.dry_run
    packing = packing_of(command.compress)
    transfer = Transfer("copy", ends.shares, ends.work, command.wait, command.limit, packing=packing)
    seconds, path = run_transfer(transfer, way, progress, shown=shown, events=events)
    _summary(command, progress, seconds, path)
    raise_transfer_failures(
        progress, "copied", dry_run=command.dry_run, hints=_HINTS_RECURSIVE if command.recursive else _HINTS
    )


def _summary(command: CopyCommand, progress: Progress, seconds: float, path: str) -> None:
    if command.dry_run:
        return
    if command.as_json:
        print_json(summary_fields(progress, seconds, path))
        return
    if command.quiet or (progress.failed and not progress.files + progress.skipped + progress.folders):
        return
    say(displayable(summary_text(progress, "copied", seconds, path, verify=command.verify)))
    say_notes(progress)
