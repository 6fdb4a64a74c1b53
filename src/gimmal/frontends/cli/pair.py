"""``gimmal pair``: join two halves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gimmal.base.errors import UsageError
from gimmal.frontends.cli.output import say, want_json

if TYPE_CHECKING:
    from gimmal.base.side import Side
    from gimmal.half.format import RelayEntry
    from gimmal.half.joining import Joined


@click.command("pair")
@click.argument("directory_a", metavar="DIR_A")
@click.argument("directory_b", metavar="DIR_B")
@click.option("--name", metavar="NAME", help="The pair's name; needed the first time, kept afterwards.")
@click.option("--relay", "relays", multiple=True, metavar="URL", help="A relay's URL; may be given several times.")
@click.option("--password-file", metavar="FILE", help="Read the new password from FILE (- is standard input).")
@click.option("--password-fd", type=click.IntRange(0), metavar="N", help="Read the new password from descriptor N.")
@click.option("--no-password", is_flag=True, help="Neither half gets a password.")
@click.option(
    "--password-for", type=click.Choice(["a", "b", "both"]), help="Which half gets the password.  [default: b]"
)
@click.option("--old-password-file", metavar="FILE", help="The present password, when joining again.")
@click.option("--old-password-fd", type=click.IntRange(0), metavar="N", help="The same, from descriptor N.")
@click.option("--replace", is_flag=True, help="Give up a half of another pair, or one that cannot be opened.")
@click.option("--yes", is_flag=True, help="Answer yes to the question that is asked for copies and older halves.")
@click.option("--sheet", metavar="FILE", help="Write a page to print, with the whole disable command.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    directory_a: str,
    directory_b: str,
    name: str | None,
    relays: tuple[str, ...],
    password_file: str | None,
    password_fd: int | None,
    no_password: bool,
    password_for: str | None,
    old_password_file: str | None,
    old_password_fd: int | None,
    replace: bool,
    yes: bool,
    sheet: str | None,
    as_json: bool,
) -> None:
    """Join the halves in DIR_A and DIR_B: both get fresh keys that only these two know.

    A DIR is the folder that holds GIMMAL, or where GIMMAL shall be made. Halves that were a pair before are joined
    again: they keep name, relays and settings; everything else is new, and older copies are dead. The disable code is
    shown this once: write it down. It disables the pair when a half is lost.
    """
    from pathlib import Path

    from gimmal.base.persistence import exists
    from gimmal.base.side import Side
    from gimmal.frontends.cli.passwords import given_password, new_password, present_passwords
    from gimmal.half.joining import pair
    from gimmal.half.pairing import PairRequest, two_places

    want_json(as_json)
    _check_password_options(no_password, password_file, password_fd, password_for)
    two_places(directory_a, directory_b)
    if sheet is not None and exists(Path(sheet)):
        raise UsageError("the file for the sheet exists already", "name another file with --sheet")
    entries = _relay_entries(relays)
    old = given_password(old_password_file, old_password_fd, "old password")
    passwords: dict[Side, str] = {}
    new = None
    if not no_password:
        new = new_password(password_file, password_fd, name or "")
        passwords = {side: new for side in Side if password_for in (side.value, "both")}
        if password_for is None:
            passwords = {Side.B: new}
    request = PairRequest(name, entries, passwords, replace)

    def announce(joined: Joined) -> None:
        from gimmal.frontends.cli.pair_output import show, write_sheet

        if sheet is not None:
            write_sheet(Path(sheet), joined)
        show(joined, as_json)

    joined = pair(
        directory_a,
        directory_b,
        request,
        present_passwords((old, new)),
        lambda question: yes or _confirm(question),
        announce,
    )
    _advise(joined, sheet)


def _check_password_options(
    no_password: bool, password_file: str | None, password_fd: int | None, password_for: str | None
) -> None:
    from gimmal.frontends.cli.passwords import is_terminal

    given = password_file is not None or password_fd is not None
    if no_password and (given or password_for is not None):
        raise UsageError("--no-password contradicts the other password options", "leave one of them out")
    if not no_password and not given and not is_terminal():
        raise UsageError(
            "there is no terminal to ask for a password", "give --password-file FILE, --password-fd N or --no-password"
        )


def _relay_entries(relays: tuple[str, ...]) -> tuple[RelayEntry, ...] | None:
    if not relays:
        return None
    import dataclasses

    from gimmal.half.format import RelayEntry
    from gimmal.protocol.relay.url import RelayUrl

    parsed = [RelayUrl.parse(text) for text in dict.fromkeys(relays)]
    return tuple(RelayEntry(token=url.token or "", url=str(dataclasses.replace(url, token=None))) for url in parsed)


def _confirm(question: str) -> bool:
    from gimmal.frontends.cli.passwords import is_terminal

    if not is_terminal():
        say(question)
        return False
    return click.confirm(question, default=False, err=True)


def _advise(joined: Joined, sheet: str | None) -> None:
    from gimmal.base.display import displayable
    from gimmal.half.reading import exposure

    say("joined. The disable code is stored nowhere: write it down and keep it apart from both halves.")
    if sheet is not None:
        say(f"the sheet is in {displayable(sheet)}: print it, then delete the file")
    for side, location in joined.locations.items():
        warning = exposure(location)
        if warning is not None:
            say(f"warning: {warning}")
        if side in joined.left_over:
            say(f"warning: a copy of the keys was left in {displayable(str(location))}/half.new")
