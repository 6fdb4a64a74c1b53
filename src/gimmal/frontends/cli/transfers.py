"""``gimmal transfers``: what the agent's queue does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gimmal.frontends.cli.kept import ByDefault
from gimmal.frontends.cli.output import want_json

if TYPE_CHECKING:
    from gimmal.agent.queue.messages import TransferView

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

WATCH_SECONDS = 1.0
_NUMBER = re.compile("[1-9][0-9]{0,14}")


def _number(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """The number of a transfer, or ``all``, which is 0."""
    if value != "all" and _NUMBER.fullmatch(value) is None:
        raise click.BadParameter(f"{value!r} is neither the number of a transfer nor `all`", context, parameter)
    return 0 if value == "all" else int(value)


@click.group("transfers", cls=ByDefault, default="list", subcommand_metavar="[list|show|pause|resume|cancel|clear]")
def command() -> None:
    """Show and steer what `cp --queue` and `sync --queue` gave to the agent of this half.

    A few run at a time, the others wait in their order, all of them for as long as the other side is away. They go on
    when the agent is started again. N is the number of a transfer, or `all`.
    """


def _options(function: CommandT) -> CommandT:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--half", metavar="DIR", help="The half whose agent is meant; not needed when one is plugged in."),
    ):
        function = option(function)
    return function


@command.command("list")
@click.option("--watch", is_flag=True, help="Look again every second until Ctrl-C.")
@_options
def list_command(watch: bool, half: str | None, as_json: bool) -> None:
    """List all transfers, with the first failures of each."""
    import sys
    from contextlib import suppress
    from time import sleep

    want_json(as_json)
    if not watch:
        _print(_ask(half, "list"), as_json=as_json)
        return
    with suppress(KeyboardInterrupt):
        while True:
            views = _ask(half, "list")
            if sys.stdout.isatty() and not as_json:
                click.clear()
            _print(views, as_json=as_json)
            sys.stdout.flush()
            sleep(WATCH_SECONDS)


@command.command("show")
@click.argument("number", metavar="N", callback=_number)
@_options
def show_command(number: int, half: str | None, as_json: bool) -> None:
    """Show transfer N with all failures that were kept."""
    want_json(as_json)
    _print(_ask(half, "show", number), as_json=as_json)


@command.command("pause")
@click.argument("number", metavar="N", callback=_number)
@_options
def pause_command(number: int, half: str | None, as_json: bool) -> None:
    """Stop transfer N until it is resumed. What has arrived is kept."""
    want_json(as_json)
    _report(_ask(half, "pause", number), "paused", as_json=as_json)


@command.command("resume")
@click.argument("number", metavar="N", callback=_number)
@_options
def resume_command(number: int, half: str | None, as_json: bool) -> None:
    """Let transfer N go on. One that failed or was cancelled is tried again; `all` means those that are paused."""
    want_json(as_json)
    _report(_ask(half, "resume", number), "resumed", as_json=as_json)


@command.command("cancel")
@click.argument("number", metavar="N", callback=_number)
@click.option("--discard", is_flag=True, help="Remove its unfinished part files too.")
@_options
def cancel_command(number: int, discard: bool, half: str | None, as_json: bool) -> None:
    """End transfer N. Files that are whole stay; part files stay for another copy, unless --discard is given."""
    want_json(as_json)
    _report(_ask(half, "cancel", number, discard=discard), "cancelled", as_json=as_json)


@command.command("clear")
@_options
def clear_command(half: str | None, as_json: bool) -> None:
    """Forget the transfers that have ended. Without it they are listed for 30 days, at most 100."""
    want_json(as_json)
    _report(_ask(half, "clear"), "cleared", as_json=as_json)


def _ask(half: str | None, act: str, number: int = 0, *, discard: bool = False) -> list[TransferView]:
    """Put a question to the agent; what it concerns."""
    import asyncio

    from gimmal.agent.control import receive_message
    from gimmal.agent.queue.messages import Act, TransfersQuestion, TransferView
    from gimmal.agent.reach import Reach
    from gimmal.base.errors import DeadlinePassed
    from gimmal.frontends.cli.queueing import ASK_SECONDS, no_agent
    from gimmal.frontends.cli.reaching import Way, run_with_reach
    from gimmal.protocol.codec import decode_struct, encode

    question = TransfersQuestion(Act(act), number or None, discard)

    async def asking(reach: Reach) -> list[TransferView]:
        answered = await reach.ask_agent("transfers", ASK_SECONDS, encode(question))
        if answered is None:
            raise no_agent()
        reply, connection = answered
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return [decode_struct(TransferView, await receive_message(connection)) for _ in range(reply.count)]
        except TimeoutError:
            raise DeadlinePassed("the agent on this computer did not answer", "restart `gimmal up`") from None
        finally:
            connection.close()

    return run_with_reach(Way(half, None, None, None), asking)


def _print(views: list[TransferView], *, as_json: bool) -> None:
    from gimmal.frontends.cli.output import print_json, say
    from gimmal.frontends.cli.transfers_output import json_of, lines_of

    for view in views:
        if as_json:
            print_json(json_of(view))
        else:
            for line in lines_of(view):
                print(line)
    if not views and not as_json:
        say("no transfers are queued")


def _report(views: list[TransferView], done: str, *, as_json: bool) -> None:
    from gimmal.frontends.cli.output import print_json, say

    if as_json:
        print_json({done: [view.number for view in views]})
        return
    for view in views:
        print(f"{done}: transfer {view.number}")
    if not views:
        say(f"nothing was {done}")
