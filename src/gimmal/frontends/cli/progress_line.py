"""The line that shows a copy on a terminal, as wide as that is and never wider."""

from __future__ import annotations

from gimmal.frontends.cli.output import human_size
from gimmal.remote.estimating import Estimate
from gimmal.remote.progress import Progress

BAR_MOST, BAR_LEAST = 30, 8
NAME_MOST, NAME_LEAST = 40, 8
_GAP = "  "


def progress_line(progress: Progress, estimate: Estimate, width: int) -> str:
    """What a copy has done, how fast, and how long it will take; all on one line.

    What has no room is left out in this order: the name, the bar, the files, the rate.

    Args:
        progress: its counters; names in it are displayable.
        estimate: of the rest.
        width: columns of the terminal.
    """
    room = width - 1  # a line as wide as the terminal would begin another one on some
    parts = {
        "bytes": _bytes(progress),
        "rate": f"{human_size(int(estimate.bytes_a_second))}/s" if estimate.bytes_a_second else "",
        "files": _files(progress),
        "left": time_left(progress, estimate),
    }
    for needless in ("", "files", "rate", "left"):
        parts.pop(needless, None)
        text = _GAP.join(part for part in parts.values() if part)
        if len(text) <= room:
            break
    else:
        return text[: max(room, 0)]
    spare = room - len(text)
    bar = ""
    share = _share(progress)
    if share is not None and spare >= BAR_LEAST + len(_GAP):
        length = min(BAR_MOST, max(BAR_LEAST, spare // 2), spare - len(_GAP))
        done = int(length * share)
        bar = "━" * done + "─" * (length - done) + _GAP
        spare -= len(bar)
    name = progress.current.rpartition("/")[2]
    if name and spare >= NAME_LEAST + len(_GAP):
        text += _GAP + shortened(name, min(NAME_MOST, spare - len(_GAP)))
    return bar + text


def time_left(progress: Progress, estimate: Estimate) -> str:
    """How long it will take, and how far that can be trusted."""
    if progress.walked and _done(progress) >= progress.total_files:
        return "reading again" if progress.to_verify > progress.verified else ""
    if estimate.stalled:
        return f"no progress for {duration(estimate.stalled)}"
    if estimate.seconds is None:
        return ""
    # While more may be found to do than is known, the time for what is known is the least.
    doubt = "at least " if estimate.at_least else "" if estimate.sure else "maybe "
    return f"{doubt}{duration(estimate.seconds)} left"


def duration(seconds: float) -> str:
    """Time as a person says it, no more exact than it can be known."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} days"


def shortened(text: str, columns: int) -> str:
    """A displayable text in at most so many columns; what is cut ends in an ellipsis."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, columns - 1).rstrip() + "…"


def _bytes(progress: Progress) -> str:
    done = human_size(progress.bytes + progress.skipped_bytes)
    whole = human_size(progress.total_bytes)
    return f"{done} of {whole}" if progress.walked else f"{done} of {whole} or more"


def _files(progress: Progress) -> str:
    if progress.walked and progress.to_verify and _done(progress) >= progress.total_files:
        return f"{progress.verified:,}/{progress.to_verify:,} files read again"
    more = "" if progress.walked else "+"
    return f"{_done(progress):,}/{progress.total_files:,}{more} files"


def _done(progress: Progress) -> int:
    return progress.files + progress.skipped + progress.failed


def _share(progress: Progress) -> float | None:
    """The part of the bytes that is done; None while it cannot be said: a bar that shrinks back would be a lie."""
    if not progress.walked:
        return None
    if not progress.total_bytes:
        return 1.0
    return max(0.0, min(1.0, (progress.bytes + progress.skipped_bytes) / progress.total_bytes))
