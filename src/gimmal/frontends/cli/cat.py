"""``gimmal cat``: print files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching

if TYPE_CHECKING:
    from gimmal.remote.files import Files


@click.command("cat")
@click.argument("paths", nargs=-1, required=True, metavar=":PATH...")
@reach_options
def command(paths: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Write the bytes of each :PATH on the other side to stdout, verified block by block."""
    from gimmal.frontends.cli.reaching import remote_path

    del as_json  # the bytes are the output; only an error is printed as JSON
    wanted = [remote_path(path) for path in paths]
    run_reaching(way, lambda files: _print(files, wanted))


async def _print(files: Files, paths: list[str]) -> None:
    import sys

    from gimmal.remote.reading import read_blocks

    out = sys.stdout.buffer
    for path in paths:
        async for block in read_blocks(files, path):
            for piece in block.pieces:
                out.write(piece.body)
            files.release(block)
    out.flush()
