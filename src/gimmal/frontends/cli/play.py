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
    from gimmal.frontends.stream.tracks import Track
    from gimmal.remote.file_cache import FileCache
    from gimmal.remote.files import Files

_EVER = 1e9
_SUBTITLE_SECONDS = 10.0


@click.command("play")
@click.argument("path", metavar=":PATH")
@click.option(
    "--player", "player_name", metavar="NAME", help="The program to play with; else $GIMMAL_PLAYER, mpv or vlc."
)
@click.option(
    "--height",
    type=click.Choice(["240", "360", "480", "720", "1080"]),
    help="Have the pictures made that high at home, where ffmpeg must be: for a slow line, and for any browser.",
)
@click.option("--url-only", is_flag=True, help="Start no program: print `play: URL`, and serve it until Ctrl-C.")
@reach_options
def command(path: str, player_name: str | None, height: str | None, url_only: bool, way: Way, as_json: bool) -> None:
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
    run_with_reach(way, lambda reach: _play(reach, wanted, player, height, url_only=url_only, as_json=as_json))


async def _play(
    reach: Reach, wanted: str, player: Player | None, height: str | None, *, url_only: bool, as_json: bool
) -> None:
    from gimmal.agent.pinned import KeptContents, pinned_store
    from gimmal.base.errors import UsageError
    from gimmal.frontends.stream.content_types import is_film
    from gimmal.frontends.stream.server import StreamServer
    from gimmal.frontends.stream.tracks import find_tracks
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
        tracks = await find_tracks(await files(), paths[0]) if is_film(paths[0]) else []
        server = StreamServer(cache, paths[0], reach.workers, tracks)
        try:
            url = server.url if height is None else await _converted(server, int(height))
            await server.start()
            if player is None:
                page = server.page if is_film(paths[0]) else None
                _tell_url(server, url, page, url_only=url_only, as_json=as_json)
                await _until_told(reach, None)
            else:
                subtitles = [await _subtitles(cache, track) for track in tracks] if player.takes_subtitles else []
                await _play_with(reach, server, url, player, paths[0], subtitles, as_json=as_json)
        finally:
            await server.close()
    finally:
        await cache.close()


async def _subtitles(cache: FileCache, track: Track) -> bytes:
    """A track; empty where it cannot be had, for the film can be seen without it."""
    from gimmal.base.errors import GimmalError
    from gimmal.frontends.cli.output import say
    from gimmal.frontends.stream.tracks import read_track

    try:
        return await read_track(cache, track, _SUBTITLE_SECONDS)
    except GimmalError as exc:
        say(f"note: subtitles are left out: {exc.message}")
        return b"WEBVTT\n"


async def _converted(server: StreamServer, height: int) -> str:
    """The URL of the film with pictures of that height, or with its own where they are lower.

    Raises:
        LocalError: the other side converts nothing of this file.
    """
    from gimmal.base.errors import LocalError
    from gimmal.frontends.stream.hls import heights, name_of

    film = await server.beside.parts.film()
    if film is None:
        raise LocalError("the other side converts nothing of this file", "leave out --height, or install ffmpeg there")
    lower = [offered for offered in heights(film) if offered and offered <= height]
    return f"{server.page}hls/{name_of(lower[0] if lower else heights(film)[0])}.m3u8"


def _tell_url(server: StreamServer, url: str, page: str | None, *, url_only: bool, as_json: bool) -> None:
    from gimmal.frontends.cli.output import print_json, say

    if as_json:
        print_json({"event": "play", "url": url} | ({"page": page} if page else {}))
    else:
        print(f"play: {url}", flush=True)
        if page:
            print(f"page: {page}", flush=True)
    if not url_only:
        say("note: no player was found; open the URL with a program of yours, Ctrl-C ends")
    if not server.only_ours:
        say("warning: every user of this computer who learns the URL can read the file")


async def _play_with(
    reach: Reach, server: StreamServer, url: str, player: Player, path: str, subtitles: list[bytes], *, as_json: bool
) -> None:
    from gimmal.base.display import displayable
    from gimmal.base.errors import LocalError
    from gimmal.frontends.cli.output import print_json, say
    from gimmal.frontends.cli.players import end_player, start_player

    if not player.takes_pipe and not server.only_ours:
        raise LocalError(
            f"{player.name} would show the URL to every user of this computer",
            "use mpv or vlc, or open what --url-only prints",
        )
    title = displayable(path.rpartition("/")[2])
    process = await start_player(player, url, title, quiet=as_json, subtitles=subtitles)
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
