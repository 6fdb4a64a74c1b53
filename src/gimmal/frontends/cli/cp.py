"""``gimmal cp``: copy files and folders, either way."""

from __future__ import annotations

import click

from gimmal.frontends.cli.compress_option import compress_option
from gimmal.frontends.cli.limit_option import limit_option
from gimmal.frontends.cli.queue_option import queue_option
from gimmal.frontends.cli.reaching import Way, reach_options


@click.command("cp")
@click.argument("paths", nargs=-1, required=True, metavar="SOURCE... TARGET")
@click.option("-r", "-R", "-a", "--recursive", "recursive", is_flag=True, help="Copy folders with all they hold.")
@click.option("-p", is_flag=True, expose_value=False, help="Times and modes are kept with it or without.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there and differ.")
@click.option("-u", "--update", is_flag=True, help="Replace files that are there and older.")
@click.option("--safe-links", is_flag=True, help="Leave out symbolic links that lead out of what is copied.")
@click.option("--no-xattr", is_flag=True, help="Leave extended attributes where they are.")
@click.option("--whole-file", is_flag=True, help="Send files whole, also where an older version is there.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--verify", is_flag=True, help="Read every file again from the target's disk, and compare.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86400 * 7),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the other side when it is not there.",
)
@limit_option
@compress_option
@queue_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
@reach_options
def command(
    paths: tuple[str, ...],
    recursive: bool,
    overwrite: bool,
    update: bool,
    safe_links: bool,
    no_xattr: bool,
    whole_file: bool,
    dry_run: bool,
    verify: bool,
    wait: float,
    limit: int | None,
    compress: bool | None,
    queue: bool,
    quiet: bool,
    way: Way,
    as_json: bool,
) -> None:
    """Copy files between this computer and the other side; `:PATH` names the other side.

    Times, modes, links, holes and extended attributes are kept, every byte is verified, nothing appears under its final
    name before it is whole, and nothing that is there is replaced without --overwrite or --update. Interrupted, the
    same command goes on where it was; a file already there with the same size and time counts as copied. With --queue
    the running agent does it (`gimmal transfers`).

    \b
    gimmal cp :Documents/report.odt .
    gimmal cp -r photos/ :Pictures
    """
    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.copying import CopyCommand, run_copy

    if len(paths) < 2:
        raise UsageError("cp needs a source and a target", "gimmal cp :share/file .")
    if overwrite and update:
        raise UsageError("--overwrite and --update contradict each other", "--update replaces only older files")
    run = run_copy
    if queue:
        from gimmal.frontends.cli.queueing import queue_copy as run
    run(
        CopyCommand(
            sources=paths[:-1],
            target=paths[-1],
            recursive=recursive,
            overwrite=overwrite,
            update=update,
            dry_run=dry_run,
            safe_links=safe_links,
            xattrs=not no_xattr,
            verify=verify,
            whole_files=whole_file,
            wait=wait,
            limit=limit,
            compress=compress,
            quiet=quiet,
            as_json=as_json,
        ),
        way,
    )
