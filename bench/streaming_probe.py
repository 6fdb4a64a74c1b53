"""Plays and reads a film of the other side and prints what it saw, a JSON object.

    python -m bench.streaming_probe seeks URL SIZE JUMPS       first bytes after jumps, the line idle and full before
    python -m bench.streaming_probe film URL SIZE JUMPS RATE   a film of RATE bits a second
    python -m bench.streaming_probe cache HALF FILM            4 KiB here and there, then all of it in order

The first two are a player's: they speak HTTP to what `gimmal play --url-only` serves. The third reads through the cache
that serves it, in this process and through the running agent, as the mount will.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from gimmal.agent.reach import Reach, ReachOptions
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files

_PIECE = 64 * 1024
_FULL_SECONDS = 1.5
_PLAYED_SECONDS = 4.0
"""Between two jumps."""

_START_SECONDS, _AHEAD_SECONDS = 0.5, 10.0
"""Of the film that a player wants to have before it starts, and holds at most."""

_RANDOM_READS = 200


class _Player:
    """One connection, from one place of the film to its end or the next jump."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first_byte: float) -> None:
        self.reader, self.writer, self.first_byte = reader, writer, first_byte

    @classmethod
    async def at(cls, url: str, place: int) -> _Player:
        parts = urlsplit(url)
        assert parts.hostname is not None
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nRange: bytes={place}-\r\n\r\n"
        writer.write(request.encode("ascii"))
        status = await reader.readline()
        assert status.startswith(b"HTTP/1.1 206 "), status
        while await reader.readline() != b"\r\n":
            pass
        await reader.readexactly(1)
        return cls(reader, writer, time.monotonic() - began)

    def leave(self) -> None:
        self.writer.transport.abort()


async def seeks(url: str, size: int, jumps: int) -> dict[str, list[float]]:
    """Seconds to the first byte after jumps: from a pause, and while the player takes all that comes."""
    draw = random.Random(1)
    found: dict[str, list[float]] = {"idle": [], "full": []}
    for before in found:
        for number in range(jumps + 2):
            player = await _Player.at(url, draw.randrange(size - (32 << 20)))
            if number >= 2:  # by then the line is known
                found[before].append(player.first_byte)
            until = time.monotonic() + _FULL_SECONDS
            while before == "full" and time.monotonic() < until and await player.reader.read(_PIECE):
                pass
            player.leave()
            if before == "idle":
                await asyncio.sleep(0.5)  # what was on the line is gone by then
    return found


async def film(url: str, size: int, jumps: int, rate: float) -> dict[str, list[float]]:
    """Seconds until it plays after each jump, and of each stall."""
    draw, rate = random.Random(2), rate / 8
    found: dict[str, list[float]] = {"starts": [], "stalls": []}
    for _ in range(jumps):
        jumped = time.monotonic()
        player = await _Player.at(url, draw.randrange(size - int(3 * _AHEAD_SECONDS * rate)))
        have = 1

        async def fetch(wanted: float, player: _Player = player) -> int:
            return len(await player.reader.readexactly(max(1, min(_PIECE, int(wanted)))))

        while have < _START_SECONDS * rate:
            have += await fetch(_PIECE)
        plays_since = time.monotonic()
        found["starts"].append(plays_since - jumped)
        while (played := time.monotonic() - plays_since) < _PLAYED_SECONDS:
            if have < played * rate:
                stalled = time.monotonic()
                while have < (played + _START_SECONDS) * rate:
                    have += await fetch(_PIECE)
                found["stalls"].append(time.monotonic() - stalled)
                plays_since += found["stalls"][-1]
            elif have < (played + _AHEAD_SECONDS) * rate:
                # As far as it comes: a player does not wait for bytes while it has some to show.
                try:
                    async with asyncio.timeout(0.02):
                        have += len(await player.reader.read(_PIECE))
                except TimeoutError:
                    pass
            else:
                await asyncio.sleep(0.02)
        player.leave()
    return found


async def cache(half: str, path: str) -> dict[str, float]:
    """Of random reads the median seconds and the bytes that came; of reading in order bytes a second."""
    async with Reach(ReachOptions(Path(half))) as reach:

        async def files() -> Files:
            return (await reach.open()).files

        made, draw = FileCache(files), random.Random(3)
        file = await made.open(path)
        session = (await reach.open()).session
        took = []
        with file.reader() as reader:
            before = session.moved[1]
            for _ in range(_RANDOM_READS):
                began = time.monotonic()
                await reader.read(draw.randrange(file.size - 4096), 4096)
                took.append(time.monotonic() - began)
            came = session.moved[1] - before
        with file.reader() as reader:
            began, at = time.monotonic(), 0
            while piece := await reader.read_some(at, 128 * 1024):
                at += len(piece)
            rate = at / (time.monotonic() - began)
        await made.close()
        return {"random": statistics.median(took), "came": came / _RANDOM_READS, "rate": rate}


def main() -> None:
    """One of the three."""
    what, *words = sys.argv[1:]
    if what == "seeks":
        work = seeks(words[0], int(words[1]), int(words[2]))
    elif what == "film":
        work = film(words[0], int(words[1]), int(words[2]), float(words[3]))
    else:
        work = cache(*words)  # type: ignore[assignment]
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        print(json.dumps(runner.run(work)))


if __name__ == "__main__":
    main()
