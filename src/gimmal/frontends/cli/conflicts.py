"""``gimmal conflicts``: files that both sides have changed, until a person has decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gimmal.frontends.cli.kept import ByDefault
from gimmal.frontends.cli.output import print_json
from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gimmal.agent.reach import Reach
    from gimmal.base.errors import GimmalError
    from gimmal.remote.edits.conflict_list import Conflict, ConflictList
    from gimmal.remote.files import Files

_WHICH = "ID or :PATH"


@click.group("conflicts", cls=ByDefault, default="list", subcommand_metavar="[list|keep-mine|keep-theirs|keep-both]")
def command() -> None:
    """List files that both sides have changed, and decide which version stays.

    Nothing is lost where both sides change a file: what the other side has stands in its place, what was edited here
    beside it, under a name that says so.
    """


@command.command("list")
@reach_options
def list_(way: Way, as_json: bool) -> None:
    """List them, oldest first; needs no connection."""
    found = run_with_reach(way, _read)
    for conflict in found:
        if as_json:
            print_json(_json(conflict))
        else:
            _print(conflict)
    if not found and not as_json:
        from gimmal.frontends.cli.output import say

        say("no conflicts")


@command.command("keep-mine")
@click.argument("which", nargs=-1, required=True, metavar=_WHICH)
@reach_options
def keep_mine(which: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Put what was edited here in its place; the other side's version goes to the trash there."""

    async def settle(files: Files, conflicts: ConflictList, reach: Reach, conflict: Conflict) -> bool:
        from gimmal.remote.edits.settling import keep_mine

        return await keep_mine(files, conflicts, reach.workers, conflict)

    _settle(which, way, settle, "kept yours", as_json=as_json)


@command.command("keep-theirs")
@click.argument("which", nargs=-1, required=True, metavar=_WHICH)
@reach_options
def keep_theirs(which: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Leave the other side's version in its place; what was edited here goes to the trash there."""

    async def settle(files: Files, conflicts: ConflictList, reach: Reach, conflict: Conflict) -> bool:
        from gimmal.remote.edits.settling import keep_theirs

        return await keep_theirs(files, conflicts, reach.workers, conflict)

    _settle(which, way, settle, "kept theirs", as_json=as_json)


@command.command("keep-both")
@click.argument("which", nargs=-1, required=True, metavar=_WHICH)
@reach_options
def keep_both(which: tuple[str, ...], way: Way, as_json: bool) -> None:
    """Leave both where they are, and take them off the list; needs no connection."""

    async def settle(_files: Files, conflicts: ConflictList, reach: Reach, conflict: Conflict) -> bool:
        from gimmal.remote.edits.settling import keep_both

        await keep_both(conflicts, reach.workers, conflict)
        return True

    _settle(which, way, settle, "kept both", as_json=as_json, connects=False)


def _settle(
    which: tuple[str, ...],
    way: Way,
    settle: Callable[[Any, ConflictList, Reach, Conflict], Awaitable[bool]],
    done: str,
    *,
    as_json: bool,
    connects: bool = True,
) -> None:
    """Decide about some conflicts, and say what was done.

    Raises:
        GimmalError: one could not be settled; those before it are.
    """

    async def work(reach: Reach) -> None:
        from gimmal.base.display import displayable_path

        conflicts = await _list_of(reach)
        known = await reach.workers.call(conflicts.read)
        meant = [_named(known, one) for one in which]
        files = (await reach.open(as_call=True)).files if connects else None
        for conflict in meant:
            trashed = await settle(files, conflicts, reach, conflict)
            if as_json:
                print_json(_json(conflict) | {"settled": done.split()[1], "trashed": trashed})
            else:
                print(
                    f"{done}: {displayable_path(':' + conflict.path)}" + ("" if trashed else ", the other was removed")
                )

    run_with_reach(way, work)


async def _read(reach: Reach) -> list[Conflict]:
    return await reach.workers.call((await _list_of(reach)).read)


async def _list_of(reach: Reach) -> ConflictList:
    from gimmal.remote.edits.conflict_list import ConflictList
    from gimmal.remote.edits.journal import folders

    await reach.learn_keys()
    places = folders(reach.location, reach.journal_directory, reach.journal_key)
    return ConflictList(tuple(places), reach.journal_key)


def _named(known: list[Conflict], which: str) -> Conflict:
    """The conflict that a person means: by its identifier, or the beginning of it, or either of its paths.

    Raises:
        GimmalError: there is none, or there are several.
    """
    from gimmal.base.display import displayable
    from gimmal.base.errors import UsageError

    path = which.removeprefix(":").rstrip("/")
    if which.startswith(":"):
        found = [conflict for conflict in known if path in (conflict.path, conflict.mine)]
    else:
        found = [conflict for conflict in known if which and conflict.identifier.startswith(which)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} conflicts are named by {displayable(which)}", "`gimmal conflicts` shows an ID of each"
        )
    raise _none(displayable(which))


def _none(shown: str) -> GimmalError:
    from gimmal.base.errors import ExitCode, GimmalError

    error = GimmalError(f"{shown}: no such conflict", "`gimmal conflicts` lists them")
    error.exit_code = ExitCode.REFUSED
    return error


def _print(conflict: Conflict) -> None:
    from gimmal.base.display import displayable, displayable_path
    from gimmal.frontends.cli.output import local_time

    when = local_time(int(conflict.moment * 1e9))
    print(f"{conflict.identifier[:8]}  {displayable_path(':' + conflict.path)}")
    print(f"          yours, from {displayable(conflict.computer)}, {when}: {displayable_path(':' + conflict.mine)}")
    if not conflict.whole:
        print("          parts of it that you had not changed may be the other side's")


def _json(conflict: Conflict) -> dict[str, object]:
    return {
        "id": conflict.identifier,
        "path": conflict.path,
        "mine": conflict.mine,
        "computer": conflict.computer,
        "saved": conflict.moment,
        "whole": conflict.whole,
    }
