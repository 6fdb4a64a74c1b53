"""``gimmal ls``: list shares and folders."""

from __future__ import annotations

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching


@click.command("ls", context_settings={"help_option_names": ["--help"]})
@click.argument("paths", nargs=-1, metavar="[:PATH]...")
@click.option("-l", "long", is_flag=True, help="Show mode, size and time too.")
@click.option("-a", is_flag=True, expose_value=False, help="Names that begin with a dot are listed anyway.")
@click.option("-h", is_flag=True, expose_value=False, help="Sizes are for people anyway.")
@reach_options
def command(paths: tuple[str, ...], long: bool, way: Way, as_json: bool) -> None:
    """List what lies at :PATH on the other side; `:` alone lists the shares."""
    from gimmal.frontends.cli.listing import list_paths
    from gimmal.frontends.cli.reaching import raise_failures, remote_path

    wanted = [remote_path(path) for path in paths or (":",)]
    done, failures = run_reaching(way, lambda files: list_paths(files, wanted, long=long, as_json=as_json))
    raise_failures(failures, done, "listed")
