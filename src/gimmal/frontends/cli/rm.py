"""``gimmal rm``: remove files and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching

if TYPE_CHECKING:
    from gimmal.remote.files import Files


@click.command("rm")
@click.argument("paths", nargs=-1, required=True, metavar=":PATH...")
@click.option("-r", "-R", "--recursive", "recursive", is_flag=True, help="Remove folders with all they hold.")
@click.option("-f", "--force", "force", is_flag=True, help="No error for what is not there.")
@reach_options
def command(paths: tuple[str, ...], recursive: bool, force: bool, way: Way, as_json: bool) -> None:
    """Remove each :PATH on the other side. What is removed is gone."""
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.cli.reaching import raise_failures, remote_path
    from gimmal.protocol.codes import Code

    wanted = [remote_path(path) for path in paths]

    async def work(files: Files) -> tuple[int, list[tuple[str, str]]]:
        from gimmal.remote.matching import all_matching
        from gimmal.remote.removing import remove

        return await remove(files, await all_matching(files, wanted), recursive=recursive, missing_ok=force)

    removed, failures = run_reaching(way, work)
    if as_json and (removed or not failures):
        print_json({"removed": removed})
    raise_failures(failures, removed, "removed", {Code.IS_A_DIRECTORY: "use -r for folders"})
