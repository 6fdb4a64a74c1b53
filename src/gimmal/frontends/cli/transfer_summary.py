"""What a copy or a sync says of itself when it has ended: one set of facts for both, as JSON and as words."""

from __future__ import annotations

from typing import Any

from gimmal.frontends.cli.notes import notes_of
from gimmal.frontends.cli.output import counted, human_size, say
from gimmal.remote.progress import Progress


def summary_fields(progress: Progress, seconds: float, path: str) -> dict[str, Any]:
    """The fields of the ``summary`` event that copies and syncs have in common."""
    return {
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
        "reused_bytes": progress.reused_bytes,
        "saved_bytes": progress.saved_bytes,
        "verified": progress.verified,
        "seconds": round(seconds, 3),
        "path": path,
        "left_out": [{"name": name, "reason": reason} for name, reason in progress.left_out],
        "failed": progress.failed,
    }


def summary_text(progress: Progress, done: str, seconds: float, path: str, *, verify: bool) -> str:
    """The line of a summary.

    Args:
        progress: what came of it.
        done: what was done, as ``copied``.
        seconds: it took.
        path: how it travelled.
        verify: whether files were to be read again.
    """
    text = f"{done} {counted(progress.files, 'file')}, {human_size(progress.bytes)} in {seconds:.2f} s"
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
    if verify:
        text += f"; {progress.verified:,} read again and good"
    if progress.links:
        text += f"; {counted(progress.links, 'symbolic link')}"
    if progress.hard_links:
        text += f"; {counted(progress.hard_links, 'hard link')}"
    return text


def say_notes(progress: Progress) -> None:
    """What somebody should know who uses the copy."""
    for note in notes_of(progress):
        say(f"note: {note}")
