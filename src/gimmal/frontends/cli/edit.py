"""``gimmal edit``: edit a document of the other side in a program of one's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach
    from gimmal.frontends.edit.memory_folder import DocumentFolder
    from gimmal.frontends.edit.sending import DocumentCopy, Saved
    from gimmal.protocol.messages import Attributes
    from gimmal.remote.files import Files

_TEXT_LOOKED_AT = 8000


@click.command("edit")
@click.argument("path", metavar=":PATH")
@click.option(
    "--program",
    "program_name",
    metavar="COMMAND",
    help="The program to edit with; else $VISUAL or $EDITOR at a terminal, or what the desktop opens it with.",
)
@click.option("--on-disk", is_flag=True, help="Edit a copy on this computer's disk where memory has no room for it.")
@reach_options
def command(path: str, program_name: str | None, on_disk: bool, way: Way, as_json: bool) -> None:
    """Edit :PATH of the other side; each save sends what changed.

    The document lies in memory while it is edited, in a folder that is overwritten and removed at the end, also when
    the half is pulled out. Ends when the program does; the last save is at home by then, or kept on the half until the
    other side is back.
    """
    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.reaching import remote_path

    wanted = remote_path(path)
    if "/" not in wanted:
        raise UsageError("a share is no document", "write :SHARE/FOLDER/FILE; `gimmal ls` shows the shares")
    run_with_reach(way, lambda reach: _edit(reach, wanted, program_name, on_disk=on_disk, as_json=as_json))


async def _edit(reach: Reach, wanted: str, program_name: str | None, *, on_disk: bool, as_json: bool) -> None:
    from gimmal.base.errors import GimmalError, HalfGone
    from gimmal.frontends.cli.copy_progress import ProgressView
    from gimmal.frontends.cli.output import counted
    from gimmal.frontends.edit.editing import Editing, not_home
    from gimmal.frontends.edit.keeping import send_earlier
    from gimmal.frontends.edit.memory_folder import DocumentFolder, swap_in_use
    from gimmal.frontends.edit.program import find_program
    from gimmal.frontends.edit.sending import DocumentCopy
    from gimmal.remote.progress import Progress

    teller = _Teller(as_json=as_json)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    find_program(program_name, terminal=terminal, text=True)  # before anything is fetched
    reached = await reach.open(as_call=True)
    if earlier := await send_earlier(reach, reached.files):
        teller.note(f"{counted(earlier, 'file')} of earlier edits went home")
    path, attributes = await _find(reached.files, wanted)
    share = await reached.files.stat(path.partition("/")[0])
    folder = await reach.workers.call(_make_folder, DocumentFolder, attributes, on_disk)
    try:
        if not share.mode & 0o200:
            teller.note("this share grants reading only: no save can go home")
        if not folder.in_memory:
            teller.note(f"the copy lies on this computer's disk, in {folder.path}: it may be recovered from there")
        elif swap_in_use():
            teller.note("this computer may write memory to its swap space, also of what you edit")
        copy = DocumentCopy(reach, path, attributes, folder.path)
        progress = Progress()
        with ProgressView(progress, shown=sys.stderr.isatty()):
            await copy.fetch(progress)
        text = await reach.workers.call(_is_text, copy)
        program = find_program(program_name, terminal=terminal, text=text)
        teller.opened(program.name, attributes)
        editing = Editing(reach, copy, folder, program, teller, quiet=as_json)
        try:
            await editing.run()
        except HalfGone:
            raise
        except GimmalError as exc:
            if editing.failure is exc:
                raise not_home(exc, str(folder.keep())) from exc
            raise
        finally:
            await copy.close()
            teller.flush()
    finally:
        await reach.workers.call(folder.remove)


async def _find(files: Files, wanted: str) -> tuple[str, Attributes | None]:
    """The document, and what it is; None where it is to be made.

    Raises:
        UsageError: several fit.
        RemoteError: it is no file, or its folder is not there.
    """
    from gimmal.base.display import displayable_path
    from gimmal.base.errors import RemoteError, UsageError
    from gimmal.remote.matching import matching
    from gimmal.remote.reading import regular_file

    paths = await matching(files, wanted)
    if len(paths) != 1:
        raise UsageError(f"{len(paths):,} files match", "name one of them")
    try:
        return paths[0], await regular_file(files, paths[0])
    except RemoteError as exc:
        if exc.code == "link_refused" and (pointed_to := await _pointed_to(files, paths[0])):
            raise RemoteError(exc.code, exc.message, f"edit its target: {displayable_path(':' + pointed_to)}") from exc
        if exc.code != "not_found":
            raise
        try:
            await files.stat(paths[0].rpartition("/")[0])
        except RemoteError:
            raise exc from None
        return paths[0], None


async def _pointed_to(files: Files, link: str) -> str | None:
    """The file that a link of the other side points to, where it lies in the same share; only names it, for a person.

    Raises:
        UnreachableError: the other side cannot be asked.
    """
    from gimmal.base.errors import BadName, RemoteError
    from gimmal.base.paths import parse_shared_path
    from gimmal.remote.reading import regular_file

    try:
        target = (await files.stat(link)).target
        if not target or target.startswith("/"):
            return None
        share, *names = link.split("/")[:-1]
        for name in target.split("/"):
            if name == "..":
                if not names:
                    return None
                names.pop()
            elif name not in ("", "."):
                names.append(name)
        path = "/".join([share, *names])
        parse_shared_path(path)
        await regular_file(files, path)
    except (RemoteError, BadName):
        return None
    return path


def _make_folder(kind: type[DocumentFolder], attributes: Attributes | None, on_disk: bool) -> DocumentFolder:
    return kind.make(attributes.size if attributes is not None else 0, on_disk=on_disk)


def _is_text(copy: DocumentCopy) -> bool:
    try:
        with copy.file.open("rb") as file:
            return b"\0" not in file.read(_TEXT_LOOKED_AT)
    except OSError:
        return True


class _Teller:
    """See editing.Teller.

    Args:
        as_json: print events, at once.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._held: list[str] = []

    def opened(self, program: str, attributes: Attributes | None) -> None:
        """The program is about to be started."""
        from gimmal.base.display import displayable
        from gimmal.frontends.cli.output import human_size, print_json

        size = attributes.size if attributes is not None else None
        if self._as_json:
            print_json({"event": "opened", "program": program, "size": size})
        else:
            what = "a new document" if size is None else human_size(size)
            self._say(f"editing {what} with {displayable(program)}")

    def saved(self, saved: Saved) -> None:
        """See Teller."""
        from gimmal.base.display import displayable_path
        from gimmal.frontends.cli.output import human_size, print_json

        if self._as_json:
            found = {"sent": saved.sent, "size": saved.size, "conflict": saved.conflict or None}
            print_json({"event": "kept" if saved.waits else "saved", **found})
            return
        if saved.waits:
            where = "on the half" if saved.on_half else "on this computer, sealed"
            self._say(f"kept {where}, waiting for the other side: {saved.waits}")
            return
        self._say(f"saved {human_size(saved.sent)} of {human_size(saved.size)}")
        if saved.conflict:
            self._say(f"conflict: the other side has changed it too; yours is {displayable_path(':' + saved.conflict)}")

    def note(self, text: str) -> None:
        """See Teller."""
        from gimmal.frontends.cli.output import print_json

        if self._as_json:
            print_json({"event": "note", "text": text})
        else:
            self._say(f"note: {text}")

    def _say(self, line: str) -> None:
        self._held.append(line)
        if not _screen_is_taken():
            self.flush()

    def flush(self) -> None:
        """Say what was held back while a program had the screen."""
        from gimmal.frontends.cli.output import say

        for line in self._held:
            say(line)
        self._held.clear()


def _screen_is_taken() -> bool:
    """Whether a program draws on the terminal that our lines go to: it reads keys one by one then."""
    try:
        import termios

        return sys.stderr.isatty() and not termios.tcgetattr(sys.stderr.fileno())[3] & termios.ICANON
    except (ImportError, OSError, ValueError):
        return False
    except termios.error:  # no terminal any more
        return False
