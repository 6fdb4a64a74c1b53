"""What commands ask about the queue through the control socket, and what they are told.

A question of the control socket with the verb ``queue`` is followed by an order (``order.encode_order``), one with the
verb ``transfers`` by a ``TransfersQuestion``. The reply to the first has the new transfer's number, the reply to the
second says how many ``TransferView`` follow, one message each.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.agent.queue.advance import Counts

ORDER_BYTES_MAX = 1 << 20
"""Bytes of one order as it travels and is kept."""

NUMBER_MAX = (1 << 53) - 1

FAILURES_LISTED = 3
"""Failures of each that ``list`` tells; ``show`` tells all that are kept."""

SOURCES_LISTED = 5
SOURCE_BYTES_SHOWN = 16 * 1024
"""Bytes of the names of sources that ``show`` tells."""


class Act(Enum):
    """What is asked of the queue."""

    LIST = "list"
    SHOW = "show"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    CLEAR = "clear"


class TransfersQuestion(Struct, frozen=True):
    """What is asked of the queue.

    Attributes:
        act: what.
        number: of which transfer; None for all that it fits.
        discard: with CANCEL: remove unfinished part files too.
    """

    act: Act
    number: Annotated[int, Meta(ge=1, le=NUMBER_MAX)] | None = None
    discard: bool = False


class TransferView(Struct, frozen=True):
    """One transfer as it is shown.

    Attributes:
        number: of the transfer.
        verb: ``copy`` or ``sync``.
        direction: ``up``, ``down`` or ``far``.
        sources: paths in bytes, the first ones; ``source_count`` says how many there are.
        target: path in bytes.
        state: waiting, running, paused, done, partly done, failed or cancelled.
        running: a run of it is under way, maybe to its stop.
        waiting_for: what it waits for while it does; empty otherwise.
        counts: how far it has come.
        rate: bytes per second just now.
        remaining: seconds to its end, None where it cannot be told.
        queued, ended: seconds since 1970; ``ended`` is 0 before its end.
        seconds: for how long it ran in all.
        path: how it travelled, once it has ended.
        message, hint: why it failed as a whole.
        failures, left_out: displayable name and reason, the first ones; ``counts`` says how many there are.
        discarding: its unfinished part files are still to be removed.
    """

    number: int
    verb: str
    direction: str
    sources: list[bytes]
    source_count: int
    target: bytes
    state: str
    running: bool
    waiting_for: str
    counts: Counts
    rate: float
    remaining: float | None
    queued: float
    ended: float
    seconds: float
    path: str
    message: str
    hint: str
    failures: list[tuple[str, str]]
    left_out: list[tuple[str, str]]
    discarding: bool
