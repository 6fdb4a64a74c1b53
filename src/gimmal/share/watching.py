"""Folders in which changes are noticed for the peer (docs/spec/protocol.md, section 11): one table for all sessions.

A watch stands for a path, so every folder on the way from the share's own is watched too: what is moved or removed
there ends the watches below. Events come from inotify, in one thread that waits for them and for mounts; whoever has to
know what changed until now takes them in itself (``catch_up``).
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gimmal.base.fair_budget import FairBudget
from gimmal.base.inotify import Event, Inotify, Mask, watches_allowed
from gimmal.share.places import OpenShare, Place, Places, is_own_name
from gimmal.share.watch_places import is_noticed, mounts_below, open_mounts
from gimmal.share.watch_stream import WatchStream

logger = logging.getLogger("gimmal.share")

WATCHES_OF_ALL = 65_536
"""Folders that are watched for all sessions, those on the way to them included."""

PART_OF_SYSTEM = 4
"""At most so great a part of the watches that this user has are taken: other programs need some."""

WATCHES_RESERVED = 64
"""What each stream may have, those on the way included, however much others have."""

EVENTS_AT_ONCE = 64
"""Reads of the queue before others get the lock."""

ENDED_AT_ONCE = 256
"""Watches that are let go of before the queue is read."""

_WAY = Mask.MOVED_FROM | Mask.MOVED_TO | Mask.CREATE | Mask.DELETE | Mask.DELETE_SELF | Mask.MOVE_SELF
_ALL = _WAY | Mask.MODIFY | Mask.ATTRIB | Mask.CLOSE_WRITE
_NAMES = Mask.MOVED_FROM | Mask.MOVED_TO | Mask.CREATE | Mask.DELETE
_GONE = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT | Mask.IGNORED

Key = tuple[str, tuple[bytes, ...]]


@dataclass(slots=True, eq=False)
class Node:
    """One watched folder: that of a share, or one below it."""

    share: OpenShare
    names: tuple[bytes, ...]
    watch: int
    """Number in the system's queue. One folder under two paths (two shares, a bind mount) has one number."""
    identity: tuple[int, int]
    """Device and inode."""
    parent: Node | None = None
    children: dict[bytes, Node] = field(default_factory=dict)
    streams: dict[WatchStream, int] = field(default_factory=dict)
    """Who watches it, and under which number."""
    users: dict[WatchStream, int] = field(default_factory=dict)
    """How many folders each of them watches here and below."""

    @property
    def key(self) -> Key:
        """Share and names."""
        return self.share.share.name, self.names

    def way(self) -> Iterator[Node]:
        """It and all above it."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


class Watching:
    """What is watched. Safe for several threads.

    Args:
        places: the shares.

    Raises:
        OSError: this system tells of no changes, or has no more queues for this user.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._inotify = Inotify()
        allowed = watches_allowed()
        self.limit = min(WATCHES_OF_ALL, allowed // PART_OF_SYSTEM) if allowed else 0
        self._budget = FairBudget(self.limit, WATCHES_RESERVED)
        self._nodes: dict[Key, Node] = {}
        self._by_watch: dict[int, list[Node]] = {}
        self._streams: set[WatchStream] = set()
        self._folders = _folders_of(places)
        self._mounted = mounts_below(self._folders)
        self._mounts = open_mounts()
        self._stop, self._stopping = os.pipe()
        os.set_blocking(self._stopping, False)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="gimmal-watch", daemon=True)
        self._thread.start()

    # Streams ---------------------------------------------------------------------------------------------------------

    def open_stream(self, wake: Callable[[], None]) -> WatchStream:
        """A new stream without watches; see WatchStream."""
        stream = WatchStream(self._budget.share(), wake)
        with self._lock:
            self._streams.add(stream)
        return stream

    def close_stream(self, stream: WatchStream) -> None:
        """Let go of a stream and all its watches."""
        with self._lock:
            self._streams.discard(stream)  # nothing more is granted
            watches = list(stream.nodes)
        for at in range(0, len(watches), ENDED_AT_ONCE):
            with self._lock:
                for watch in watches[at : at + ENDED_AT_ONCE]:
                    self._ungrant(stream, watch, tell=False)
            # The system tells of each watch that was ended; told of more than it counts, all others would be lost.
            self.catch_up()
        with self._lock:
            stream.close()

    def grant(self, stream: WatchStream, place: Place) -> tuple[int, bool]:
        """Watch a folder from now on: its watch, 0 where that is not granted, and whether it is a new one.

        Raises:
            OSError: there is no such folder, or it cannot be opened.
        """
        node = self._watched(place)
        if node is None:
            return 0, False
        with self._lock:
            if self._nodes.get(node.key) is not node or stream not in self._streams or node.share.ended:
                return 0, False  # over already
            known = node.streams.get(stream)
            if known is not None:
                return known, False
            watch = stream.new_watch(node)
            if watch:
                node.streams[stream] = watch
            else:
                self._prune(node)
            return watch, True

    def release(self, stream: WatchStream, watch: int) -> None:
        """Watch a folder no more for a stream, and tell it: a List on its way may name the watch still."""
        with self._lock:
            self._ungrant(stream, watch, tell=True)

    def catch_up(self) -> None:
        """Take in everything that changed until now."""
        with self._lock:
            if self._closed:
                return
            inotify = self._inotify
            # No more than waits now: a program that never rests would keep whoever asks here for ever.
            until = inotify.taken + inotify.waiting
        while self._take_events(inotify, until):
            pass

    def replaced(self) -> None:
        """Others are shared from now on: watches of what is shared no longer, or not with these rights, are over."""
        folders = _folders_of(self._places)
        with self._lock:
            if self._closed:
                return
            mounted = mounts_below(folders)
            self._on_mounts()  # by the folders so far: nothing that was mounted meanwhile is passed over
            self._folders, self._mounted = folders, mounted
            for node in [node for node in self._nodes.values() if node.share.ended]:
                self._end(node)

    @property
    def watched(self) -> int:
        """How many folders are watched."""
        with self._lock:
            return len(self._by_watch)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing is marked while the context lasts."""
        with self._lock:
            yield

    def close(self) -> None:
        """Watch nothing any more; the thread ends by itself."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        os.close(self._stopping)

    # Setting watches -------------------------------------------------------------------------------------------------

    def _watched(self, place: Place) -> Node | None:
        """The node of a folder, with all above it, made where missing. The disk is asked without the lock."""
        above: Node | None = None
        found: Node | None = None
        try:
            for depth in range(len(place.names) + 1):
                names = place.names[:depth]
                last = depth == len(place.names)
                with self._lock:
                    node = self._nodes.get((place.share.share.name, names))
                if node is None or last or not depth:
                    # The last in any case: it may be watched only as being on the way. The first: it may be replaced.
                    with place.root.directory(names, reading=False) as descriptor:
                        node = self._add(place.share, names, descriptor, above, _ALL if last else _WAY)
                    if node is None or not self._lies_there(node):
                        return None
                above = node
            found = above
            return found
        finally:
            if found is None and above is not None:
                with self._lock:
                    self._prune(above)

    def _lies_there(self, node: Node) -> bool:
        """Whether a folder is at its path since it is watched: what was moved before, nobody told."""
        try:
            with node.share.root.directory(node.names, reading=False) as descriptor:
                if _identity(descriptor) == node.identity:
                    return True
        except OSError:
            pass  # nothing is there now
        with self._lock:
            if self._nodes.get(node.key) is node:
                self._end(node)
        return False

    def _add(
        self, share: OpenShare, names: tuple[bytes, ...], descriptor: int, above: Node | None, mask: int
    ) -> Node | None:
        if not is_noticed(descriptor):
            return None
        identity = _identity(descriptor)
        with self._lock:
            if share.ended:
                return None
            key = share.share.name, names
            node = self._nodes.get(key)
            if node is not None and (node.identity != identity or node.share is not share):
                self._end(node)  # another folder lies there, of which nobody told yet
                node = None
            if self._closed or (node is None and len(self._by_watch) >= self.limit):
                return None
            if above is not None and self._nodes.get(above.key) is not above:
                return None  # moved meanwhile
            try:
                watch = self._inotify.add(descriptor, mask)
            except OSError as error:
                logger.debug("a folder is not watched: %s", error)
                return None
            if node is not None and node.watch == watch:
                return node
            if node is not None:
                self._end(node)
            node = self._nodes[key] = Node(share, names, watch, identity, above)
            self._by_watch.setdefault(watch, []).append(node)
            if above is not None:
                above.children[names[-1]] = node
            return node

    # Ending watches; all with the lock -------------------------------------------------------------------------------

    def _ungrant(self, stream: WatchStream, watch: int, *, tell: bool) -> None:
        node = stream.nodes.get(watch)
        told = stream.drop(watch, tell=tell)
        if node is not None:
            node.streams.pop(stream, None)
            self._prune(node)
        if not told:
            self._lose(stream)

    def _lose(self, stream: WatchStream) -> None:
        """All watches of one stream are over; it is told so, and asks again for those that it wants."""
        nodes = list(stream.nodes.values())
        stream.lose()
        for node in nodes:
            node.streams.pop(stream, None)
            self._prune(node)

    def _prune(self, node: Node) -> None:
        """Forget a folder that nobody asks for, and those above that were watched for it only."""
        for one in node.way():
            if one.streams or one.children or self._nodes.get(one.key) is not one:
                return
            self._forget(one)
            if one.parent is not None:
                one.parent.children.pop(one.names[-1], None)

    def _end(self, node: Node) -> None:
        """A folder is not at its path any more: all watches of it and below are over."""
        if node.parent is not None and node.parent.children.get(node.names[-1]) is node:
            del node.parent.children[node.names[-1]]
        below, untold = [node], set()
        while below:
            ended = below.pop()
            below += ended.children.values()
            ended.children.clear()
            for stream, watch in list(ended.streams.items()):
                if not stream.drop(watch, tell=True):
                    untold.add(stream)
            ended.streams.clear()
            self._forget(ended)
        for stream in untold:
            self._lose(stream)
        if node.parent is not None:
            self._prune(node.parent)

    def _forget(self, node: Node) -> None:
        if self._nodes.get(node.key) is node:
            del self._nodes[node.key]
        others = self._by_watch.get(node.watch)
        if others is None or node not in others:
            return
        others.remove(node)
        if not others:
            del self._by_watch[node.watch]
            self._inotify.remove(node.watch)

    def _lose_all(self) -> None:
        try:
            queue = Inotify()
        except OSError:
            for node in list(self._nodes.values()):
                self._forget(node)
        else:
            # Ended one by one they would fill the queue again, and then everything would be lost once more.
            self._inotify.close()
            self._inotify = queue
            self._wake()
        self._nodes.clear()
        self._by_watch.clear()
        for stream in self._streams:
            stream.lose()

    # Events ----------------------------------------------------------------------------------------------------------

    def _take_events(self, inotify: Inotify, until: int) -> bool:
        """Work on what a queue holds, until so many bytes of it are taken in all; whether there are more."""
        with self._lock:
            for _ in range(EVENTS_AT_ONCE):
                if self._closed or inotify is not self._inotify or inotify.taken >= until:
                    return False
                events = inotify.read()
                if not events:
                    return False
                for event in events:
                    self._on_event(event)
            return True

    def _on_event(self, event: Event) -> None:
        if event.mask & Mask.Q_OVERFLOW:
            logger.info("the system lost count of changes: all watches begin anew")
            self._lose_all()
            return
        for node in list(self._by_watch.get(event.watch, ())):
            if not event.name:
                self._on_folder(node, event.mask)
                continue
            if event.mask & _NAMES and (child := node.children.get(event.name)) is not None:
                self._end(child)
            if not is_own_name(event.name):
                for stream, watch in node.streams.items():
                    stream.mark(watch, event.name, itself=bool(event.mask & _NAMES))

    def _on_folder(self, node: Node, mask: int) -> None:
        if mask & _GONE:
            self._end(node)
            return
        for stream, watch in node.streams.items():
            stream.mark(watch, b"", itself=True)

    def _on_mounts(self) -> None:
        mounted = mounts_below(self._folders)
        if mounted != self._mounted:
            self._mounted = mounted
            self._lose_all()

    def _wake(self) -> None:
        """The thread waits for another queue from now on. With the lock."""
        if not self._closed:
            with contextlib.suppress(BlockingIOError):  # it is woken already
                os.write(self._stopping, b"\0")

    def _poll(self) -> set[int]:
        """Wait for something: which descriptors are ready."""
        poll = select.poll()
        with self._lock:
            poll.register(self._inotify.fileno(), select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        if self._mounts is not None:
            poll.register(self._mounts, select.POLLPRI | select.POLLERR)
        return {descriptor for descriptor, _what in poll.poll()}

    def _run(self) -> None:
        while not self._closed:
            ready = self._poll()
            if self._stop in ready:
                os.read(self._stop, 4096)
            if self._mounts in ready:
                with self._lock:
                    self._on_mounts()
            self.catch_up()
        with self._lock:
            self._inotify.close()
        for descriptor in (self._stop, self._mounts):
            if descriptor is not None:
                os.close(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    state = os.fstat(descriptor)
    return state.st_dev, state.st_ino


def _folders_of(places: Places) -> list[bytes]:
    with places.using():
        return [os.fsencode(opened.share.path) for opened in places]
