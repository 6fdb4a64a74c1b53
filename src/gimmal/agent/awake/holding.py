"""The system's way to hold off sleep, whichever system it is."""

from __future__ import annotations

import sys
from typing import Protocol

from gimmal.base.errors import LocalError


class Hold(Protocol):
    """Sleep is held off until this is released, or the process ends, however it ends."""

    @property
    def lost(self) -> bool:
        """Whether the system has ended it."""

    def release(self) -> None:
        """Let the computer sleep again. Harmless twice."""


def hold_off_sleep() -> Hold:
    """Hold off sleep from idleness, or where the system asks; may block for seconds.

    Raises:
        LocalError: the system has no way, or refuses; the message says which.
    """
    platform = str(sys.platform)  # mypy would hold what is meant for other systems for unreachable
    if platform == "linux":
        from gimmal.agent.awake.logind import LogindHold

        return LogindHold()
    if platform == "darwin":
        from gimmal.agent.awake.caffeinate import CaffeinateHold

        return CaffeinateHold()
    if platform == "win32":
        from gimmal.agent.awake.windows_power import WindowsHold

        return WindowsHold()
    raise LocalError(f"gimmal does not know how to hold off sleep on {platform}", "set it in the system's settings")
