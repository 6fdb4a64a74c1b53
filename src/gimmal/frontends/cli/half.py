"""``gimmal half``: show what may be shown of a half, or destroy its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.frontends.cli.output import print_json, say, want_json

if TYPE_CHECKING:
    from gimmal.half.reading import HalfHeader


class _ShowByDefault(click.Group):
    """``gimmal half DIR`` means ``gimmal half show DIR``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        wanted = next((word for word in args if not word.startswith("-")), None)
        if wanted is not None and wanted not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group("half", cls=_ShowByDefault, subcommand_metavar="[show|erase] DIR")
def command() -> None:
    """Show what may be shown of the half in DIR, or erase its keys."""


@command.command("show")
@click.argument("directory", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(directory: str, as_json: bool) -> None:
    """Show the half in DIR. Asks for no password and shows no secret."""
    from gimmal.half.reading import exposure, open_half, read_header

    want_json(as_json)
    header = read_header(directory)
    relays = None if header.has_password else open_half(directory, None).relays
    if as_json:
        print_json(_facts(header) | {"relays": relays})
    else:
        _print(header, relays)
    warning = exposure(header.location)
    if warning is not None:
        say(f"warning: {warning}")


def _facts(header: HalfHeader) -> dict[str, object]:
    return {
        "half": str(header.location),
        "pair": header.pair_name,
        "pair_id": header.pair_id.hex(),
        "side": header.side.value,
        "generation": header.generation,
        "password": header.has_password,
    }


def _print(header: HalfHeader, relays: tuple[str, ...] | None) -> None:
    from gimmal.base.display import displayable

    click.echo(f"half: {displayable(str(header.location))}")
    click.echo(f"pair: {displayable(header.pair_name)}")
    click.echo(f"pair id: {header.pair_id.hex()}")
    click.echo(f"side: {header.side.value}")
    click.echo(f"generation: {header.generation}")
    click.echo(f"password: {'yes' if header.has_password else 'no'}")
    if relays is None:
        click.echo("relays: sealed with the password")
    elif not relays:
        click.echo("relay: none (the other side is found in the same network, elsewhere with --at HOST:PORT)")
    else:
        for url in relays:
            click.echo(f"relay: {displayable(url, 600)}")


@command.command("erase")
@click.argument("directory", metavar="DIR")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def erase(directory: str, yes: bool, as_json: bool) -> None:
    """Destroy the keys of the half in DIR, as far as its disk allows. Asks first; without a terminal it needs --yes."""
    from gimmal.base.display import displayable
    from gimmal.base.errors import LocalError, UsageError
    from gimmal.frontends.cli.passwords import is_terminal
    from gimmal.half.erase import erase_half
    from gimmal.half.places import find_half_folder

    want_json(as_json)
    location = find_half_folder(directory)
    if not yes:
        if not is_terminal():
            raise UsageError("there is no terminal to ask whether to destroy the keys", "give --yes if you mean it")
        click.confirm(f"destroy the keys in {displayable(str(location))}?", abort=True, err=True)
    left = erase_half(location)
    if left:
        raise LocalError(
            f"could not remove {', '.join(left)} from {displayable(str(location))}",
            "remove them by hand or destroy the medium: keys may be readable there",
        )
    if as_json:
        print_json({"half": str(location), "erased": True})
        return
    click.echo(f"erased: {displayable(str(location))}")
    say(
        "This half no longer opens anything, and the other half finds no one any more: join it with a new one.\n"
        "The keys were overwritten once. Flash memory may keep old cells that special equipment can read, and copies\n"
        "of this half, if there are any, still work: joining the other half again ends those."
    )
