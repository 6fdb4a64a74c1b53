"""``gimmal up``: plug in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from gimmal.base.errors import UsageError
from gimmal.frontends.cli.output import print_json, want_json
from gimmal.frontends.cli.passwords import half_password, password_options

if TYPE_CHECKING:
    from gimmal.half.opened import OpenedHalf
    from gimmal.share.shares import ShareTable


@click.command("up")
@click.option("--half", metavar="DIR", help="The half to serve; not needed when one is plugged in.")
@click.option(
    "--share",
    "share_arguments",
    multiple=True,
    metavar="[NAME=]PATH[:ro|:rw|:drop]",
    help="A folder the other side may see: rw all rights (default), ro list and read, drop only create.",
)
@click.option("--listen", metavar="HOST:PORT", help="Listen there; a free port of all addresses otherwise.")
@click.option("--no-relay", is_flag=True, help="Do not use the pair's relays.")
@click.option("--no-mapping", is_flag=True, help="Do not ask the router to let the other side in.")
@click.option("--no-lan", is_flag=True, help="Neither ask nor answer in the local network.")
@click.option("--at", metavar="HOST:PORT", help="Dial the other side's agent there.")
@click.option("--stay-awake", is_flag=True, help="Hold off sleep while the other side is connected.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object a line.")
@click.option("--verbose", is_flag=True, help="Say what happens in detail on stderr.")
@click.option("--until-closed", "lifeline", type=click.IntRange(0), metavar="N", hidden=True)
@password_options
def command(
    half: str | None,
    share_arguments: tuple[str, ...],
    listen: str | None,
    no_relay: bool,
    no_mapping: bool,
    no_lan: bool,
    at: str | None,
    stay_awake: bool,
    as_json: bool,
    verbose: bool,
    lifeline: int | None,
    password_file: str | None,
    password_fd: int | None,
) -> None:
    """Serve a half: answer the other side, share folders, stay until the half is pulled out.

    Nothing is shared that is not named: by --share, else once by `gimmal shares add`. Prints each share, then
    `ready: PAIR SIDE ADDRESS` when it can answer. Ends within a second of the half's disappearing and closes every
    connection.
    """
    import logging
    import sys

    from gimmal.agent.agent import AgentOptions
    from gimmal.agent.control import socket_path
    from gimmal.agent.run import serve
    from gimmal.base.display import displayable
    from gimmal.frontends.cli.pulled import end_when_pulled
    from gimmal.frontends.cli.reaching import lan_allowed, parse_address, run_async
    from gimmal.half.plugged import choose_half
    from gimmal.half.reading import open_half
    from gimmal.share.shares import ShareTable, parse_share

    want_json(as_json)
    if verbose:
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, format="%(name)s: %(message)s")
        logging.getLogger("asyncio").setLevel(logging.WARNING)
    shares = ShareTable([parse_share(argument) for argument in share_arguments])
    address = _listen_address(listen) if listen is not None else ("", 0)
    dial_at = parse_address(at) if at is not None else None
    location = choose_half(half)
    opened = open_half(location, half_password(password_file, password_fd))
    end_when_pulled(location, socket_path(opened.pair_id, opened.side))

    def say(line: str) -> None:
        if as_json:
            event, _colon, text = line.partition(": ")
            print_json({"event": event, "text": text})
        else:
            print(line, flush=True)

    if not share_arguments:
        shares = _kept_shares(opened, say)
    for share in shares:
        say(f"share: {displayable(share.name)} {share.rights.value} {displayable(str(share.path))}")
    if not len(shares):
        say("share: none, the other side sees nothing")
    lan = not no_lan and lan_allowed()
    if not opened.relays and not no_relay:
        elsewhere = "in the same network, elsewhere with --at" if lan else "with --at only"
        say(f"relay: none, the other side reaches this one {elsewhere}")
    options = AgentOptions(
        shares,
        address,
        not no_relay,
        dial_at,
        mapping=not no_mapping,
        lan=lan,
        kept_shares=not share_arguments,
        stay_awake=stay_awake,
    )
    run_async(serve(location, opened, options, say, lifeline))


def _kept_shares(half: OpenedHalf, say: Callable[[str], None]) -> ShareTable:
    """Those that this computer keeps for the pair; one whose folder is gone is left out, and said."""
    from gimmal.agent.kept_shares import kept_table

    shares, left_out = kept_table(half)
    if len(shares) or left_out:
        say("shares: those that this computer keeps for this pair")
    for reason in left_out:
        say(f"share: left out: {reason}")
    return shares


def _listen_address(text: str) -> tuple[str, int]:
    from gimmal.frontends.cli.reaching import parse_address

    host, _colon, port = text.rpartition(":")
    if port == "0":
        host = parse_address(f"{host or '0.0.0.0'}:1")[0]  # noqa: S104 - what the person asked for
        return host, 0
    if not host:
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise UsageError(f"{text!r} is not HOST:PORT", "for example 0.0.0.0:4100")
        return "", int(port)
    return parse_address(text)
