"""``gimmal stat``: what is known of a file or folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching

if TYPE_CHECKING:
    from gimmal.remote.files import Files


@click.command("stat")
@click.argument("paths", nargs=-1, required=True, metavar=":PATH...")
@reach_options
def command(paths: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Show kind, size, time and mode of each :PATH on the other side."""
    from gimmal.frontends.cli.reaching import raise_failures, remote_path

    wanted = [remote_path(path) for path in paths]
    done, failures = run_reaching(way, lambda files: _show(files, wanted, as_json=as_json))
    raise_failures(failures, done, "shown")


async def _show(files: Files, paths: list[str], *, as_json: bool) -> tuple[int, list[tuple[str, str]]]:
    import datetime

    from gimmal.base.display import displayable
    from gimmal.base.errors import RemoteError
    from gimmal.frontends.cli.listing import entry_json
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.cli.reaching import failure_of
    from gimmal.remote.matching import all_matching

    failures: list[tuple[str, str]] = []
    paths = await all_matching(files, paths)
    for path in paths:
        try:
            found = await files.stat(path)
        except RemoteError as exc:
            failures.append(failure_of(path, exc))
            continue
        if as_json:
            print_json(entry_json(":" + path, found))
            continue
        try:
            moment = datetime.datetime.fromtimestamp(found.mtime_ns / 1e9).astimezone().isoformat(" ", "seconds")
        except (OverflowError, OSError, ValueError):
            moment = "?"
        print(f"path: {displayable(':' + path)}")
        print(f"kind: {found.kind.name.lower()}")
        print(f"size: {found.size}")
        print(f"time: {moment}")
        print(f"mode: {found.mode:04o}")
        if found.target:
            print(f"target: {displayable(found.target)}")
    return len(paths) - len(failures), failures
