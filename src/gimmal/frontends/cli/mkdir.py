"""``gimmal mkdir``: make folders."""

from __future__ import annotations

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_reaching


@click.command("mkdir")
@click.argument("paths", nargs=-1, required=True, metavar=":PATH...")
@click.option(
    "-p", "--parents", "parents", is_flag=True, help="Make missing parents too; no error where the folder is there."
)
@reach_options
def command(paths: tuple[str, ...], parents: bool, way: Way, as_json: bool) -> None:
    """Make each folder :PATH on the other side."""
    from gimmal.base.display import displayable
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.cli.reaching import raise_failures, remote_path
    from gimmal.protocol.codes import Code, error_of_code

    wanted = [remote_path(path) for path in paths]
    codes = run_reaching(way, lambda files: files.make_directories(wanted, parents=parents, exist_ok=parents))
    failures = [
        (displayable(":" + path), error_of_code(code, "").message)
        for path, code in zip(wanted, codes, strict=True)
        if code
    ]
    made = [":" + path for path, code in zip(wanted, codes, strict=True) if not code]
    if as_json and (made or not failures):
        print_json({"made": made})
    hints = {
        Code.EXISTS: "-p takes a folder that is there already",
        Code.NOT_FOUND: "make it in a share (`gimmal ls` shows them)"
        + ("" if parents else "; -p makes missing parents"),
    }
    raise_failures(failures, len(made), "made", hints)
