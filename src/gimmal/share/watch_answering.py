"""Watch, Unwatch, and the watch that a List sets (docs/spec/protocol.md, section 11)."""

from __future__ import annotations

from gimmal.protocol.messages import Done, List, Unwatch, Watch, Watched
from gimmal.share.places import Access
from gimmal.share.state import SessionState


def answer_watch(state: SessionState, request: Watch) -> Watched:
    """Watches for folders; whoever sends the answer counts what was pushed before it."""
    return Watched(state.watches.watch(request, state.places), 0)


def answer_unwatch(state: SessionState, request: Unwatch) -> Done:
    """Watch folders no more."""
    state.watches.release(request.stream, request.watches)
    return Done()


def watch_to_list(state: SessionState, request: List) -> tuple[int, bool]:
    """Set the watch that a List asks for: 0 where there is none, and whether it is a new one."""
    if not (request.watch and request.path) or request.cursor:
        return 0, False
    return state.watches.grant(request.watch, state.places.find(request.path, Access.LOOK))
