"""``gimmal shares``: what this computer shares with a pair, kept for each plugging in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.base.errors import UsageError
from gimmal.frontends.cli.kept import NEXT_TIME, ByDefault, kept_options, opened_half, tell_agent
from gimmal.frontends.cli.output import print_json, say, want_json

if TYPE_CHECKING:
    from gimmal.agent.kept_shares import KeptShare, KeptShares
    from gimmal.half.opened import OpenedHalf


@click.group("shares", cls=ByDefault, default="list", subcommand_metavar="[list|add|remove]")
def command() -> None:
    """Show and change the folders of this computer that the other side of a pair may see.

    They are kept on this computer, sealed with the half, and hold for `gimmal up` without --share and for the service,
    also for one that runs.
    """


@command.command("list")
@kept_options
def list_command(half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """List the shares with their rights; those whose folder is gone are marked."""
    from gimmal.base.display import displayable

    want_json(as_json)
    for share in _kept(opened_half(half, password_file, password_fd)).read():
        fault = _fault_of(share)
        if as_json:
            print_json(_facts(share) | {"fault": fault})
        else:
            mark = f" ({fault})" if fault else ""
            print(f"{displayable(share.name)} {share.rights.value} {displayable(str(share.path))}{mark}")


@command.command("add")
@click.argument("share", metavar="[NAME=]PATH[:ro|:rw|:drop]")
@click.option("--whole-home", is_flag=True, help="Share the home folder itself, or one that holds it, all the same.")
@kept_options
def add(
    share: str,
    whole_home: bool,
    half: str | None,
    as_json: bool,
    password_file: str | None,
    password_fd: int | None,
) -> None:
    """Keep a share: rw grants all rights (default), ro list and read, drop only create.

    A share of the same name and folder gets the new rights.
    """
    from gimmal.agent.kept_shares import KeptShare, refuse_odd_places
    from gimmal.base.display import displayable
    from gimmal.half.plugged import find_plugged
    from gimmal.share.shares import parse_share

    want_json(as_json)
    parsed = parse_share(share)
    refuse_odd_places(parsed, find_plugged(), whole_home=whole_home)
    opened = opened_half(half, password_file, password_fd)
    new = KeptShare(parsed.name, parsed.path, parsed.rights)
    _kept(opened).change(lambda before: [one for one in before if (one.name, one.path) != (new.name, new.path)] + [new])
    if not as_json:
        print(f"share: {displayable(new.name)} {new.rights.value} {displayable(str(new.path))}", flush=True)
    at_once = _holds_at_once(opened, as_json=as_json)
    if as_json:
        print_json(_facts(new) | {"at_once": at_once})


@command.command("remove")
@click.argument("name", metavar="NAME")
@kept_options
def remove(name: str, half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """Keep the share NAME no longer. Its folder is not touched."""
    from gimmal.base.display import displayable

    want_json(as_json)

    def without(before: list[KeptShare]) -> list[KeptShare]:
        left = [one for one in before if one.name != name]
        if len(left) == len(before):
            raise UsageError(f"no share is called {displayable(name)}", "gimmal shares list shows what there is")
        return left

    opened = opened_half(half, password_file, password_fd)
    _kept(opened).change(without)
    if not as_json:
        print(f"removed: {displayable(name)}", flush=True)
    at_once = _holds_at_once(opened, as_json=as_json)
    if as_json:
        print_json({"removed": name, "at_once": at_once})


def _holds_at_once(half: OpenedHalf, *, as_json: bool) -> bool:
    """Have a running agent take up the change, and say from when on it holds."""
    taken = tell_agent(half)
    at_once = taken is not None and taken.get("shares") is True
    left_out = [str(reason) for reason in given] if taken and isinstance(given := taken.get("left_out"), list) else []
    if not as_json:
        if at_once:
            say("it holds at once")
            for reason in left_out:
                say(f"but left out: {reason}")
        elif taken is not None:
            say(f"the running `gimmal up` keeps to the shares that were named for it; {NEXT_TIME}")
        else:
            say(NEXT_TIME)
    return at_once


def _kept(half: OpenedHalf) -> KeptShares:
    from gimmal.agent.kept_shares import KeptShares

    return KeptShares(half)


def _fault_of(share: KeptShare) -> str:
    try:
        share.opened()
    except UsageError as exc:
        return exc.message
    return ""


def _facts(share: KeptShare) -> dict[str, object]:
    return {"name": share.name, "path": str(share.path), "rights": share.rights.value}
