"""Watch, Unwatch, and the watch that a List sets (docs/spec/protocol.md, section 11)."""

from __future__ import annotations

from gimmal.protocol.messages import Attributes, Done, List, Stat, Unwatch, Watch, Watched
from gimmal.share.looking import answer_stat
from gimmal.share.places import Access
from gimmal.share.state import SessionState


def answer_watch(state: SessionState, request: Watch) -> Watched:
    """Watches for folders; whoever sends the answer counts what was pushed before it."""
    return Watched(state.watches.watch(request, state.places), 0)


def answer_unwatch(state: SessionState, request: Unwatch) -> Done:
    """Watch folders no more."""
    state.watches.release(request.stream, request.watches)
    return Done()


def watch_to_list(state: SessionState, request: List) -> tuple[int, bool, Attributes | None]:
    """Set the watch that a List asks for.

    Returns:
        the watch, 0 where there is none; whether it is a new one; and the folder, None where no watch was asked for.
    """
    if not (request.watch and request.path) or request.cursor:
        return 0, False, None
    place = state.places.find(request.path, Access.LOOK)
    watch, new = state.watches.grant(request.watch, place)
    try:
        return watch, new, answer_stat(state, Stat(request.path)).attributes
    except BaseException:
        if new and watch:
            state.watches.release(request.watch, [watch])
        raise
