"""``gimmal tree``: list everything below a folder."""

from __future__ import annotations

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching


@click.command("tree")
@click.argument("path", default=":", metavar="[:PATH]")
@click.option("-l", "long", is_flag=True, help="Show mode, size and time too.")
@reach_options
def command(path: str, long: bool, way: Way, as_json: bool) -> None:
    """List everything below :PATH on the other side, folders before what they hold."""
    from gimmal.frontends.cli.listing import print_tree
    from gimmal.frontends.cli.reaching import raise_failures, remote_path

    wanted = remote_path(path)
    failures = run_reaching(way, lambda files: print_tree(files, wanted, long=long, as_json=as_json))
    raise_failures(failures, 1, "listed")
