"""``gimmal dav``: the other side's files as a network drive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach
    from gimmal.frontends.dav.login import Login
    from gimmal.frontends.dav.server import DavServer
    from gimmal.remote.files import Files


@click.command("dav")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen on this port; else on any that is free.")
@reach_options
def command(port: int | None, way: Way, as_json: bool) -> None:
    """Show the other side's files as a network drive (WebDAV) on this computer, until Ctrl-C.

    Prints where it is, with a user and a password that are made anew each time. Explorer, Finder, the file managers of
    Linux, davfs2 and rclone connect to it. gimmal writes nothing of the files to this computer's disk.
    """
    run_with_reach(way, lambda reach: _serve(reach, port or 0, as_json=as_json))


async def _serve(reach: Reach, port: int, *, as_json: bool) -> None:
    from gimmal.frontends.cli.waiting import until_told
    from gimmal.frontends.dav.login import new_login
    from gimmal.frontends.dav.server import DavServer
    from gimmal.frontends.dav.tree import ViewedTree
    from gimmal.remote.file_cache import FileCache
    from gimmal.remote.tree.view import TreeView

    reached = await reach.open()
    view = TreeView(reached.files, leads_there=reach.leads_there if reached.through_agent else None)

    async def files() -> Files:
        reached = await reach.open()
        return reached.files

    cache = FileCache(files)
    login = new_login()
    try:
        server = DavServer(ViewedTree(view, cache), login, port)
        try:
            await server.start()
            _tell(server, login, as_json=as_json)
            await until_told(reach)
        finally:
            await server.close()
    finally:
        await view.close()
        await cache.close()


def _tell(server: DavServer, login: Login, *, as_json: bool) -> None:
    from gimmal.frontends.cli.output import print_json, say

    if as_json:
        print_json({"event": "dav", "url": server.url, "user": login.user, "password": login.password})
    else:
        print(f"dav: {server.url}\nuser: {login.user}\npassword: {login.password}", flush=True)
    if not server.only_ours:
        say("note: who knows the password can read and write the files from this computer, other users included")
