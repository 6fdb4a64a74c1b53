"""``gimmal play``: play a film or a piece of music of the other side without copying it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    import asyncio

    from gimmal.agent.reach import Reach
    from gimmal.base.errors import GimmalError
    from gimmal.frontends.cli.players import Player
    from gimmal.frontends.stream.server import StreamServer
    from gimmal.remote.files import Files

_EVER = 1e9


@click.command("play")
@click.argument("path", metavar=":PATH")
@click.option(
    "--player", "player_name", metavar="NAME", help="The program to play with; else $GIMMAL_PLAYER, mpv or vlc."
)
@click.option("--url-only", is_flag=True, help="Start no program: print `play: URL`, and serve it until Ctrl-C.")
@reach_options
def command(path: str, player_name: str | None, url_only: bool, way: Way, as_json: bool) -> None:
    """Play :PATH of the other side, fetching only what is watched, and seeking in it.

    The file is served on this computer under a secret URL, to programs of the same user alone, until the player ends
    or the half is pulled out. gimmal writes nothing of it to this computer's disk.
    """
    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.players import find_player
    from gimmal.frontends.cli.reaching import remote_path

    if url_only and player_name is not None:
        raise UsageError("--url-only starts no player", "leave one of the two out")
    wanted = remote_path(path)
    player = None if url_only else find_player(player_name)
    run_with_reach(way, lambda reach: _play(reach, wanted, player, url_only=url_only, as_json=as_json))


async def _play(reach: Reach, wanted: str, player: Player | None, *, url_only: bool, as_json: bool) -> None:
    from gimmal.agent.pinned import KeptContents, pinned_store
    from gimmal.base.errors import UsageError
    from gimmal.frontends.stream.server import StreamServer
    from gimmal.remote.file_cache import FileCache
    from gimmal.remote.matching import all_matching

    async def files() -> Files:
        return (await reach.open()).files

    paths = await all_matching(await files(), [wanted])
    if len(paths) != 1:
        raise UsageError(f"{len(paths):,} files match", "name one of them")
    cache = FileCache(files, kept=KeptContents(pinned_store(reach), reach.workers))
    try:
        await cache.open(paths[0])
        server = StreamServer(cache, paths[0], reach.workers)
        try:
            await server.start()
            if player is None:
                _tell_url(server, url_only=url_only, as_json=as_json)
                await _until_told(reach, None)
            else:
                await _play_with(reach, server, player, paths[0], as_json=as_json)
        finally:
            await server.close()
    finally:
        await cache.close()


def _tell_url(server: StreamServer, *, url_only: bool, as_json: bool) -> None:
    from gimmal.frontends.cli.output import print_json, say

    if as_json:
        print_json({"event": "play", "url": server.url})
    else:
        print(f"play: {server.url}", flush=True)
    if not url_only:
        say("note: no player was found; open the URL with a program of yours, Ctrl-C ends")
    if not server.only_ours:
        say("warning: every user of this computer who learns the URL can read the file")


async def _play_with(reach: Reach, server: StreamServer, player: Player, path: str, *, as_json: bool) -> None:
    from gimmal.base.display import displayable
    from gimmal.base.errors import LocalError
    from gimmal.frontends.cli.output import print_json, say
    from gimmal.frontends.cli.players import end_player, start_player

    if not player.takes_pipe and not server.only_ours:
        raise LocalError(
            f"{player.name} would show the URL to every user of this computer",
            "use mpv or vlc, or open what --url-only prints",
        )
    process = await start_player(player, server.url, displayable(path.rpartition("/")[2]), quiet=as_json)
    try:
        if as_json:
            print_json({"event": "playing", "player": player.name})
        else:
            say(f"playing with {displayable(player.name)}")
        await _until_told(reach, process)
        if process.returncode:
            raise LocalError(
                f"{player.name} ended with status {process.returncode}", "--url-only prints a URL for another program"
            )
    finally:
        await end_player(process)


async def _until_told(reach: Reach, process: asyncio.subprocess.Process | None) -> None:
    """Wait until the player ends or the person ends us.

    Raises:
        HalfGone: the half was pulled out.
    """
    import asyncio
    import contextlib
    import signal

    from gimmal.base.tasks import Tasks

    loop, tasks = asyncio.get_running_loop(), Tasks()
    told: asyncio.Future[None] = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, _settle, told)
    gone = tasks.start(_until_gone(reach), "until the half is gone")
    ends: set[asyncio.Future[Any]] = {told, gone}
    if process is not None:
        ends.add(tasks.start(process.wait(), "player"))
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and (failure := gone.result()) is not None:
            raise failure
    finally:
        await tasks.close()


def _settle(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


async def _until_gone(reach: Reach) -> GimmalError | None:
    from gimmal.base.errors import GimmalError

    try:
        await reach.rest(_EVER)
    except GimmalError as exc:
        return exc
    return None
