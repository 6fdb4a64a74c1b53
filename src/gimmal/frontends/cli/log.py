"""``gimmal log``: what the other side did here, and what was done from here on the other side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.output import want_json
from gimmal.frontends.cli.passwords import half_password, password_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gimmal.agent.reach import Reach
    from gimmal.agent.use_log.reading import Unreadable
    from gimmal.agent.use_log.records import Record

ASK_SECONDS = 10.0


@click.command("log")
@click.option("--half", metavar="DIR", help="The half whose log is meant; not needed when one is plugged in.")
@click.option(
    "--since",
    metavar="TIME",
    help="Only what was done since: 30m, 12h, 7d before now, or 2026-11-26, or '2026-11-26 09:30'.",
)
@click.option("--all-names", is_flag=True, help="Print every name that was kept, not only the first of many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object for each entry.")
@password_options
def command(
    half: str | None,
    since: str | None,
    all_names: bool,
    as_json: bool,
    password_file: str | None,
    password_fd: int | None,
) -> None:
    """Show what the other side did on this computer: who, when, what was listed, read, changed and removed.

    Lines that begin with `from here` tell what commands of this computer did on the other side. Only the half opens
    the log, which is kept for each half and computer by itself; what the other side does, while `gimmal up` runs.
    """
    from gimmal.frontends.cli.log_output import json_of, lines_of, moment, says_since
    from gimmal.frontends.cli.output import print_json, say
    from gimmal.frontends.cli.reaching import Way, run_with_reach

    want_json(as_json)
    first = moment(since) if since is not None else None
    way = Way(half, None, None, half_password(password_file, password_fd))

    def show(records: Iterator[tuple[Record | Unreadable, bool]]) -> None:
        shown = False
        for record, own in records:
            if first is not None and not says_since(record, first):
                continue
            shown = True
            if as_json:
                print_json(json_of(record, own=own))
            else:
                for line in lines_of(record, all_names=all_names, own=own):
                    print(line)
        if not shown and not as_json:
            say("nothing is in the log" if first is None else "nothing is in the log since then")

    run_with_reach(way, lambda reach: _read(reach, way.password, show))


async def _read(
    reach: Reach, password: Callable[[], str] | None, show: Callable[[Iterator[tuple[Record | Unreadable, bool]]], None]
) -> None:
    from gimmal.agent.use_log.reading import read_both_logs

    directory, key, written = await _keys(reach, password)
    # In a thread: whoever reads our output may take hours, and the half may be pulled out meanwhile.
    await reach.while_there(reach.workers.long(show, read_both_logs(directory, key, written=written)))


async def _keys(reach: Reach, password: Callable[[], str] | None) -> tuple[Path, bytes, bool]:
    """Where the log lies, its key, and whether an agent writes it."""
    from gimmal.agent.plugged import journal_key_of, state_directory
    from gimmal.half.reading import open_half

    answered = await reach.ask_agent("log", ASK_SECONDS)
    if answered is not None:
        reply, connection = answered
        connection.close()
        return state_directory(reply.lineage), reply.journal_key, True
    half = await reach.workers.call(open_half, reach.location, password)
    return state_directory(half.lineage_id), journal_key_of(half), False
