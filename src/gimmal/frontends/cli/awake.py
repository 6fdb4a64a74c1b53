"""``gimmal awake``: whether this computer stays awake while the other side is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gimmal.frontends.cli.kept import NEXT_TIME, ByDefault, kept_options, opened_half, tell_agent
from gimmal.frontends.cli.output import print_json, say, want_json

if TYPE_CHECKING:
    from gimmal.half.opened import OpenedHalf


@click.group("awake", cls=ByDefault, default="status", subcommand_metavar="[status|on|off]")
def command() -> None:
    """Choose whether this computer stays awake while the other side is connected.

    The choice is kept on this computer for the half, and holds for `gimmal up` and the service, also for one that runs.
    Closing the lid still lets a laptop sleep.
    """


@command.command("on")
@kept_options
def on(half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """Stay awake while the other side is connected, and for three minutes beyond."""
    _choose(opened_half(half, password_file, password_fd), awake=True, as_json=as_json)


@command.command("off")
@kept_options
def off(half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """Let this computer sleep whenever it wants to."""
    _choose(opened_half(half, password_file, password_fd), awake=False, as_json=as_json)


@command.command("status")
@kept_options
def status(half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """Show the choice, and whether sleep is held off now."""
    from gimmal.agent.awake.kept import KeptAwake
    from gimmal.frontends.cli.reaching import Way, run_with_reach
    from gimmal.frontends.cli.status import print_sleep

    want_json(as_json)
    opened = opened_half(half, password_file, password_fd)
    kept = KeptAwake(opened).read()

    async def ask(reach: Any) -> dict[str, Any] | None:
        answered = await reach.ask_agent("status", 5.0)
        if answered is None:
            return None
        reply, connection = answered
        connection.close()
        found: dict[str, Any] | None = reply.status.get("sleep")
        return found

    sleep = run_with_reach(Way(str(opened.location), None, None, None), ask)
    if as_json:
        print_json({"awake": kept, "sleep": sleep})
        return
    print(f"awake: {'on' if kept else 'off'}")
    if sleep is None:
        print("sleep: not held off, no agent serves this half")
    else:
        print_sleep(sleep)


def _choose(half: OpenedHalf, *, awake: bool, as_json: bool) -> None:
    from gimmal.agent.awake.kept import KeptAwake

    want_json(as_json)
    KeptAwake(half).write(awake)
    if not as_json:
        print(f"awake: {'on' if awake else 'off'}", flush=True)
    taken = tell_agent(half)
    at_once = taken is not None and taken.get("awake") is True
    if as_json:
        print_json({"awake": awake, "at_once": at_once})
    elif at_once:
        say("it holds at once")
    elif taken is not None:
        say(f"the running `gimmal up` was told --stay-awake, and keeps to that; {NEXT_TIME}")
    else:
        say(NEXT_TIME)
