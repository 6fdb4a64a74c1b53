"""``gimmal mount``: show the other side's files as a folder of this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gimmal.agent.reach import Reach

ASK_SECONDS = 2.0
"""What the agent on this computer may take to say what it shares."""


@click.command("mount")
@click.argument("folder", metavar="DIR")
@click.option("--background", is_flag=True, help="Give the terminal back once it is mounted.")
@click.option("--read-only", is_flag=True, help="Let no program change anything.")
@reach_options
def command(folder: str, background: bool, read_only: bool, way: Way, as_json: bool) -> int:
    """Show the other side's shares in DIR, an empty folder, until Ctrl-C, `gimmal unmount DIR`, or the half is pulled.

    Every program of yours on this computer can use them. Only what is read is fetched.
    """
    from gimmal.frontends.cli.background import in_background
    from gimmal.frontends.fuse.mount_point import check_fuse, check_mount_point

    check_fuse()
    path = check_mount_point(folder)

    def mount(ready: Callable[[], None]) -> None:
        run_with_reach(way, lambda reach: _mount(reach, path, ready, read_only=read_only, as_json=as_json))

    if background:
        return in_background(mount)
    mount(lambda: None)
    return 0


async def _mount(reach: Reach, path: Path, ready: Callable[[], None], *, read_only: bool, as_json: bool) -> None:
    import asyncio

    from gimmal.agent.editing import edited_tree
    from gimmal.base.display import displayable
    from gimmal.frontends.cli.ending import told_to_end
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.fuse.serving import Mount

    await _refuse_in_share(reach, path)
    async with edited_tree(reach) as tree, Mount(reach, tree, path, read_only=read_only).mounted() as over:
        if as_json:
            print_json({"event": "mounted", "path": str(path)})
        else:
            print(f"mounted: {displayable(str(path))}", flush=True)
        ready()
        ends: set[asyncio.Future[Any]] = {over, told_to_end()}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if over.done() and (failure := over.result()) is not None:
            raise failure


async def _refuse_in_share(reach: Reach, path: Path) -> None:
    """The other side would see its own files in what this computer shares with it, and in those its own again.

    Raises:
        UsageError: the folder lies in a share of the agent of this half.
    """
    from pathlib import Path

    from gimmal.base.display import displayable
    from gimmal.base.errors import UnreachableError, UsageError

    try:
        answered = await reach.ask_agent("status", ASK_SECONDS)
    except UnreachableError:
        return  # an agent that is just ending shares nothing
    if answered is None:
        return
    reply, connection = answered
    connection.close()
    shares = reply.status.get("shares")
    for share in shares if isinstance(shares, list) else ():
        folder = Path(share["path"])
        if path == folder or folder in path.parents:
            raise UsageError(
                f"{displayable(str(path))} lies in {displayable(str(folder))}, which you share with the other side",
                "choose a folder outside of it: the other side would see its own files there",
            )
