"""The person's player: which program it is, and how it is told what to play without others seeing it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gimmal.base.errors import LocalError, UsageError

PLAYER = "GIMMAL_PLAYER"
"""Environment variable that names the player."""

END_SECONDS = 0.3
"""What a player gets to end when the half is pulled out, until it is ended."""

TITLE_MAX = 1000
"""Bytes of a title that a player is given."""

# The playlist comes through a pipe: arguments can be read by every user of a computer. No place in the film, nothing
# of its contents, and in vlc no name is remembered.
_MPV = ("--ytdl=no", "--cache-on-disk=no", "--no-resume-playback", "--playlist=fd://{pipe}")
_VLC = ("--no-qt-recentplay", "--play-and-exit", "fd://{pipe}")
_TAKING_A_PIPE = {"mpv": _MPV, "vlc": _VLC, "cvlc": _VLC[1:]}
_SUBTITLES = {"mpv": "--sub-file=fd://{pipe}"}


@dataclass(frozen=True)
class Player:
    """A program that plays.

    Attributes:
        name: what it is called.
        program: the file.
    """

    name: str
    program: str

    @property
    def takes_pipe(self) -> bool:
        """Whether it is told the URL through a pipe; others get it as an argument, which other users see."""
        return self.name in _TAKING_A_PIPE

    @property
    def takes_subtitles(self) -> bool:
        """Whether it can be handed subtitles that lie in memory."""
        return self.name in _SUBTITLES and hasattr(os, "memfd_create")

    def words(self, url: str, pipe: int, subtitles: Sequence[int] = ()) -> list[str]:
        """The command that plays; its playlist is read from the descriptor ``pipe``, subtitles from theirs."""
        if not self.takes_pipe:
            return [self.program, url]
        known = _TAKING_A_PIPE[self.name]
        more = [_SUBTITLES[self.name].format(pipe=number) for number in subtitles]
        return [self.program, *more, *(word.format(pipe=pipe) for word in known)]


def find_player(wanted: str | None) -> Player | None:
    """The player named by the person, by GIMMAL_PLAYER, or found; None where none is and nobody named one.

    Raises:
        UsageError: there is no such program.
    """
    named = wanted or os.environ.get(PLAYER)
    if named:
        program = shutil.which(named)
        if program is None:
            raise UsageError(f"there is no player {named!r}", "--url-only prints a URL for any program")
        return Player(Path(named).name, program)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None  # nothing to show a film on
    found = ((name, shutil.which(name)) for name in ("mpv", "vlc"))
    return next((Player(name, program) for name, program in found if program), None)


async def start_player(
    player: Player, url: str, title: str, *, quiet: bool, subtitles: Sequence[bytes] = ()
) -> asyncio.subprocess.Process:
    """Start a player with its playlist.

    Args:
        player: the program.
        url: what it plays.
        title: displayable; shown by the player.
        quiet: stdout is for something else.
        subtitles: WebVTT, for a player that takes them.

    Raises:
        LocalError: it cannot be started.
    """
    # Short, so that it fits into the pipe before anybody reads.
    shown = title.encode()[:TITLE_MAX].decode(errors="ignore")
    reading, writing = os.pipe()
    try:
        os.write(writing, f"#EXTM3U\n#EXTINF:-1,{shown}\n{url}\n".encode())
    finally:
        os.close(writing)
    texts: list[int] = []
    try:
        for subtitle in subtitles if player.takes_subtitles else ():
            texts.append(_in_memory(subtitle))
        return await asyncio.create_subprocess_exec(
            *player.words(url, reading, texts),
            pass_fds=(reading, *texts) if player.takes_pipe else (),
            env=_environment(),
            stdout=asyncio.subprocess.DEVNULL if quiet else None,
        )
    except OSError as exc:
        reason = exc.strerror or "the system refused it"
        raise LocalError(f"{player.name} cannot be started: {reason.lower()}", "--url-only prints a URL") from exc
    finally:
        for descriptor in (reading, *texts):
            os.close(descriptor)


def _in_memory(content: bytes) -> int:
    """A descriptor that is read from the beginning of these bytes, which lie on no disk."""
    descriptor = os.memfd_create("gimmal")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _environment() -> dict[str, str]:
    """That of this process, with no proxy for this computer: players ask one even for what is served here, in clear."""
    environment = dict(os.environ)
    for name in ("no_proxy", "NO_PROXY"):
        environment[name] = ",".join(filter(None, (environment.get(name), "127.0.0.1,localhost")))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        environment.pop(name, None)
    return environment


async def end_player(process: asyncio.subprocess.Process) -> None:
    """End a player that still runs: what it holds of the file goes with it."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
                return
        process.kill()
    await process.wait()
