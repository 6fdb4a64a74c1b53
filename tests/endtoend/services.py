"""The service as a real process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.endtoend.processes import DEADLINE, Process
from tests.endtoend.world import RUN, Computer, World

OWN_MOUNTS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for failed in (libc.unshare(0x20000), libc.mount(b"none", b"/", None, 0x44000, None)):
    if failed:
        raise SystemExit(77)
"""
"""In front of a driver: what is mounted from now on is seen by that process and what it starts alone."""


class Service(Process):
    """``gimmal service run``."""

    def wait_state(self, half: Path, state: str, seconds: float = DEADLINE, after: int = 0) -> None:
        """Wait until it says that a half, named by the folder it lies in, is so."""
        self.wait_line(f"half: {half}/GIMMAL: {state}", seconds, after=after)


def start_service(
    world: World, computer: Computer, *folders: Path, own_mounts: bool = False, notify: bool = False, **more: Any
) -> Service:
    """Start the service and wait until it looks; it looks into ``folders`` besides mounted disks."""
    words = [word for folder in folders for word in ("--half", folder)]
    driver = OWN_MOUNTS + RUN if own_mounts else RUN
    service: Service = world.start(
        computer, "service", "run", *([] if notify else ["--no-notify"]), *words, kind=Service, driver=driver, **more
    )
    service.wait_line("ready: ")
    return service


def halves(world: World, computer: Computer) -> list[dict[str, Any]]:
    """What ``gimmal service status`` says of each half."""
    found: list[dict[str, Any]] = world.run(computer, "service", "status", "--json").object["halves"]
    return found
