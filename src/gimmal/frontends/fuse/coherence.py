"""The kernel's own cache follows the view: what a notice touched, the kernel asks for again.

A message to the kernel may wait for a request that is being answered, so a thread of its own sends them: the event
loop goes on answering. Folders are never taken from under programs that work in them: the kernel asks for their names
again by itself, soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from math import inf

import pyfuse3
from pyfuse3 import InodeT

from gimmal.frontends.fuse.inodes import Inodes
from gimmal.remote.tree.records import joined
from gimmal.remote.tree.view import Touched, TreeView

ALL_SECONDS = 1.0
"""At most so often everything that the kernel knows is doubted."""

ABSENT_MAX = 8192
"""Names that the kernel is told to be absent for longer than a moment."""

INODES_MAX = 100_000
"""Inodes that the kernel may know: the view cannot forget them. Beyond, it is told to forget those it knows longest."""

ROOM_SECONDS = 0.5
"""Between two times that it is told so; it takes a moment."""

ItemT = tuple[InodeT, bytes]
"""An inode, or, with a name, an entry of that folder."""


class Coherence:
    """Tells the kernel what to ask for again; for one event loop.

    Args:
        view: of the tree.
        inodes: that the kernel knows.
        doubt: tells the kernel of one item; raises OSError where it knows nothing of it.
    """

    def __init__(self, view: TreeView, inodes: Inodes, doubt: Callable[[ItemT], None] | None = None) -> None:
        self._view = view
        self._inodes = inodes
        self._doubt = doubt or doubt_in_kernel
        self._loop = asyncio.get_running_loop()
        self._all_at = -inf
        self._all_later: asyncio.TimerHandle | None = None
        self._room_at = -inf
        self._absent: set[ItemT] = set()
        self._waiting: dict[ItemT, None] = {}
        self._woken = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="kernel cache")

    def start(self) -> None:
        """Follow the view from now on."""
        self._view.on_touched = self.touched
        self._thread.start()

    def close(self) -> None:
        """Say nothing more; a message that waits in the kernel is left behind."""
        self._view.on_touched = None
        if self._all_later is not None:
            self._all_later.cancel()
        with self._woken:
            self._over = True
            self._woken.notify()

    def may_keep_absent(self, folder: InodeT, name: bytes) -> bool:
        """Whether the kernel may keep that a name is absent: then it is told when that changes."""
        if len(self._absent) >= ABSENT_MAX:
            return False
        self._absent.add((folder, name))
        return True

    def make_room(self) -> None:
        """Called where the kernel was told of something: have it forget where it knows too much."""
        now = self._loop.time()
        if len(self._inodes) <= INODES_MAX or now - self._room_at < ROOM_SECONDS:
            return
        self._room_at = now
        names = ((folder, name) for _inode, folder, name in self._inodes.names() if name)
        self._tell(list(islice(names, INODES_MAX // 4)))

    # What is doubted -------------------------------------------------------------------------------------------------

    def touched(self, what: Sequence[Touched]) -> None:
        """See TreeView.on_touched."""
        items: list[ItemT] = []
        for one in what:
            if one.folder is None or one.inside:
                self._doubt_all()
            elif (folder := self._view.number_of(one.folder)) is not None:
                items += self._touched(one.folder, folder, one.name)
        self._tell(items)

    def _touched(self, folder: str, inode: InodeT, name: str) -> list[ItemT]:
        items: list[ItemT] = [(inode, b"")]
        if not name:
            return items
        path = joined(folder, name)
        number = self._view.number_of(path)
        if number is not None and (known := self._inodes.at(number, path)) is not None:
            return [*items, (known, b"")]  # the same as before: its name leads to it still
        self._absent.discard(entry := (inode, name.encode()))
        return [*items, entry]

    def _doubt_all(self) -> None:
        now = self._loop.time()
        if now - self._all_at < ALL_SECONDS:
            if self._all_later is None:
                self._all_later = self._loop.call_at(self._all_at + ALL_SECONDS, self._doubt_all_now)
            return
        self._doubt_all_now()

    def _doubt_all_now(self) -> None:
        self._all_at, self._all_later = self._loop.time(), None
        items: list[ItemT] = [*self._absent]
        self._absent.clear()
        for inode, folder, name in self._inodes.names():
            items.append((inode, b""))
            if name:
                items.append((folder, name))
        self._tell(items)

    def doubt_names(self, *names: ItemT) -> None:
        """What became of a change of these names is not known."""
        self._absent.difference_update(names)
        self._tell(names)

    # The kernel ------------------------------------------------------------------------------------------------------

    def _tell(self, items: Sequence[ItemT]) -> None:
        with self._woken:
            for item in items:
                self._waiting[item] = None  # bounded by what the kernel knows, and by what changes while it is told
            self._woken.notify()

    def _run(self) -> None:
        while True:
            with self._woken:
                while not self._waiting and not self._over:
                    self._woken.wait()
                if self._over:
                    return
                waiting, self._waiting = self._waiting, {}
            for item in waiting:
                with contextlib.suppress(OSError):  # it knows nothing of it, or is gone
                    self._doubt(item)


def doubt_in_kernel(item: ItemT) -> None:
    """Have the kernel ask again for an inode's attributes, or for a name; its pages go where the attributes differ.

    Raises:
        OSError: it does not know it.
    """
    inode, name = item
    if name:
        pyfuse3.invalidate_entry(inode, name)
    else:
        pyfuse3.invalidate_inode(inode, attr_only=True)
