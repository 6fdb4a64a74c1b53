"""``--compress`` and ``--no-compress``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gimmal.protocol.messages import Packing

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def compress_option(command: CommandT) -> CommandT:
    """Give a command the parameter ``compress``: True, False, or None where nothing was said."""
    return click.option(
        "--compress/--no-compress",
        default=None,
        help="Compress what shrinks always, or never; else where the line is slow.",
    )(command)


def packing_of(compress: bool | None) -> Packing:
    """What was chosen, in words of the protocol."""
    from gimmal.protocol.messages import Packing

    return Packing.SLOW if compress is None else Packing.ALWAYS if compress else Packing.NEVER
