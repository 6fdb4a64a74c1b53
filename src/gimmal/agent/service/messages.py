"""What commands and the supervisor say to each other over its socket, besides the messages of ``agent.control``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.base.side import Side
from gimmal.half.lockfile import runtime_directory

ORDER_MAX = 1024
"""Bytes of a HalfNamed."""

OUTCOME_SECONDS = 90.0
"""What an agent has to open its half: Argon2id takes about a second, on a slow and busy computer many."""

RESTART = "start it anew: gimmal service install with its options, or end gimmal service run and begin it again"
"""What to do about a supervisor of another version, or one that does not answer."""


class HalfNamed(Struct, frozen=True):
    """The half that ``unlock`` or ``put-away`` is about, wherever it is mounted."""

    pair_id: Annotated[bytes, Meta(min_length=16, max_length=16)]
    side: Side


def service_socket() -> Path:
    """Where the supervisor of this user listens."""
    return runtime_directory() / "service.sock"


def service_lock() -> Path:
    """What the one supervisor of a user holds."""
    return runtime_directory() / "service.lock"
