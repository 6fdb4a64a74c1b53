"""Windows: the execution state of a thread of its own. Written by Microsoft's reference, untested."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

from gimmal.base.errors import LocalError

CONTINUOUS = 0x80000000
SYSTEM_REQUIRED = 0x00000001
END_SECONDS = 1.0


class WindowsHold:
    """See ``holding.Hold``. The state belongs to the thread that set it, and ends with it.

    Raises:
        LocalError: Windows refuses.
    """

    def __init__(self) -> None:
        self._set: Any = ctypes.WinDLL("kernel32").SetThreadExecutionState  # type: ignore[attr-defined, unused-ignore]
        self._set.argtypes, self._set.restype = [ctypes.c_uint], ctypes.c_uint
        self._begun, self._over = threading.Event(), threading.Event()
        self._refused = False
        self._thread = threading.Thread(target=self._hold, name="gimmal-awake", daemon=True)
        self._thread.start()
        self._begun.wait()
        if self._refused:
            raise LocalError("Windows does not let gimmal hold off sleep", "set it in the system's settings")

    @property
    def lost(self) -> bool:
        """See ``Hold``."""
        return not self._thread.is_alive()

    def release(self) -> None:
        """See ``Hold``."""
        self._over.set()
        self._thread.join(END_SECONDS)

    def _hold(self) -> None:
        self._refused = not self._set(CONTINUOUS | SYSTEM_REQUIRED)
        self._begun.set()
        if not self._refused:
            self._over.wait()
            self._set(CONTINUOUS)
