"""What commands that change what is kept for a half have in common: which half, and from when on it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gimmal.frontends.cli.passwords import half_password, password_options

if TYPE_CHECKING:
    from gimmal.half.opened import OpenedHalf

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

NEXT_TIME = "it holds from the next time that this half is served"


class ByDefault(click.Group):
    """A group that means one of its commands where none is named.

    Args:
        default: that command.
    """

    def __init__(self, *arguments: Any, default: str, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click.Command."""
        if not (args and (args[0] in self.commands or args[0] in ("-h", "--help"))):
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click.Command; the options of the default, which may be written without its name, come last."""
        super().format_options(ctx, formatter)
        meant = self.commands[self._default]
        own = click.Context(meant, parent=ctx, info_name=self._default)
        records = [record for option in meant.params if (record := option.get_help_record(own)) is not None]
        if records:
            with formatter.section(f"Options of {self._default}, which is meant where no command is named"):
                formatter.write_dl(records)


def kept_options(function: CommandT) -> CommandT:
    """Add the options for half, password and JSON."""
    decorated: Any = password_options(function)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--half", metavar="DIR", help="The half that is meant; not needed when one is plugged in."),
    ):
        decorated = option(decorated)
    result: CommandT = decorated
    return result


def opened_half(half: str | None, password_file: str | None, password_fd: int | None) -> OpenedHalf:
    """The half that is meant."""
    from gimmal.half.plugged import choose_half
    from gimmal.half.reading import open_half

    return open_half(choose_half(half), half_password(password_file, password_fd))


def tell_agent(half: OpenedHalf) -> dict[str, object] | None:
    """Have the half's agent take up a change; what it made of it, None where none runs."""
    from gimmal.agent.rereading import tell_agent as tell
    from gimmal.frontends.cli.reaching import Way, run_with_reach

    return run_with_reach(Way(str(Path(half.location)), None, None, None), tell)
