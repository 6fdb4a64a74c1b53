"""A transfer as commands show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gimmal.agent.queue.advance import Advance, Failures
from gimmal.agent.queue.machine import Standing, State
from gimmal.agent.queue.messages import FAILURES_LISTED, SOURCE_BYTES_SHOWN, SOURCES_LISTED, TransferView
from gimmal.agent.queue.order import Order, direction_of, sources_of, verb_of

if TYPE_CHECKING:
    from gimmal.agent.queue.run import Run

ITS_TURN = "its turn"
THE_OTHER_SIDE = "the other side"


def view_of(
    standing: Standing, order: Order, advance: Advance, failures: Failures, run: Run | None, *, whole: bool
) -> TransferView:
    """One transfer.

    Args:
        standing, order, advance, failures: of the transfer.
        run: of it, where one is under way.
        whole: with all names and failures that one message takes.
    """
    state, waiting_for = standing.state.value, ""
    if standing.state is State.WAITING:
        if run is None:
            waiting_for = ITS_TURN
        elif run.away is not None:
            waiting_for = THE_OTHER_SIDE + (f": {run.away}" if run.away else "")
        else:
            state = "running"
    sources = sources_of(order)
    most = None if whole else FAILURES_LISTED
    return TransferView(
        number=standing.number,
        verb=verb_of(order),
        direction=direction_of(order),
        sources=_some(sources, len(sources) if whole else SOURCES_LISTED),
        source_count=len(sources),
        target=order.target,
        state=state,
        running=run is not None,
        waiting_for=waiting_for,
        counts=advance.counts,
        rate=run.bytes_per_second if run is not None else 0.0,
        remaining=run.remaining if run is not None else None,
        queued=standing.queued,
        ended=standing.ended,
        seconds=advance.seconds,
        path=advance.path,
        message=standing.message,
        hint=standing.hint,
        failures=failures.failed[:most],
        left_out=failures.left_out[:most],
        discarding=standing.discarding,
    )


def _some(names: list[bytes], most: int) -> list[bytes]:
    room = SOURCE_BYTES_SHOWN
    some: list[bytes] = []
    for name in names[:most]:
        room -= len(name) + 5
        if some and room < 0:
            break
        some.append(name)
    return some
