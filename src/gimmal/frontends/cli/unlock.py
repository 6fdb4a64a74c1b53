"""``gimmal unlock``: give the service the password of a half."""

from __future__ import annotations

import click

from gimmal.frontends.cli.output import print_json, want_json
from gimmal.frontends.cli.passwords import half_password, password_options


@click.command("unlock")
@click.option("--half", metavar="DIR", help="The half to unlock; not needed when one is plugged in.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@password_options
def command(half: str | None, as_json: bool, password_file: str | None, password_fd: int | None) -> None:
    """Have the service serve a half that waits for its password, or one that was unplugged by command.

    Returns when the half is served. The password goes straight to the process that opens the half, and nobody keeps it:
    where that process fails, it is asked for again.
    """
    from gimmal.agent.service.asking import served_halves, unlock
    from gimmal.agent.service.messages import HalfNamed
    from gimmal.base.display import displayable
    from gimmal.half.plugged import choose_half
    from gimmal.half.reading import read_header

    want_json(as_json)
    header = read_header(choose_half(half))
    # Nobody types a password for nothing.
    if str(header.location) not in served_halves():
        ask = half_password(password_file, password_fd)
        password = ask() if ask is not None and header.has_password else None
        unlock(HalfNamed(header.pair_id, header.side), password)
    if as_json:
        print_json({"half": str(header.location), "serving": True})
    else:
        print(f"served: {displayable(str(header.location))}")
