"""``gimmal cat``: print files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from typing import BinaryIO

    from gimmal.agent.reach import Reach
    from gimmal.remote.files import Block


@click.command("cat")
@click.argument("paths", nargs=-1, required=True, metavar=":PATH...")
@reach_options
def command(paths: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Write the bytes of each :PATH on the other side to stdout, verified block by block."""
    from gimmal.frontends.cli.reaching import raise_failures, remote_path
    from gimmal.protocol.codes import Code

    del as_json  # the bytes are the output; only an error is printed as JSON
    wanted = [remote_path(path) for path in paths]
    done, failures = run_with_reach(way, lambda reach: _print(reach, wanted))
    hints = {Code.IS_A_DIRECTORY: "`gimmal ls` lists a folder, `gimmal cp -r` copies it"}
    raise_failures(failures, done, "printed", hints)


async def _print(reach: Reach, paths: list[str]) -> tuple[int, list[tuple[str, str]]]:
    import sys

    from gimmal.base.errors import RemoteError
    from gimmal.frontends.cli.reaching import failure_of
    from gimmal.remote.matching import all_matching
    from gimmal.remote.reading import read_blocks

    files = (await reach.open(as_call=True)).files
    paths = await all_matching(files, paths)
    out = sys.stdout.buffer
    failures: list[tuple[str, str]] = []
    for path in paths:
        try:
            async for block in read_blocks(files, path):
                # In a thread: whoever reads our output may take hours, and the connection lives meanwhile.
                await reach.workers.bulk(_write, out, block)
                files.release(block)
        except RemoteError as exc:
            failures.append(failure_of(path, exc))
    await reach.workers.bulk(out.flush)
    return len(paths) - len(failures), failures


def _write(out: BinaryIO, block: Block) -> None:
    out.writelines(piece.body for piece in block.pieces)
