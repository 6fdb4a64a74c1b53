"""How long tests wait, and who judges how long something took: a busy machine fails nobody."""

from __future__ import annotations

import os

from tests.figures import figure

PATIENCE = 120.0
"""Seconds for what is expected to come at once: only what never comes takes so long, on however busy a machine."""

LEAST = 15.0
"""Seconds that a busy machine may take for anything."""

ALONE = os.environ.get("GIMMAL_CAMPAIGN") == "full"


def within(seconds: float, most: float, what: str = "") -> bool:
    """Whether it took no longer than promised.

    The campaign, which has the machine for itself, judges by the promise. Elsewhere the seconds say first of all how
    busy the machine is: ten times as many are allowed, and the words and counts beside this show what was waited for.

    Args:
        seconds: it took.
        most: seconds that are promised.
        what: name of the figure to report, where one is.
    """
    if what:
        figure(what, round(seconds, 3), f"<= {most:g} s")
    return seconds <= (most if ALONE else max(10 * most, LEAST))
