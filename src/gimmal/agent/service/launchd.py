"""The property list for launchd of macOS. Written by its documentation and tested as a document only."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence

LABEL = "org.gimmal.service"


def launchd_list(command: Sequence[str]) -> str:
    """The text of the property list.

    Args:
        command: words that run the supervisor; the first is an absolute path.
    """
    value = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        # Started again where it failed, not where it was told to stop.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 15,
        "ProcessType": "Background",
        "HardResourceLimits": {"Core": 0},
    }
    return plistlib.dumps(value).decode()
