"""``gimmal shares``: what this computer shares with a pair, kept for each plugging in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gimmal.base.errors import UsageError
from gimmal.frontends.cli.output import print_json, say, want_json
from gimmal.frontends.cli.passwords import half_password, password_options

if TYPE_CHECKING:
    from gimmal.agent.kept_shares import KeptShare, KeptShares

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class _ListByDefault(click.Group):
    """``gimmal shares`` means ``gimmal shares list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not (args and (args[0] in self.commands or args[0] in ("-h", "--help"))):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("shares", cls=_ListByDefault, subcommand_metavar="[list|add|remove]")
def command() -> None:
    """Show and change the folders of this computer that the other side of a pair may see.

    They are kept on this computer, sealed with the half, and hold for `gimmal up` without --share and for the service.
    """


def _options(function: CommandT) -> CommandT:
    decorated: Any = password_options(function)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--half", metavar="DIR", help="The half that is meant; not needed when one is plugged in."),
    ):
        decorated = option(decorated)
    result: CommandT = decorated
    return result


@command.command("list")
@_options
def list_command(half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """List the shares with their rights; those whose folder is gone are marked."""
    from gimmal.base.display import displayable

    want_json(as_json)
    for share in _kept(half, password_file, password_fd).read():
        fault = _fault_of(share)
        if as_json:
            print_json(_facts(share) | {"fault": fault})
        else:
            mark = f" ({fault})" if fault else ""
            print(f"{displayable(share.name)} {share.rights.value} {displayable(str(share.path))}{mark}")


@command.command("add")
@click.argument("share", metavar="[NAME=]PATH[:ro|:rw|:drop]")
@click.option("--whole-home", is_flag=True, help="Share the home folder itself, or one that holds it, all the same.")
@_options
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
    kept = _kept(half, password_file, password_fd)
    new = KeptShare(parsed.name, parsed.path, parsed.rights)
    kept.change(lambda before: [one for one in before if (one.name, one.path) != (new.name, new.path)] + [new])
    if as_json:
        print_json(_facts(new))
    else:
        print(f"share: {displayable(new.name)} {new.rights.value} {displayable(str(new.path))}")
        say("it holds from the next time that this half is served")


@command.command("remove")
@click.argument("name", metavar="NAME")
@_options
def remove(name: str, half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """Keep the share NAME no longer. Its folder is not touched."""
    from gimmal.base.display import displayable

    want_json(as_json)

    def without(before: list[KeptShare]) -> list[KeptShare]:
        left = [one for one in before if one.name != name]
        if len(left) == len(before):
            raise UsageError(f"no share is called {displayable(name)}", "gimmal shares list shows what there is")
        return left

    _kept(half, password_file, password_fd).change(without)
    if as_json:
        print_json({"removed": name})
    else:
        print(f"removed: {displayable(name)}")
        say("it holds from the next time that this half is served")


def _kept(half: str | None, password_file: str | None, password_fd: int | None) -> KeptShares:
    from gimmal.agent.kept_shares import KeptShares
    from gimmal.half.plugged import choose_half
    from gimmal.half.reading import open_half

    return KeptShares(open_half(choose_half(half), half_password(password_file, password_fd)))


def _fault_of(share: KeptShare) -> str:
    try:
        share.opened()
    except UsageError as exc:
        return exc.message
    return ""


def _facts(share: KeptShare) -> dict[str, object]:
    return {"name": share.name, "path": str(share.path), "rights": share.rights.value}
