"""``gimmal pins``: what is kept with the half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach
    from gimmal.remote.pinned.store import Pinned


@click.command("pins")
@reach_options
def command(way: Way, as_json: bool) -> None:
    """List what is kept with the half: how much of it is there, and as of when. The other side is not asked."""
    from gimmal.base.display import displayable_path
    from gimmal.frontends.cli.output import counted, human_size, local_time, print_json

    for one in run_with_reach(way, _pins):
        if as_json:
            print_json(
                {
                    "path": ":" + one.path,
                    "files": one.files,
                    "kept": one.kept,
                    "size": one.size,
                    "kept_size": one.kept_size,
                    "as_of": one.at or None,
                }
            )
            continue
        if not one.at:
            state = "not fetched yet"
        elif one.kept == one.files:
            state = f"{counted(one.files, 'file')}, {human_size(one.size)}"
        else:
            state = f"{one.kept} of {counted(one.files, 'file')}, {human_size(one.kept_size)} of {human_size(one.size)}"
        when = local_time(one.at * 1_000_000_000) if one.at else ""
        print(f"{displayable_path(':' + one.path)}  {state}" + (f"  as of {when}" if when else ""))


async def _pins(reach: Reach) -> list[Pinned]:
    from gimmal.agent.pinned import pinned_store

    await reach.learn_keys()
    return await reach.workers.long(pinned_store(reach).state)
