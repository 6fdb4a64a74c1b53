"""How a queued transfer looks: lines for a person, an object for a program."""

from __future__ import annotations

from typing import Any

from gimmal.agent.queue.messages import TransferView
from gimmal.base.display import displayable
from gimmal.frontends.cli.notes import notes_of
from gimmal.frontends.cli.output import human_size, local_time
from gimmal.frontends.cli.reaching import hint_of
from gimmal.remote.verifying import HINT as VERIFY_HINT
from gimmal.remote.verifying import UNLIKE

_NANOSECONDS = 1_000_000_000


def lines_of(view: TransferView) -> list[str]:
    """What it is and how it stands, then what failed."""
    more = f" and {view.source_count - len(view.sources):,} more" if view.source_count > len(view.sources) else ""
    sources = ", ".join(displayable(source) for source in view.sources)
    lines = [
        f"{view.number:>3}  {_state(view)}; {_times(view)}",
        f"     {view.verb} {sources}{more} to {displayable(view.target)}",
        f"     {_moved(view)}",
    ]
    if view.message and view.message not in {f"{name}: {reason}" for name, reason in view.failures}:
        lines.append(f"     error: {displayable(view.message)}")
    lines += [f"     note: {note}" for note in notes_of(view.counts)]
    for what, items, count in (
        ("failed", view.failures, view.counts.failed),
        ("left out", view.left_out, view.counts.left_out),
    ):
        lines += [f"     {what}: {name}: {reason}" for name, reason in items]
        if count > len(items):
            lines.append(f"     {what}: {count - len(items):,} more")
    if hint := view.hint or _hint(view):
        lines.append(f"     hint: {displayable(hint)}")
    return lines


def json_of(view: TransferView) -> dict[str, Any]:
    """All of it; names are exact."""
    counts = view.counts
    return {
        "transfer": view.number,
        "kind": view.verb,
        "direction": view.direction,
        "sources": [_text(source) for source in view.sources],
        "source_count": view.source_count,
        "target": _text(view.target),
        "state": view.state,
        "running": view.running,
        "waiting_for": view.waiting_for,
        "files": counts.files,
        "bytes": counts.bytes,
        "total_files": counts.total_files,
        "total_bytes": counts.total_bytes,
        "total_known": counts.walked,
        "skipped": counts.skipped,
        "skipped_bytes": counts.skipped_bytes,
        "resumed_bytes": counts.resumed_bytes,
        "folders": counts.folders,
        "links": counts.links,
        "links_out": counts.links_out,
        "hard_links": counts.hard_links,
        "plain_links": counts.plain_links,
        "without_xattrs": counts.bare,
        "hole_bytes": counts.hole_bytes,
        "verified": counts.verified,
        "reused_bytes": counts.reused_bytes,
        "saved_bytes": counts.saved_bytes,
        "deleted": counts.deleted,
        "not_deleted": counts.not_deleted,
        "rate": round(view.rate),
        "remaining": round(view.remaining, 1) if view.remaining is not None else None,
        "queued": round(view.queued, 3),
        "ended": round(view.ended, 3) or None,
        "seconds": view.seconds,
        "path": view.path,
        "error": view.message,
        "hint": view.hint,
        "failed": counts.failed,
        "failures": [{"name": name, "reason": reason} for name, reason in view.failures],
        "left_out_count": counts.left_out,
        "left_out": [{"name": name, "reason": reason} for name, reason in view.left_out],
        "discarding": view.discarding,
    }


def _state(view: TransferView) -> str:
    if view.waiting_for:
        return f"{view.state} for {displayable(view.waiting_for)}"
    if view.discarding:
        return f"{view.state}, its part files are being removed"
    return view.state


def _hint(view: TransferView) -> str:
    """What `cp` would have said to do about the only thing that failed; may be empty."""
    if view.counts.failed != 1 or not view.failures:
        return ""
    reason = view.failures[0][1]
    return VERIFY_HINT if reason in UNLIKE else hint_of(reason)


def _moved(view: TransferView) -> str:
    counts = view.counts
    total = "" if counts.walked else "+"
    files = counts.files + counts.skipped
    size = counts.bytes + counts.skipped_bytes
    text = f"{files:,} of {max(files, counts.total_files):,}{total} files"
    text += f", {human_size(size)} of {human_size(max(size, counts.total_bytes))}{total}"
    if view.rate > 0:
        text += f", {human_size(int(view.rate))}/s"
    if view.remaining is not None:
        text += f", {_duration(view.remaining)} left"
    for count, what in (
        (counts.reused_bytes, "of it was there already"),
        (counts.hole_bytes, "of it holes"),
        (counts.saved_bytes, "less by compression"),
    ):
        if count:
            text += f", {human_size(count)} {what}"
    if counts.verified:
        text += f", {counts.verified:,} read again and good"
    if counts.deleted:
        text += f", {counts.deleted:,} deleted"
    return text


def _times(view: TransferView) -> str:
    text = f"queued {local_time(int(view.queued * _NANOSECONDS))}"
    if view.ended:
        text += f", ended {local_time(int(view.ended * _NANOSECONDS))}"
    return text


def _duration(seconds: float) -> str:
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
