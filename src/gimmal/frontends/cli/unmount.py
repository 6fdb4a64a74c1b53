"""``gimmal unmount``: end what ``gimmal mount`` shows."""

from __future__ import annotations

import click

from gimmal.base.errors import LocalError, UsageError


@click.command("unmount")
@click.argument("folder", metavar="DIR")
def command(folder: str) -> None:
    """Take DIR away from all programs at once, also where some have files open in it, and end its `gimmal mount`."""
    import os
    from pathlib import Path

    from gimmal.base.display import displayable
    from gimmal.base.own_mounts import own_mounts
    from gimmal.frontends.fuse.mount_point import unmount

    # Not by asking the mount itself: it may be slow, or dead.
    path = Path(os.path.realpath(os.path.dirname(os.path.abspath(folder)))) / os.path.basename(os.path.abspath(folder))
    if path not in own_mounts():
        raise UsageError(f"gimmal has mounted nothing on {displayable(str(path))}", "mount shows what is mounted")
    if not unmount(path):
        raise LocalError(f"{displayable(str(path))} could not be unmounted", "fusermount3 -u DIR says why")
