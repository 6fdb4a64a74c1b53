"""``gimmal unpin``: keep a folder with the half no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach


@click.command("unpin")
@click.argument("paths", nargs=-1, required=True, metavar=":PATH...")
@reach_options
def command(paths: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Keep each :PATH with the half no more, and remove what was kept of it. The other side is not asked."""
    from gimmal.frontends.cli.output import print_json
    from gimmal.frontends.cli.reaching import remote_path

    wanted = [remote_path(path) for path in paths]
    run_with_reach(way, lambda reach: _unpin(reach, wanted))
    if as_json:
        print_json({"unpinned": len(wanted)})


async def _unpin(reach: Reach, paths: list[str]) -> None:
    from gimmal.agent.pinned import FETCH_SECONDS, fetching, pinned_store
    from gimmal.base.display import displayable_path
    from gimmal.base.errors import UsageError

    await reach.learn_keys()
    store = pinned_store(reach)
    for path in paths:
        if not await reach.workers.call(store.unpin, path):
            raise UsageError(f"{displayable_path(':' + path)} is not pinned", "`gimmal pins` lists what is")
    async with fetching(store, reach.workers, FETCH_SECONDS):
        await reach.workers.long(store.prune)
