"""``gimmal sync``: make a folder the mirror of another."""

from __future__ import annotations

from typing import Any

import click

from gimmal.frontends.cli.compress_option import compress_option
from gimmal.frontends.cli.limit_option import limit_option
from gimmal.frontends.cli.queue_option import queue_option
from gimmal.frontends.cli.reaching import Way, reach_options

_FILTERS = "gimmal.filters"
_FILTER_OPTIONS = ("exclude", "include", "filter_from")


class _InOrder(click.Command):
    """Keeps filters in the order in which they were typed, whichever option brought them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        values, _rest, order = self.make_parser(ctx).parse_args(list(args))
        left = {name: iter(values.get(name) or ()) for name in _FILTER_OPTIONS}
        ctx.meta[_FILTERS] = [
            (parameter.name, next(left[parameter.name])) for parameter in order if parameter.name in left
        ]
        return super().parse_args(ctx, args)


@click.command("sync", cls=_InOrder)
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option("--delete", is_flag=True, help="Delete from TARGET what SOURCE does not hold.")
@click.option("--no-trash", is_flag=True, help="What is replaced or deleted is gone, not in the trash.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out, as a line of .gitignore does.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Take in what a pattern before left out.")
@click.option("--filter-from", multiple=True, metavar="FILE", help="Patterns from a file, as .gitignore has them.")
@click.option("--yes", "confirmed", is_flag=True, help="Delete also where SOURCE is empty.")
@click.option("--safe-links", is_flag=True, help="Leave out symbolic links that lead out of SOURCE.")
@click.option("--no-xattr", is_flag=True, help="Leave extended attributes where they are.")
@click.option("--whole-file", is_flag=True, help="Send files whole, also where an older version is there.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done; change nothing.")
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
    source: str,
    target: str,
    delete: bool,
    dry_run: bool,
    no_trash: bool,
    confirmed: bool,
    limit: int | None,
    compress: bool | None,
    queue: bool,
    wait: float,
    whole_file: bool,
    no_xattr: bool,
    verify: bool,
    safe_links: bool,
    quiet: bool,
    way: Way,
    as_json: bool,
    **_filters: Any,
) -> None:
    """Make the folder TARGET hold what the folder SOURCE holds, one way; `:PATH` names the other side.

    Files that differ in size or time are replaced. Nothing is deleted without --delete, and nothing where copying
    failed in part or SOURCE could not be listed to its end. What is replaced or deleted lies in the trash of TARGET
    for 30 days (`gimmal trash`). The last pattern that fits decides; what is left out is never deleted. With --queue
    the running agent does it (`gimmal transfers`).

    \b
    gimmal sync --delete ~/Documents :backup/Documents
    gimmal sync --exclude '*.tmp' :Pictures ~/Pictures
    """
    from gimmal.frontends.cli.syncing import SyncCommand, run_sync
    from gimmal.remote.filters import including, patterns_of_file

    patterns: list[str] = []
    for name, value in click.get_current_context().meta[_FILTERS]:
        if name == "exclude":
            patterns.append(value)
        elif name == "include":
            patterns.append(including(value))
        else:
            patterns += patterns_of_file(value)
    run = run_sync
    if queue:
        from gimmal.frontends.cli.queueing import queue_sync as run
    run(
        SyncCommand(
            source=source,
            target=target,
            patterns=tuple(patterns),
            delete=delete,
            trash=not no_trash,
            dry_run=dry_run,
            confirmed=confirmed,
            wait=wait,
            quiet=quiet,
            as_json=as_json,
            limit=limit,
            compress=compress,
            xattrs=not no_xattr,
            verify=verify,
            safe_links=safe_links,
            whole_files=whole_file,
        ),
        way,
    )
