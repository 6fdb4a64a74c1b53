"""``gimmal password``: set or clear the password of a half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.base.errors import UsageError
from gimmal.frontends.cli.output import print_json, say, want_json

if TYPE_CHECKING:
    from gimmal.base.side import Side


@click.group("password")
def command() -> None:
    """Set or clear passwords; needs both halves of the pair. Keys and disable code stay as they are."""


@command.command("set")
@click.argument("directory_a", metavar="DIR_A")
@click.argument("directory_b", metavar="DIR_B")
@click.option("--password-file", metavar="FILE", help="Read the new password from FILE (- is standard input).")
@click.option("--password-fd", type=click.IntRange(0), metavar="N", help="Read the new password from descriptor N.")
@click.option("--old-password-file", metavar="FILE", help="Read the present password from FILE.")
@click.option("--old-password-fd", type=click.IntRange(0), metavar="N", help="The same, from descriptor N.")
@click.option(
    "--password-for",
    type=click.Choice(["a", "b", "both"]),
    default="b",
    show_default=True,
    help="Which half gets the password.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def set_password(
    directory_a: str,
    directory_b: str,
    password_file: str | None,
    password_fd: int | None,
    old_password_file: str | None,
    old_password_fd: int | None,
    password_for: str,
    as_json: bool,
) -> None:
    """Seal one half or both with a new password. Sides are those of the pair, whichever DIR they lie in."""
    from gimmal.base.side import Side
    from gimmal.frontends.cli.passwords import given_password, is_terminal, new_password, present_password
    from gimmal.half.reading import read_header
    from gimmal.half.resealing import change_passwords

    want_json(as_json)
    header = read_header(directory_a)
    if password_file is None and password_fd is None and not is_terminal():
        raise UsageError("there is no terminal to ask for a password", "give --password-file FILE or --password-fd N")
    old = given_password(old_password_file, old_password_fd, "old password")
    new = new_password(password_file, password_fd, header.pair_name)
    wanted: dict[Side, str | None] = {side: new for side in Side if password_for in (side.value, "both")}
    _print(change_passwords((directory_a, directory_b), wanted, present_password(old)), as_json)


@command.command("clear")
@click.argument("directory_a", metavar="DIR_A")
@click.argument("directory_b", metavar="DIR_B")
@click.option("--old-password-file", "--password-file", metavar="FILE", help="Read the present password from FILE.")
@click.option("--old-password-fd", "--password-fd", type=click.IntRange(0), metavar="N", help="From descriptor N.")
@click.option(
    "--password-for",
    type=click.Choice(["a", "b", "both"]),
    default="both",
    show_default=True,
    help="Which half loses its password.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def clear_password(
    directory_a: str,
    directory_b: str,
    old_password_file: str | None,
    old_password_fd: int | None,
    password_for: str,
    as_json: bool,
) -> None:
    """Take the password off one half or both: whoever holds such a half can then use it."""
    from gimmal.base.side import Side
    from gimmal.frontends.cli.passwords import given_password, present_password
    from gimmal.half.reading import read_header
    from gimmal.half.resealing import change_passwords

    want_json(as_json)
    protected = {header.side for header in (read_header(directory_a), read_header(directory_b)) if header.has_password}
    old = given_password(old_password_file, old_password_fd, "password")
    wanted: dict[Side, str | None] = {
        side: None for side in Side if side in protected and password_for in (side.value, "both")
    }
    _print(change_passwords((directory_a, directory_b), wanted, present_password(old)), as_json)


def _print(protected: tuple[Side, ...], as_json: bool) -> None:
    sides = [side.value for side in protected]
    if as_json:
        print_json({"password": sides})
        return
    for side in ("a", "b"):
        click.echo(f"half {side}: {'with password' if side in sides else 'no password'}")
    say("copies of a half made before keep their old password: joining again makes them useless")
