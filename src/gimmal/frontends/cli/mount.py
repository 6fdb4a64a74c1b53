"""``gimmal mount``: show the other side's files as a folder of this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from pathlib import Path

    from gimmal.agent.reach import Reach


@click.command("mount")
@click.argument("folder", metavar="DIR")
@reach_options
def command(folder: str, way: Way, as_json: bool) -> None:
    """Show the other side's shares in DIR, an empty folder, until Ctrl-C, `gimmal unmount DIR`, or the half is pulled.

    Every program on this computer that is yours can use them. Only what is read is fetched.
    """
    from gimmal.frontends.fuse.mount_point import check_fuse, check_mount_point

    check_fuse()
    path = check_mount_point(folder)
    run_with_reach(way, lambda reach: _mount(reach, path, as_json=as_json))


async def _mount(reach: Reach, path: Path, *, as_json: bool) -> None:
    import asyncio

    from gimmal.base.display import displayable
    from gimmal.frontends.cli.ending import told_to_end
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.fuse.serving import Mount

    async with Mount(reach, path).mounted() as over:
        if as_json:
            print_json({"event": "mounted", "path": str(path)})
        else:
            print(f"mounted: {displayable(str(path))}", flush=True)
        told = told_to_end()
        await asyncio.wait([over, told], return_when=asyncio.FIRST_COMPLETED)
        if over.done() and (failure := over.result()) is not None:
            raise failure
