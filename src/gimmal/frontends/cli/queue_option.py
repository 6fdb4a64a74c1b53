"""``--queue``: the running agent does it, not this command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def queue_option(command: CommandT) -> CommandT:
    """Add ``--queue``; the command gets ``queue``."""
    option = click.option("--queue", is_flag=True, help="Let the running agent do it, and return at once.")
    return option(command)
