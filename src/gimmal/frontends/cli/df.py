"""``gimmal df``: room on the other side's disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching

if TYPE_CHECKING:
    from gimmal.remote.files import Files


@click.command("df", context_settings={"help_option_names": ["--help"]})
@click.argument("paths", nargs=-1, metavar="[:PATH]...")
@click.option("-h", is_flag=True, expose_value=False, help="Sizes are for people anyway.")
@reach_options
def command(paths: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Show the room on the disk of each :PATH, without one of every share that may be looked at."""
    from gimmal.frontends.cli.reaching import raise_failures, remote_path

    wanted = [remote_path(path) for path in paths if path != ":"]
    shown, failures = run_reaching(way, lambda files: _show(files, wanted, as_json=as_json))
    raise_failures(failures, shown, "shown")


async def _show(files: Files, paths: list[str], *, as_json: bool) -> tuple[int, list[tuple[str, str]]]:
    from gimmal.base.display import displayable
    from gimmal.base.errors import RemoteError
    from gimmal.frontends.cli.listing import may_look
    from gimmal.frontends.cli.output import human_size, print_json
    from gimmal.frontends.cli.reaching import failure_of

    if not paths:
        paths = [entry.name async for page in files.entries("") for entry in page if may_look(entry)]
    if not as_json:
        print(f"{'size':>9} {'used':>9} {'available':>9}  path")
    failures: list[tuple[str, str]] = []
    for path in paths:
        try:
            room = await files.room(path)
        except RemoteError as exc:
            failures.append(failure_of(path, exc))
            continue
        if as_json:
            print_json({"path": ":" + path, "total": room.total, "free": room.free, "available": room.available})
        else:
            used = human_size(room.total - room.free)
            shown = displayable(":" + path)
            print(f"{human_size(room.total):>9} {used:>9} {human_size(room.available):>9}  {shown}")
    return len(paths) - len(failures), failures
