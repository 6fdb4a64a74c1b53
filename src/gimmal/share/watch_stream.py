"""What one asker is still to be told: which entries of which watched folders changed, each once, and bounded.

No file system is asked here; ``Watching`` marks, and ``notices`` looks at what was marked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gimmal.base.fair_budget import FairShare
from gimmal.protocol.limits import WATCHES_MAX

if TYPE_CHECKING:
    from gimmal.share.watching import Node

NAMES_MAX = 4096
"""Names of changed entries that are remembered for one stream; a folder that would need more is to be listed again."""


@dataclass(slots=True)
class Marks:
    """What changed in one folder since it was last told."""

    names: set[bytes] = field(default_factory=set)
    itself: bool = False
    """The attributes of the folder, too."""
    again: bool = False
    """More than is told."""


class WatchStream:
    """Watches of one pushed stream. Its owner, `Watching`, locks.

    Args:
        share: of the watches that all streams may have.
        wake: called, from any thread, when there is something to tell.
    """

    def __init__(self, share: FairShare, wake: Callable[[], None]) -> None:
        self._share = share
        self._wake = wake
        self.nodes: dict[int, Node] = {}
        """Folder of each watch."""
        self.marks: dict[int, Marks] = {}
        """What was marked since the telling that is under way began."""
        self._due: dict[int, Marks] = {}
        """What it has still to tell."""
        self.ended: list[int] = []
        self.lost = False
        """Every watch is over."""
        self.stirred = False
        """Whether it was woken since it was looked at."""
        self._last = 0
        self._names = 0

    def new_watch(self, node: Node) -> int:
        """A number for a folder; 0 where the stream may have no more. Those on the way to it count like it."""
        way = [one for one in node.way() if one.users.get(self, 0) == 0]
        if len(self.nodes) >= WATCHES_MAX or not self._share.try_take(len(way)):
            return 0
        for one in node.way():
            one.users[self] = one.users.get(self, 0) + 1
        self._last += 1
        self.nodes[self._last] = node
        return self._last

    def drop(self, watch: int, *, tell: bool) -> bool:
        """A watch is over; False where more are than are told one by one: lose the stream's others, too."""
        node = self.nodes.pop(watch, None)
        if node is None:
            return True
        for one in node.way():
            one.users[self] -= 1
            if not one.users[self]:
                del one.users[self]
                self._share.give(1)
        self._forget_marks(watch)
        if tell:
            if len(self.ended) >= WATCHES_MAX:
                return False  # nobody reads them
            self.ended.append(watch)
            self._stir()
        return True

    def lose(self) -> None:
        """Every watch is over, and is told so at once."""
        for watch in list(self.nodes):
            self.drop(watch, tell=False)
        self.nodes.clear()
        self.marks.clear()
        self._due.clear()
        self.ended.clear()
        self._names = 0
        self.lost = True
        self._stir()

    def close(self) -> None:
        """Nobody is told any more."""
        self.nodes.clear()
        self.marks.clear()
        self._due.clear()
        self.ended.clear()
        self._share.give_all()

    def mark(self, watch: int, name: bytes, *, itself: bool) -> None:
        """An entry changed (no name: none), and with ``itself`` the folder's own attributes."""
        marks = self.marks.setdefault(watch, Marks())
        marks.itself = marks.itself or itself
        if name and not marks.again and name not in marks.names:
            if self._names >= NAMES_MAX:
                self._names -= len(marks.names)
                marks.names.clear()
                marks.again = True
            else:
                marks.names.add(name)
                self._names += 1
        self._stir()

    def begin(self) -> None:
        """What is marked now is to be told; ``take`` gives that, and nothing that is marked later."""
        self.stirred = False
        marked, self.marks = self.marks, {}
        for watch, marks in marked.items():
            before = self._due.setdefault(watch, marks)
            if before is not marks:
                self._names -= len(before.names & marks.names)
                before.names |= marks.names
                before.itself = before.itself or marks.itself
                before.again = before.again or marks.again

    def take(self) -> tuple[int, Marks] | None:
        """The folder that waits longest to be told of; None where nothing more is to be told now."""
        for watch in self._due:
            marks = self._due.pop(watch)
            self._names -= len(marks.names)
            return watch, marks
        return None

    def put_back(self, watch: int, marks: Marks) -> None:
        """What was taken and could not be told yet; nothing where the watch is over meanwhile."""
        if watch in self.nodes:
            self._due[watch] = marks
            self._names += len(marks.names)

    @property
    def waiting(self) -> bool:
        """Whether something is to be told."""
        return bool(self.marks or self._due or self.ended or self.lost)

    def _stir(self) -> None:
        if not self.stirred:
            self.stirred = True
            self._wake()

    def _forget_marks(self, watch: int) -> None:
        for table in (self.marks, self._due):
            marks = table.pop(watch, None)
            if marks is not None:
                self._names -= len(marks.names)
