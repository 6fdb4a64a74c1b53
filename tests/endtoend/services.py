"""The service as a real process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.endtoend.processes import DEADLINE, Process
from tests.endtoend.world import RUN, Computer, World

NO_MOUNTS = 77
"""Exit code of a process that should have had mounts of its own and cannot."""

OWN_MOUNTS = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
failed = not hasattr(libc, "unshare") or libc.unshare(0x20000) or libc.mount(b"none", b"/", None, 0x44000, None)
if failed and "GIMMAL_NEEDS_MOUNTS" in os.environ:
    raise SystemExit({NO_MOUNTS})
if not failed:
    with open("/proc/self/mounts", "rb") as mounts:
        places = [line.split()[1].decode("unicode_escape").encode("latin-1") for line in mounts]
    for place in reversed(places):
        if place != b"/" and os.path.lexists(place + b"/GIMMAL"):
            libc.umount2(place, 2)
"""
"""In front of a driver: mounts made from now on elsewhere are not seen, those made here are seen by nobody else, and
sticks that are there already are gone. For a service in a test would else serve the halves that other tests mount."""


class Service(Process):
    """``gimmal service run``."""

    def wait_state(self, half: Path, state: str, seconds: float = DEADLINE, after: int = 0) -> None:
        """Wait until it says that a half, named by the folder it lies in, is so."""
        self.wait_line(f"half: {half}/GIMMAL: {state}", seconds, after=after)


def start_service(
    world: World, computer: Computer, *folders: Path, needs_mounts: bool = False, notify: bool = False, **more: Any
) -> Service:
    """Start the service and wait until it looks; it looks into ``folders`` besides mounted disks.

    Args:
        needs_mounts: it is ended with NO_MOUNTS where it cannot have mounts of its own.
        notify: it sends notices.
    """
    words = [word for folder in folders for word in ("--half", folder)]
    environment = more.pop("environment", {}) | ({"GIMMAL_NEEDS_MOUNTS": "1"} if needs_mounts else {})
    service: Service = world.start(
        computer,
        "service",
        "run",
        *([] if notify else ["--no-notify"]),
        *words,
        kind=Service,
        driver=OWN_MOUNTS + RUN,
        environment=environment,
        **more,
    )
    service.wait_line("ready: ")
    return service


def halves(world: World, computer: Computer) -> list[dict[str, Any]]:
    """What ``gimmal service status`` says of each half."""
    found: list[dict[str, Any]] = world.run(computer, "service", "status", "--json").object["halves"]
    return found
