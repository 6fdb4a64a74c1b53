"""``gimmal unplug``: end the use of a half, so that it may be pulled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.output import print_json, want_json
from gimmal.frontends.cli.reaching import Way, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach
    from gimmal.agent.unsent import Unsent


@click.command("unplug")
@click.option("--half", metavar="DIR", help="The half to unplug; not needed when one is plugged in.")
@click.option("--eject", is_flag=True, help="Also write out and unmount the disk that the half is on.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(half: str | None, eject: bool, as_json: bool) -> None:
    """End the agent of a half and all its connections, and say when the half may be pulled out.

    To pull it out without this is as safe for the keys. The service leaves the half alone until it was pulled out, or
    until `gimmal unlock`.
    """
    from pathlib import Path

    from gimmal.agent.unplugging import eject as eject_disk
    from gimmal.base.display import displayable
    from gimmal.frontends.cli.pulled import stand_down

    want_json(as_json)
    location, running, unsent = run_with_reach(Way(half, None, None, None), _end_use)
    # From here on nothing of this command looks at the disk, and that the half goes is what it does itself.
    stand_down(Path(location))
    mounted = eject_disk(Path(location)) if eject else None
    if as_json:
        edits = {"going_home": unsent.files, "on_this_computer": unsent.on_computer} if unsent is not None else None
        print_json({"half": location, "ended": running, "ejected": mounted is not None, "edits": edits})
    else:
        print("unplugged: every connection is closed" if running else "unplugged: no agent served it")
        if unsent is not None and unsent.files:
            from gimmal.frontends.cli.status import going_home

            print(f"edits: {going_home(unsent.files, unsent.on_computer)}")
        if mounted is not None:
            print(f"ejected: {displayable(str(mounted))}")


async def _end_use(reach: Reach) -> tuple[str, bool, Unsent | None]:
    """Where the half is, whether an agent ran, and what is not home yet, where its keys can be had."""
    import contextlib

    from gimmal.agent.safe import unsent_of
    from gimmal.agent.unplugging import end_use
    from gimmal.base.errors import GimmalError

    unsent = None
    with contextlib.suppress(GimmalError):
        await reach.learn_keys()  # the agent knows them while it runs
    running = await end_use(reach)
    with contextlib.suppress(GimmalError):
        unsent = await unsent_of(reach) if reach.journal_key else None
    return str(reach.location), running, unsent
