"""The folder that is mounted on, and how the mount ends: never by waiting for those who use it."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

from gimmal.base.errors import LocalError, UsageError
from gimmal.base.own_mounts import SUBTYPE, own_mounts

MNT_DETACH = 2

UNMOUNT_SECONDS = 5.0
"""What fusermount3 may take; it does not wait for anybody."""

_OPTIONS = frozenset({"default_permissions", "nosuid", "nodev", f"subtype={SUBTYPE}"})

_UNPLAIN = re.compile(r"[^A-Za-z0-9._-]")
"""What tables of mounts and the options of one give a meaning of their own, or show each in its way."""


def options(pair_name: str, *, read_only: bool) -> frozenset[str]:
    """The options of a mount.

    Args:
        pair_name: shown as its source, by `df` for instance: `gimmal:NAME`, each character that is not plain as `_`.
        read_only: nothing may be changed.
    """
    source = f"fsname=gimmal:{_UNPLAIN.sub('_', pair_name)}"
    return _OPTIONS | {source} | ({"ro"} if read_only else set())


def check_mount_point(text: str) -> Path:
    """The folder to mount on.

    Raises:
        UsageError: it is none, holds something, or lies in a mount of gimmal's.
        LocalError: fuse is not to be had here.
    """
    from gimmal.base.display import displayable

    path = Path(os.path.realpath(text))
    if any(path == mount for mount in own_mounts()):
        raise UsageError(
            f"{displayable(str(path))} is mounted already", f"gimmal unmount {displayable(str(path))} ends it"
        )
    try:
        entries = os.listdir(path)
    except FileNotFoundError:
        raise UsageError(f"there is no folder {displayable(str(path))}", "make it first: mkdir DIR") from None
    except NotADirectoryError:
        raise UsageError(f"{displayable(str(path))} is no folder", "name an empty folder") from None
    except OSError as error:
        raise LocalError(f"{displayable(str(path))}: {error.strerror}", "name a folder of yours") from error
    if entries:
        raise UsageError(
            f"{displayable(str(path))} is not empty",
            "name an empty folder: what is in this one could not be seen meanwhile",
        )
    return path


def check_fuse() -> None:
    """See that this computer can mount.

    Raises:
        LocalError: what is missing.
    """
    try:
        import pyfuse3  # noqa: F401
    except ImportError:
        raise LocalError(
            "mounting needs pyfuse3, which is not installed",
            "apt-get install fuse3 libfuse3-dev gcc pkg-config, then pip install 'gimmal[mount]'",
        ) from None
    if shutil.which("fusermount3") is None:
        raise LocalError("mounting needs fusermount3, which is not installed", "apt-get install fuse3")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise LocalError("this computer does not let you mount: /dev/fuse cannot be opened", "modprobe fuse, as root")


def unmount(path: Path) -> bool:
    """Take the mount away at once, whoever uses it; whether there was one.

    Programs that have files open in it keep them until this process ends.
    """
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.umount2(os.fsencode(path), MNT_DETACH) == 0)
    program = shutil.which("fusermount3") or "fusermount3"
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [program, "-u", "-z", "-q", "--", os.fspath(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=UNMOUNT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
