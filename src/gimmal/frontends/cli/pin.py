"""``gimmal pin``: keep folders of the other side with the half."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach


@click.command("pin")
@click.argument("paths", nargs=-1, metavar="[:PATH]...")
@reach_options
def command(paths: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Keep each :PATH with the half, sealed on it; without one, bring what is kept up to date.

    A mount then reads it from the half, and shows it when the other side is not reached.
    """
    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.reaching import remote_path

    wanted = [remote_path(path) for path in paths]
    if "" in wanted:
        raise UsageError("all shares at once cannot be kept", "write :SHARE or :SHARE/FOLDER")
    run_with_reach(way, lambda reach: _pin(reach, wanted, as_json=as_json))


async def _pin(reach: Reach, paths: list[str], *, as_json: bool) -> None:
    from gimmal.agent.pinned import FETCH_SECONDS, fetching, pinned_store
    from gimmal.base.display import displayable_path
    from gimmal.base.errors import RemoteError
    from gimmal.frontends.cli.copy_progress import ProgressView
    from gimmal.frontends.cli.output import counted, human_size, print_json
    from gimmal.frontends.cli.reaching import failure_of, raise_failures
    from gimmal.remote.pinned.bringing import bring_up_to_date
    from gimmal.remote.progress import Progress

    reached = await reach.open(as_call=True)
    for path in paths:
        await reached.files.stat(path)
    store = pinned_store(reach)
    new = await reach.workers.call(store.pin, paths)
    progress = Progress()
    with ProgressView(progress, shown=sys.stderr.isatty()):
        async with fetching(store, reach.workers, FETCH_SECONDS):
            try:
                outcome = await bring_up_to_date(reached.files, store, reach.workers, progress)
            except RemoteError as error:
                if error.code == "limit":  # it would be in the way of all that is pinned
                    for path in new:
                        await reach.workers.call(store.unpin, path)
                raise
    if as_json:
        print_json({"files": outcome.files, "size": outcome.size, "fetched": outcome.fetched})
    else:
        size, fetched = human_size(outcome.size), human_size(outcome.fetched)
        print(f"kept with the half: {counted(outcome.files, 'file')}, {size}; {fetched} came now")
        if not reach.header.has_password:
            print("note: this half has no password: whoever finds it can read what is kept on it", file=sys.stderr)
    failures = [failure_of(path, error) for path, error in outcome.failed]
    failures += [(displayable_path(":" + path), "nothing is there any more") for path in outcome.missing]
    failures += [(displayable_path(":" + path), "there is no room on the half") for path in outcome.no_room]
    raise_failures(failures, outcome.files, "kept")
