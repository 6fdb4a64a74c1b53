"""Ends the use of a half before it is pulled out: its agent's process is gone when this returns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from pathlib import Path

from gimmal.agent.reach import Reach
from gimmal.agent.service.asking import NoServiceError, put_away
from gimmal.agent.service.messages import HalfNamed
from gimmal.base.display import displayable
from gimmal.base.errors import HalfInUse, LocalError, UsageError
from gimmal.base.programs import run_program
from gimmal.half.lockfile import HalfLock
from gimmal.half.reading import HalfHeader

ASK_SECONDS = 5.0
END_SECONDS = 10.0
FREE_SECONDS = 0.05
EJECT_SECONDS = 120.0
"""A slow stick may have much to write still."""

BUSY_TRIES, BUSY_SECONDS = 5, 0.1


async def end_use(reach: Reach) -> bool:
    """Have the agent of a half close all its connections and end, and the service start no other.

    Args:
        reach: of the half.

    Returns:
        Whether one was running.

    Raises:
        LocalError: it does not end, or does not answer.
    """
    running = False
    answered = await reach.ask_agent("unplug", ASK_SECONDS)
    if answered is not None:
        _reply, connection = answered
        running = True
        try:
            await _until_ended(connection, reach.header)
        finally:
            connection.close()
    # One that failed just now, and would be started again in a moment, too.
    with contextlib.suppress(NoServiceError):
        await reach.workers.call(put_away, HalfNamed(reach.header.pair_id, reach.header.side))
    return running


async def _until_ended(connection: socket.socket, header: HalfHeader) -> None:
    """Wait until the process at the other end is no more: not before that is the memory with its keys gone."""
    try:
        async with asyncio.timeout(END_SECONDS):
            process = _process_of(connection)
            if process < 0:
                await _until_free(header)
            elif process:
                await _readable(process)
    except TimeoutError:
        raise LocalError(
            "the agent of this half did not end in time", "pull the half out: that ends it, and every connection"
        ) from None


def _process_of(connection: socket.socket) -> int:
    """A descriptor of the process at the other end; 0 where it has ended, -1 where the system knows no such thing."""
    if not hasattr(socket, "SO_PEERCRED") or not hasattr(os, "pidfd_open"):
        return -1
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process, _user, _group = struct.unpack("3i", credentials)
    try:
        return os.pidfd_open(process)
    except ProcessLookupError:
        return 0
    except OSError:
        return -1


async def _readable(process: int) -> None:
    """Wait for the end of a process; its descriptor is closed then."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)


async def _until_free(header: HalfHeader) -> None:
    """Wait until nobody holds the lock of a half: the last that an agent gives up."""
    while True:
        try:
            HalfLock(header.pair_id, header.side).release()
            return
        except HalfInUse:
            await asyncio.sleep(FREE_SECONDS)


def eject(location: Path) -> Path:
    """Write out and unmount the disk at whose top a half lies; returns where it was mounted. May take minutes.

    Args:
        location: the folder ``GIMMAL``.

    Raises:
        UsageError: the half is no disk's: it lies in a folder.
        LocalError: the system does not unmount it.
    """
    disk = location.parent
    if not os.path.ismount(disk):
        raise UsageError(f"{displayable(str(disk))} is no disk that could be ejected", "leave --eject out")
    device = _device_of(disk)
    trouble = run_program("umount", "--", str(disk), seconds=EJECT_SECONDS)
    for _ in range(BUSY_TRIES):
        if "busy" not in trouble:
            break
        # The service looks at all disks, for a moment each time.
        time.sleep(BUSY_SECONDS)
        trouble = run_program("umount", "--", str(disk), seconds=EJECT_SECONDS)
    if trouble and device:
        # Where the desktop mounted it, the desktop lets its person unmount it.
        words = ("udisksctl", "unmount", "--no-user-interaction", "--block-device", device)
        trouble = run_program(*words, seconds=EJECT_SECONDS) and trouble
    if trouble:
        raise LocalError(
            f"the disk is still mounted: {trouble}", "close what uses it, and eject it in the file manager"
        )
    return disk


def _device_of(disk: Path) -> str:
    import psutil

    for partition in psutil.disk_partitions(all=True):
        if partition.mountpoint == str(disk):
            return str(partition.device)
    return ""
