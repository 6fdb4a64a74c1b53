"""The person's own program for a document: which it is, how it is started, and who still has the document open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError
from gimmal.frontends.edit.side_files import is_lock_of

END_SECONDS = 0.3
"""What a program gets to end when the half is pulled out, until it is ended."""

HANDING_OVER = frozenset(("xdg-open", "open", "gio", "kde-open", "exo-open", "gnome-open"))
"""Programs that return as soon as another one has taken the document."""

# What is edited would else be written to the disk: swap files, registers, undone text.
_SILENT_VIM = ("-n", "-i", "NONE", "-c", "set noundofile nobackup")
_VIMS = frozenset(("vim", "vim.tiny", "vim.basic", "vim.nox", "vim.gtk3", "nvim"))

_LAST_EDITORS = ("editor", "nano", "vi")
_HINT = "--program 'NAME WORDS' names one"


@dataclass(frozen=True)
class Program:
    """A program that edits.

    Attributes:
        name: what it is called.
        words: the command; the document's path is put behind it.
    """

    name: str
    words: tuple[str, ...]

    @property
    def hands_over(self) -> bool:
        """Whether its end says nothing of when the person has done."""
        return self.name in HANDING_OVER


def find_program(wanted: str | None, *, terminal: bool, text: bool) -> Program:
    """The program named by the person or by the system.

    Args:
        wanted: command as a shell would split it, or None.
        terminal: the person sits at a terminal.
        text: the document is plain text, which editors for terminals are for.

    Raises:
        UsageError: there is no such program, or none at all.
    """
    if wanted is not None:
        return _named(wanted)
    desktop = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform == "darwin"
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if terminal and named and (text or not desktop):
        return _named(named)
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    if desktop and (program := shutil.which(opener)) is not None:
        return Program(opener, (program,))
    for name in _LAST_EDITORS if terminal else ():
        if (program := shutil.which(name)) is not None:
            return Program(name, (program,))
    unused = "" if terminal or not named else "; $VISUAL and $EDITOR count at a terminal only"
    raise UsageError("no program was found to edit with", _HINT + unused)


def _named(command: str) -> Program:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise UsageError(f"there is no program {displayable(command)!r}", _HINT)
    name = Path(words[0]).name
    return Program(name, (program, *(_SILENT_VIM if name in _VIMS else ()), *words[1:]))


async def start_program(
    program: Program, document: Path, temporary: Path, *, quiet: bool
) -> asyncio.subprocess.Process:
    """Start it with a document.

    Args:
        program: which.
        document: the file.
        temporary: where it may lay temporary files.
        quiet: stdout is for something else; its own goes to stderr.

    Raises:
        LocalError: it cannot be started.
    """
    try:
        return await asyncio.create_subprocess_exec(
            *program.words,
            str(document),
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=sys.stderr.fileno() if quiet else None,
        )
    except OSError as exc:
        reason = exc.strerror or "the system refused it"
        raise LocalError(f"{displayable(program.name)} cannot be started: {reason.lower()}", _HINT) from exc


async def end_program(process: asyncio.subprocess.Process) -> None:
    """End a program that still runs: what it holds of the document goes with it."""
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


def in_use(folder: Path, document: str) -> bool:
    """Whether some program has a document open: by its lock file, or by what the system says; may block.

    Args:
        folder: where it lies.
        document: its name.
    """
    with contextlib.suppress(OSError):
        if any(is_lock_of(name, document) for name in os.listdir(folder)):
            return True
    wanted = os.fsencode(folder / document)
    ours = os.getpid()
    with contextlib.suppress(OSError):
        for process in os.scandir(b"/proc"):
            if process.name.isdigit() and int(process.name) != ours and _has_open(process.path, wanted):
                return True
    return False


def _has_open(process: bytes, wanted: bytes) -> bool:
    with contextlib.suppress(OSError):  # another user's, or gone
        for entry in os.scandir(os.path.join(process, b"fd")):
            with contextlib.suppress(OSError):
                if os.readlink(entry.path) == wanted:
                    return True
    return False
