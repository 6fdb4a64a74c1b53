"""``gimmal dav``: the other side's files as a network drive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach
    from gimmal.frontends.dav.login import Login
    from gimmal.frontends.dav.server import DavServer


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
    import asyncio

    from gimmal.agent.editing import edited_tree
    from gimmal.base.tasks import Tasks
    from gimmal.frontends.cli.ending import told_to_end
    from gimmal.frontends.dav.login import new_login
    from gimmal.frontends.dav.server import DavServer
    from gimmal.frontends.dav.side import Side
    from gimmal.frontends.fuse.line import keep_reaching

    tasks, login = Tasks(), new_login()
    async with edited_tree(reach) as tree:
        server = DavServer(Side(tree, reach.leads_there), login, port)
        try:
            await tree.listing("")  # the other side answers, or nothing is shown
            await server.start()
            _tell(server, login, as_json=as_json)
            over = tasks.start(keep_reaching(reach, tree.view), "way to the other side")
            ends: set[asyncio.Future[Any]] = {over, told_to_end()}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                raise over.result()
        finally:
            await server.close()
            await tasks.close()


def _tell(server: DavServer, login: Login, *, as_json: bool) -> None:
    from gimmal.frontends.cli.output import print_json, say

    if as_json:
        print_json({"event": "dav", "url": server.url, "user": login.user, "password": login.password})
    else:
        print(f"dav: {server.url}\nuser: {login.user}\npassword: {login.password}", flush=True)
    if not server.only_ours:
        say("note: who knows the password can read and write the files from this computer, other users included")
