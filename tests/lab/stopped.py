"""What each command does when nothing passes between the computers any more: a new command needs its line here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import click

from gimmal.frontends.cli.main import gimmal
from gimmal.protocol.limits import CALL_SECONDS

WAIT_SECONDS = 2
MARGIN_SECONDS = 2.0
"""For starting a program and ending it."""


class Kind(Enum):
    """How long a command may take; docs/how-to/exit-codes.md says with which code it ends then."""

    CALL = CALL_SECONDS
    """It asks the other side: 10 s, and it was not reached."""

    TRANSFER = max(float(WAIT_SECONDS), CALL_SECONDS)
    """It waits for the other side as long as ``--wait`` says; but its first try may take a call's length."""

    HERE = CALL_SECONDS / 2
    """It asks nobody but this computer: it does what it always does."""

    LASTS = 0.0
    """It runs until it is told to end, and ends then."""


@dataclass(frozen=True)
class Entry:
    """One command.

    Attributes:
        words: behind the command's name; ``{name}`` stands for a folder or file of the test's.
        codes: it may end with, where it is one for HERE.
        beside: an agent of its half runs; the command is for that.
    """

    kind: Kind
    words: str = ""
    codes: tuple[int, ...] = (0,)
    beside: bool = False


_WAIT = f"--wait {WAIT_SECONDS}"

ENTRIES = {
    "awake off": Entry(Kind.HERE),
    "awake on": Entry(Kind.HERE),
    "awake status": Entry(Kind.HERE),
    "cat": Entry(Kind.CALL, ":shared/file"),
    "conflicts keep-both": Entry(Kind.HERE, "absent", (4,)),
    "conflicts keep-mine": Entry(Kind.HERE, "absent", (4,)),
    "conflicts keep-theirs": Entry(Kind.HERE, "absent", (4,)),
    "conflicts list": Entry(Kind.HERE),
    "cp": Entry(Kind.TRANSFER, f"{_WAIT} :shared/file {{target}}"),
    "dav": Entry(Kind.CALL),
    "df": Entry(Kind.CALL),
    "edit": Entry(Kind.CALL, "--program true :shared/file"),
    "half erase": Entry(Kind.HERE, "--yes {spare}"),
    "half show": Entry(Kind.HERE, "{half}"),
    "log": Entry(Kind.HERE),
    "ls": Entry(Kind.CALL, ":shared"),
    "mkdir": Entry(Kind.CALL, ":shared/new"),
    "mv": Entry(Kind.CALL, ":shared/file :shared/other"),
    "mount": Entry(Kind.CALL, "{target}"),
    "pair": Entry(Kind.HERE, "--name Other --no-password {one} {two}"),
    "pin": Entry(Kind.CALL, ":shared"),
    "pins": Entry(Kind.HERE),
    "play": Entry(Kind.CALL, "--url-only :shared/file"),
    "password clear": Entry(Kind.HERE, "{pair_a} {pair_b}", (0, 2, 5)),
    "password set": Entry(Kind.HERE, "--password-file {password} {pair_a} {pair_b}", (0, 5)),
    "relay": Entry(Kind.LASTS, "--listen 127.0.0.1:0 --state {relay}"),
    "rm": Entry(Kind.CALL, ":shared/file"),
    "service install": Entry(Kind.HERE, "--print"),
    "service remove": Entry(Kind.HERE, "", (0, 9)),
    "service run": Entry(Kind.LASTS, "--no-notify"),
    "service status": Entry(Kind.HERE, "", (9,)),
    "shares add": Entry(Kind.HERE, "{target}"),
    "shares list": Entry(Kind.HERE),
    "shares remove": Entry(Kind.HERE, "absent", (2,)),
    "speed": Entry(Kind.CALL, "--seconds 2"),
    "stat": Entry(Kind.CALL, ":shared/file"),
    "status": Entry(Kind.CALL),
    "sync": Entry(Kind.TRANSFER, f"{_WAIT} :shared {{target}}"),
    "transfers cancel": Entry(Kind.HERE, "1", (4,), beside=True),
    "transfers clear": Entry(Kind.HERE, beside=True),
    "transfers list": Entry(Kind.HERE, beside=True),
    "transfers pause": Entry(Kind.HERE, "1", (4,), beside=True),
    "transfers resume": Entry(Kind.HERE, "1", (4,), beside=True),
    "transfers show": Entry(Kind.HERE, "1", (4,), beside=True),
    "trash empty": Entry(Kind.CALL, "--yes :shared"),
    "trash list": Entry(Kind.CALL, ":shared"),
    "trash restore": Entry(Kind.CALL, ":shared 1"),
    "tree": Entry(Kind.CALL, ":shared"),
    "unlock": Entry(Kind.HERE, "", (9,)),
    "unmount": Entry(Kind.HERE, "{target}", (2,)),
    "unpin": Entry(Kind.HERE, ":shared", (2,)),
    "unplug": Entry(Kind.HERE, beside=True),
    "up": Entry(Kind.LASTS),
}


def commands() -> set[str]:
    """The names of all commands that there are, as they are typed."""
    return set(_below(gimmal, ""))


def _below(group: click.Group, before: str) -> list[str]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += _below(command, f"{before}{name} ") if isinstance(command, click.Group) else [f"{before}{name}"]
    return found
