"""When the mount is gone, whoever took it away: the kernel does not say so while anybody still uses it.

Nor while another mount namespace, of a container for instance, has a copy of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from gimmal.agent.service.watching import MountEvents
from gimmal.base.own_mounts import own_mounts
from gimmal.base.workers import Workers

LOOK_SECONDS = 1.0
"""Most time between two looks; where the system tells of changes of its mounts, there is one at each."""


async def until_unmounted(path: Path, workers: Workers) -> None:
    """Return once nothing of gimmal's is mounted on a folder.

    Args:
        path: of the folder, without links.
        workers: for looking.
    """
    changed = asyncio.Event()
    events = MountEvents(changed.set)
    try:
        while path in await workers.call(own_mounts):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await changed.wait()
            changed.clear()
    finally:
        events.close()
