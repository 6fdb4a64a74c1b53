"""macOS: a child ``caffeinate`` that ends with this process. Written by its manual, untested."""

from __future__ import annotations

import contextlib
import os
import subprocess

from gimmal.base.errors import LocalError

PROGRAM = "/usr/bin/caffeinate"
END_SECONDS = 1.0


class CaffeinateHold:
    """See ``holding.Hold``.

    Raises:
        LocalError: the program cannot be started.
    """

    def __init__(self) -> None:
        # -i: no sleep from idleness. -w: only as long as this process lives, however it ends.
        words = [PROGRAM, "-i", "-w", str(os.getpid())]
        try:
            self._child = subprocess.Popen(  # noqa: S603 - its own words alone
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as exc:
            raise LocalError(
                f"cannot start {PROGRAM}: {(exc.strerror or '').lower()}", "check that it is there"
            ) from exc

    @property
    def lost(self) -> bool:
        """See ``Hold``."""
        return self._child.poll() is not None

    def release(self) -> None:
        """See ``Hold``."""
        self._child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(END_SECONDS)
