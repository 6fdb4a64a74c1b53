"""Takes the folder back where this process dies, however it does: a shell that waits for our end of a pipe to close.

fuse3's own way (auto_unmount) was tried: of some hundred processes that were killed it left a few mounts behind.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

WAIT_SECONDS = 2.0
"""For the shell to end when it is told to."""

_SCRIPT = (
    'trap "" INT TERM HUP QUIT; read -r _; for _ in 1 2 3 4 5; do fusermount3 -u -z -q -- "$0" && exit; sleep 0.2; done'
)


class Guard:
    """Of one mount; made before it is mounted.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        waits, self._tells = os.pipe()
        try:
            # A session of its own: what the person's terminal sends to us is not for it.
            self._shell = subprocess.Popen(  # noqa: S603 - our own words
                ["/bin/sh", "-c", _SCRIPT, os.fspath(path)],
                stdin=waits,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath)},  # nothing that tells of the half
                start_new_session=True,
            )
        except BaseException:
            os.close(self._tells)
            raise
        finally:
            os.close(waits)

    def dismiss(self) -> None:
        """The folder was taken back, or never mounted on: whatever is mounted there from now on is not ours."""
        self._shell.kill()
        self._shell.wait(WAIT_SECONDS)
        os.close(self._tells)
