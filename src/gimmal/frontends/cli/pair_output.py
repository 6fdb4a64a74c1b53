"""What ``gimmal pair`` shows of a joined pair: on stdout, and on the sheet to print."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gimmal import __version__
from gimmal.base.display import displayable
from gimmal.base.errors import LocalError
from gimmal.base.persistence import write_new_durably
from gimmal.base.side import Side
from gimmal.frontends.cli.output import print_json
from gimmal.half.reading import exposure

if TYPE_CHECKING:
    from gimmal.half.joining import Joined


def show(joined: Joined, as_json: bool) -> None:
    """Print the pair on stdout and see it out, before it comes to life.

    Raises:
        LocalError: nobody reads stdout.
    """
    try:
        if as_json:
            print_json(_facts(joined))
        else:
            click.echo("\n".join(_lines(joined)))
        sys.stdout.flush()
    except OSError as error:
        raise LocalError(
            "the disable code could not be shown, so nothing was joined", "run the command where its output can be read"
        ) from error


def _facts(joined: Joined) -> dict[str, object]:
    return {
        "pair": joined.pair_name,
        "pair_id": joined.pair_id.hex(),
        "generation": joined.generation,
        "password": [side.value for side in joined.passwords],
        "relays": list(joined.relays),
        "halves": {side.value: str(location) for side, location in joined.locations.items()},
        "sign_public": {side.value: public.hex() for side, public in joined.sign_publics.items()},
        "disable_code": joined.disable_code,
        "warnings": [warning for place in joined.locations.values() if (warning := exposure(place)) is not None],
    }


def _lines(joined: Joined) -> list[str]:
    lines = [
        f"pair: {displayable(joined.pair_name)}",
        f"pair id: {joined.pair_id.hex()}",
        f"generation: {joined.generation}",
    ]
    for side in Side:
        protection = "with password" if side in joined.passwords else "no password"
        lines.append(f"half {side.value}: {displayable(str(joined.locations[side]))} ({protection})")
    lines.extend(f"relay: {displayable(url, 600)}" for url in joined.relays)
    if not joined.relays:
        lines.append("relay: none (the other side is found in the same network, elsewhere with --at HOST:PORT)")
    lines.append(f"disable code: {joined.disable_code}")
    return lines


def disable_command(joined: Joined) -> str:
    """The whole command that disables the pair from any computer."""
    words = [f"gimmal disable '{joined.disable_code}'"]
    words.extend(f"--relay '{url}'" for url in joined.relays)
    words.extend(f"--sign-{side.value} {joined.sign_publics[side].hex()}" for side in Side)
    return " \\\n    ".join(words)


def write_sheet(path: Path, joined: Joined) -> None:
    """Write the page to print: a new file for the owner only.

    Raises:
        LocalError: it exists or cannot be written.
    """
    text = f"""gimmal: the sheet of the pair {displayable(joined.pair_name)}

Joined on {time.strftime("%Y-%m-%d")}, generation {joined.generation}
Pair id   {joined.pair_id.hex()}
Key of a  {joined.sign_publics[Side.A].hex()}
Key of b  {joined.sign_publics[Side.B].hex()}
Password  {", ".join(f"half {side.value}" for side in joined.passwords) or "neither half has one"}

Disable code: {joined.disable_code}

When a half is lost, type this on any computer that has gimmal. Both halves are
dead afterwards; the one you still have can be joined with a new stick.

  {disable_command(joined)}

(gimmal {__version__}, which made this page, has no `disable` command yet; a later
release has, and the code stays good. Until then: join the half you have anew.)

Keep this page apart from both halves. Whoever has it can disable the pair, and
nothing else: it opens no half and no file. It is void once the two are joined
again; delete the file it was printed from.
"""
    write_new_durably(path.absolute(), text.encode())
