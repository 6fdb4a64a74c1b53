"""Moments as a person says them: in local time, with the date only where it is not today's."""

from __future__ import annotations

import datetime


def clock_text(moment: float, now: float) -> str:
    """A moment in words: ``09:12`` today, ``2026-11-25 09:12`` on another day, ``?`` beyond all calendars.

    Args:
        moment: seconds since 1970.
        now: the same, of now.
    """
    try:
        found = datetime.datetime.fromtimestamp(moment).astimezone()
        today = datetime.datetime.fromtimestamp(now).astimezone().date()
    except (OverflowError, OSError, ValueError):
        return "?"
    return f"{found:%H:%M}" if found.date() == today else f"{found:%Y-%m-%d %H:%M}"
