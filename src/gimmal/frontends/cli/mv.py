"""``gimmal mv``: rename and move on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching

if TYPE_CHECKING:
    from gimmal.remote.files import Files


@click.command("mv")
@click.argument("paths", nargs=-1, required=True, metavar=":SOURCE... :TARGET")
@click.option("--overwrite", is_flag=True, help="Replace a file that is already there.")
@reach_options
def command(paths: tuple[str, ...], overwrite: bool, way: Way, as_json: bool) -> None:
    """Move each :SOURCE on the other side to :TARGET, or into it where it is a folder. Within one share."""
    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.cli.reaching import raise_failures, remote_path
    from gimmal.protocol.codes import Code

    if len(paths) < 2:
        raise UsageError("mv needs a source and a target", "gimmal mv :share/old :share/new")
    sources = [remote_path(path) for path in paths[:-1]]
    target = remote_path(paths[-1])
    moved, failures = run_reaching(
        way, lambda files: _move(files, sources, target, into=paths[-1].endswith("/"), overwrite=overwrite)
    )
    if as_json and (moved or not failures):
        print_json({"moved": moved})
    hints = {Code.EXISTS: "use --overwrite to replace a file, or another name"}
    raise_failures(failures, moved, "moved", hints)


async def _move(
    files: Files, sources: list[str], target: str, *, into: bool, overwrite: bool
) -> tuple[int, list[tuple[str, str]]]:
    from gimmal.base.display import displayable
    from gimmal.base.errors import RemoteError
    from gimmal.protocol.messages import Replace
    from gimmal.remote.matching import all_matching
    from gimmal.remote.placing import is_folder

    sources = await all_matching(files, sources)
    folder = await is_folder(files, target)
    if (into or len(sources) > 1) and not folder:
        raise RemoteError("not_a_directory", f"{displayable(':' + target)}: not a folder", "make it with mkdir first")
    moved = 0
    failures: list[tuple[str, str]] = []
    for source in sources:
        if "/" not in source:
            failures.append((displayable(":" + source), "a share itself cannot be moved"))
            continue
        final = f"{target}/{source.rpartition('/')[2]}" if folder else target
        try:
            await files.rename(source, final, Replace.ALWAYS if overwrite else Replace.NEVER)
            moved += 1
        except RemoteError as exc:
            # The answer names one of the two, and cannot tell which is the cause.
            shown = f"{displayable(':' + source)} to {displayable(':' + final)}"
            failures.append((shown, exc.message.removeprefix(f"{displayable(':' + final)}: ")))
    return moved, failures
