"""Handing a copy or a sync to the queue of the agent that serves this half."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from gimmal.agent.queue.order import CopyOrder, Order, SyncOrder, absolute, encode_order, prepare
from gimmal.base.errors import LocalError, UsageError
from gimmal.frontends.cli.compress_option import packing_of
from gimmal.frontends.cli.copying import CopyCommand, copy_options
from gimmal.frontends.cli.output import print_json, say
from gimmal.frontends.cli.reaching import Way, run_with_reach
from gimmal.frontends.cli.syncing import SyncCommand, sync_options

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach

ASK_SECONDS = 10.0


def queue_copy(command: CopyCommand, way: Way) -> None:
    """Queue a copy, and say its number.

    Raises:
        GimmalError: it makes no sense, or cannot be queued.
    """
    _check(way, dry_run=command.dry_run)
    folder = os.getcwd()
    order = CopyOrder(
        sources=[absolute(source, folder) for source in command.sources],
        target=absolute(command.target, folder),
        recursive=command.recursive,
        options=copy_options(command),
        limit=command.limit,
        packing=packing_of(command.compress),
    )
    _queue(order, way, quiet=command.quiet, as_json=command.as_json)


def queue_sync(command: SyncCommand, way: Way) -> None:
    """Queue a sync, and say its number.

    Raises:
        GimmalError: it makes no sense, or cannot be queued.
    """
    _check(way, dry_run=command.dry_run)
    folder = os.getcwd()
    order = SyncOrder(
        source=absolute(command.source, folder),
        target=absolute(command.target, folder),
        options=sync_options(command),
        patterns=[os.fsencode(pattern) for pattern in command.patterns],
        delete=command.delete,
        trash=command.trash,
        confirmed=command.confirmed,
        limit=command.limit,
        packing=packing_of(command.compress),
    )
    _queue(order, way, quiet=command.quiet, as_json=command.as_json)


def no_agent() -> LocalError:
    """The error where no agent runs that could be asked."""
    return LocalError("no agent runs for this half on this computer", "start `gimmal up` in another terminal first")


def _check(way: Way, *, dry_run: bool) -> None:
    if dry_run:
        raise UsageError("--queue and --dry-run contradict each other", "leave one of the two out")
    if way.at is not None or way.path is not None:
        raise UsageError("--queue goes the agent's way", "leave out --at and --path; `gimmal up` takes --at")
    if click.get_current_context().get_parameter_source("wait") is ParameterSource.COMMANDLINE:
        raise UsageError("--queue waits for ever", "leave out --wait; `gimmal transfers cancel` ends a transfer")


def _queue(order: Order, way: Way, *, quiet: bool, as_json: bool) -> None:
    # What cannot be done is said here and now; the agent looks again when its turn comes.
    missing = prepare(order, make=False).missing
    body = encode_order(order)
    number = run_with_reach(way, partial(_hand_over, body=body))
    if as_json:
        print_json({"transfer": number})
    elif not quiet:
        for name, reason in missing:
            say(f"warning: {name}: {reason}")
        print(f"queued: transfer {number}")


async def _hand_over(reach: Reach, body: bytes) -> int:
    answered = await reach.ask_agent("queue", ASK_SECONDS, body)
    if answered is None:
        raise no_agent()
    reply, connection = answered
    connection.close()
    return reply.number
