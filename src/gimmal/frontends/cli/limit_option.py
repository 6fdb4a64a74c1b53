"""``--limit``: bytes per second, as a person writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMG]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_LEAST, _MOST = 1_000, 1_000_000_000_000


def limit_option(command: CommandT) -> CommandT:
    """Add ``--limit``; the command gets ``limit``, bytes per second or None."""
    option = click.option(
        "--limit", callback=_rate, metavar="RATE", help="At most so many bytes a second: 500K, 5M, 1.5G."
    )
    return option(command)


def _rate(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """K, M and G are thousands, millions and milliards."""
    if value is None:
        return None
    match = _FORM.fullmatch(value)
    if match is None:
        raise click.BadParameter(
            f"{value!r} is no rate: write bytes per second as 500K, 5M or 1.5G", context, parameter
        )
    rate = int(float(match[1]) * _UNITS[match[2].upper()])
    if not _LEAST <= rate <= _MOST:
        raise click.BadParameter(f"{value!r} is no rate that can be kept: 1K to 1000G", context, parameter)
    return rate
