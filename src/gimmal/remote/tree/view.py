"""The other side's tree as if it were here: what is known is told at once, all else asked for, once for all who wait.

One view serves all that show the tree (a mount, WebDAV, an editor): they see the same, and what one changes through
it, the others see at once. Where the other side cannot be reached, what was known last is told, and marked so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gimmal.base.errors import BadName, GimmalError, RemoteError, UnreachableError
from gimmal.base.paths import parse_wire_path
from gimmal.base.tasks import Tasks
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Attributes, Change, ChangeKind, Entry, FolderTimes, List, Page, Replace, Version
from gimmal.remote.files import too_many_entries
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.cache import ENTRIES_MAX, TreeCache
from gimmal.remote.tree.looking import Borne
from gimmal.remote.tree.notices import NoticeStream
from gimmal.remote.tree.records import Absent, Ask, Known, Name, Question, Ticket
from gimmal.remote.tree.walking import WalkAhead
from gimmal.share.plain_names import plain_wire_name

logger = logging.getLogger("gimmal.remote")

TRIES = 4
"""How often something is asked for that changes faster than answers come; then the last answer is told."""

DOWN_SECONDS = 2.0
"""Without a link, or after a question without an answer, for so long: what is known is told without asking."""

_MISSING = frozenset(code.name.lower() for code in (Code.NOT_FOUND, Code.NOT_A_DIRECTORY))

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Found:
    """One entry; ``stale``: as it was last known, for the other side cannot be reached."""

    attributes: Attributes
    number: int
    mapped: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """All entries of a folder; ``stale`` as of Found."""

    names: list[Name]
    stale: bool


@dataclass(frozen=True, slots=True)
class Touched:
    """What may be other than it was told, or is told of no more.

    Attributes:
        folder: path; None for anything.
        name: of the entry in it; empty for the folder itself.
        inside: all entries of the folder, besides.
    """

    folder: str | None
    name: str = ""
    inside: bool = False


class Changing:
    """A change that is under way: say how it ended."""

    def __init__(self) -> None:
        self.known = False
        self.attributes: Attributes | None = None
        self.in_place = False

    def done(self, attributes: Attributes | None, *, in_place: bool = False) -> None:
        """The entry is so now; None: it is gone. ``in_place``: it is the one that was there."""
        self.known, self.attributes, self.in_place = True, attributes, in_place


class TreeView:
    """One view of the other side's tree; for one event loop. Close it.

    Args:
        files: of the other side.
        cache: what is known; None for an empty one of the usual size.
        leads_there: whether, as far as is known, what is asked now comes to the other side; None where the session of
            ``files`` is itself with that side. A session with an agent always has its link.
    """

    def __init__(
        self,
        files: RemoteFiles,
        cache: TreeCache | None = None,
        leads_there: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._files = files
        self._leads_there = leads_there
        self._cache = cache if cache is not None else TreeCache()
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._asking: dict[Ask, asyncio.Task[GimmalError | None]] = {}
        self._guessed: set[Ask] = set()
        """Of these, what is asked ahead and nobody waits for."""
        self._walks = WalkAhead(self._cache.folders_in, self._cache.entries_max // 8)
        self._hearing: asyncio.Task[None] | None = None
        self._closed = False
        self._down_until = 0.0
        self._stream = NoticeStream(files, self._noticed, self._lost)
        self.requests = 0
        """Questions of this view so far, pages counted each."""
        self.on_change: Callable[[Sequence[Change]], None] | None = None
        """Is told of notices after they were taken in; for who keeps something of the tree himself."""
        self.on_touched: Callable[[Sequence[Touched]], None] | None = None
        """Is told by path what has to be looked at again, also where no notices come any more."""

    @property
    def watched(self) -> int:
        """How many folders are watched for this view."""
        return self._cache.watched

    def path_of(self, number: int) -> str | None:
        """Where an entry is that has a number; None where it is known no more."""
        return self._cache.numbers.path_of(number)

    def number_of(self, path: str) -> int | None:
        """The number of an entry as it was told last; None where none is known."""
        known = self._cache.find_anyway(path)
        return known.number if isinstance(known, Known) else None

    def known(self, path: str) -> Found | None:
        """An entry as it was told last, however long ago and without asking; None where it is not known to be there.

        It is stale where the other side is not reached.
        """
        known = self._cache.find_anyway(path)
        if not isinstance(known, Known):
            return None
        return Found(known.attributes, known.number, known.mapped, self._is_down)

    def is_known_absent(self, path: str) -> bool:
        """Whether an entry was told not to be there last, however long ago and without asking."""
        return isinstance(self._cache.find_anyway(path), Absent)

    def borne_out(self, path: str) -> Borne:
        """What of an entry needs no question until ``on_touched`` says so: a notice would come of any change."""
        return self._cache.borne_out(path)

    def hold(self, number: int) -> None:
        """Somebody uses this number: it is not forgotten to make room."""
        self._cache.numbers.hold(number)

    def release(self, number: int, count: int = 1) -> None:
        """As many uses are over."""
        self._cache.numbers.release(number, count)

    def use(self, files: RemoteFiles) -> None:
        """Go on over another session with the same side: what is known is checked there before it is told again."""
        self._stream.close()
        self._lost()
        self._files = files
        self._stream = NoticeStream(files, self._noticed, self._lost)
        self._down_until = 0.0

    def follow(self, files: RemoteFiles) -> None:
        """As ``use``, where that is another session."""
        if files is not self._files:
            self.use(files)

    def remember(self, path: str, entries: Sequence[Entry], *, whole: bool = False) -> None:
        """A folder was told so by another process, at some time: that is told while the other side is not reached.

        ``whole``: these were all entries that it had; what else is looked for there is then told not to be there.
        """
        self._cache.remember(path, [entry for entry in entries if _is_name(entry.name)], whole=whole)

    # Looking ---------------------------------------------------------------------------------------------------------

    async def find(self, path: str) -> Found:
        """The entry at a path.

        Raises:
            RemoteError: not_found, or what the other side says.
            UnreachableError: it cannot be reached, and the entry was never known.
        """
        known: Known | Absent | None
        known, stale = await self._know(partial(self._look_for, path), lambda: self._cache.find_anyway(path))
        if known is None:  # more is held than may be kept
            raise self._files.error(Code.LIMIT, path)
        if isinstance(known, Absent):
            raise self._files.error(Code.NOT_FOUND, path)
        return Found(known.attributes, known.number, known.mapped, stale)

    def at_hand(self, path: str) -> Found | None:
        """What ``find`` would tell, where it is there and may be told without a question; None where not."""
        now = self._loop.time()
        if not self._cache.is_heard(now):
            return None
        known = self._cache.find(path, now)
        if not isinstance(known, Known):
            return None
        return Found(known.attributes, known.number, known.mapped, False)

    def _look_for(self, path: str, now: float) -> Known | Absent | Ask:
        found = self._cache.find(path, now)
        if isinstance(found, Ask) and found.question is Question.LIST:
            self._walk_to(found.path)
        return found

    async def listing(self, path: str) -> Listing:
        """All entries of a folder.

        Raises:
            RemoteError: not_found, limit where it is too large, or what the other side says.
            UnreachableError: it cannot be reached, and the folder was never listed.
        """
        names: list[Name] | None
        self._walk_to(path)
        names, stale = await self._know(
            lambda now: self._cache.listing(path, now), lambda: self._cache.listing_anyway(path)
        )
        if names is None:
            raise too_many_entries(self._files.shown(path))
        return Listing(names, stale)

    async def _know(
        self, look: Callable[[float], ResultT | Ask], look_anyway: Callable[[], ResultT | None]
    ) -> tuple[ResultT | None, bool]:
        """What is known, after asking where that is needed, and whether it is stale."""
        for _ in range(TRIES):
            if not self._cache.is_heard(self._loop.time()):
                known = look_anyway()
                if known is not None and not await self._may_ask():
                    return known, True
                await self._hear()
            found = look(self._loop.time())
            if not isinstance(found, Ask):
                return found, False
            known = look_anyway()
            if known is not None and not await self._may_ask():
                return known, True
            failure = await self._ask(found)
            if isinstance(failure, UnreachableError):
                self._down_until = self._loop.time() + DOWN_SECONDS
                if (known := look_anyway()) is not None:
                    return known, True
            if failure is not None:
                raise failure
        return look_anyway(), False

    async def _may_ask(self) -> bool:
        """Whether an answer can be hoped for: there is a link, or one comes soon."""
        if self._is_down:
            return False
        if self._leads_there is not None:
            return await self._leads_there()
        session = self._files.session
        return bool(session.links) or await session.linked(DOWN_SECONDS)

    @property
    def _is_down(self) -> bool:
        since = self._files.session.without_links_since
        now = self._loop.time()
        return now < self._down_until or (since is not None and now - since > DOWN_SECONDS)

    # Asking ----------------------------------------------------------------------------------------------------------

    async def _ask(self, ask: Ask) -> GimmalError | None:
        """Ask, or wait with those who ask already; the reason where there was no answer."""
        self._guessed.discard(ask)
        task = self._asking.get(ask) or self._start(ask)
        if ask.question is Question.LIST:
            self._walk_on()
        return await asyncio.shield(task)

    def _start(self, ask: Ask) -> asyncio.Task[GimmalError | None]:
        task = self._asking[ask] = self._tasks.start(self._put(ask), "look at the other side")

        def done(_task: asyncio.Task[GimmalError | None]) -> None:
            del self._asking[ask]
            self._guessed.discard(ask)

        task.add_done_callback(done)
        return task

    async def _put(self, ask: Ask) -> GimmalError | None:
        try:
            await self._open_stream()
            ticket = self._cache.begin(ask, self._loop.time())
            try:
                await (self._stat(ticket) if ask.question is Question.STAT else self._list(ticket))
            finally:
                self._cache.end(ticket)
        except GimmalError as failure:
            self._walks.failed(ask.path)
            return failure
        self._unwatch()
        self._walks.came(ask.path, self._loop.time())
        self._walk_on()
        return None

    def _walk_to(self, path: str) -> None:
        """A reader lists a folder: what they come to next is asked for after what they ask now."""
        now = self._loop.time()
        fresh = self._cache.before_listing(path, now) is None
        self._walks.reads(path, now, fresh=fresh)
        if fresh:  # otherwise after what is asked for it, if it is
            self._walk_on()

    def _walk_on(self) -> None:
        now = self._loop.time()
        if self._closed or self._is_down or not self._cache.is_heard(now):
            return
        while (path := self._walks.next()) is not None:
            ask = self._cache.before_listing(path, now)
            if ask is None:
                self._walks.came(path, now)
            elif ask not in self._asking:
                self._guessed.add(ask)
                self._start(ask)

    async def _open_stream(self) -> None:
        if self._cache.stream:
            return
        stream = self._stream
        try:
            opened = await stream.open()
            if stream is not self._stream:
                stream.close()  # of a session that is used no more
            elif opened:
                self._cache.opened(stream.number, self._loop.time())
        except UnreachableError as error:
            logger.debug("not told of changes for now: %s", error)  # the question itself may be answered all the same

    async def _stat(self, ticket: Ticket) -> None:
        self.requests += 1
        try:
            self._cache.found(ticket, await self._files.stat(ticket.ask.path))
        except RemoteError as error:
            if error.code not in _MISSING:
                self._cache.refused(ticket)
                raise
            self._cache.found(ticket, None)

    async def _list(self, ticket: Ticket) -> None:
        path = ticket.ask.path
        entries: list[Entry] = []
        watch, cursor = 0, 0
        itself: Attributes | None = None
        try:
            while True:
                self.requests += 1
                request = List(path, cursor, 0 if cursor or not path else ticket.stream)
                page = self._files.expect(await self._files.ask(request), Page, path)
                if not cursor:
                    watch, itself = page.watch if request.watch else 0, page.folder if path else None
                entries += [entry for entry in page.entries if _is_name(entry.name)]
                cursor = page.cursor
                if not cursor or len(entries) > ENTRIES_MAX:
                    break
                if ticket.ask in self._guessed:
                    self._cache.not_taken(ticket, watch)
                    self._walks.failed(path)
                    return
        except RemoteError as error:
            if error.code in _MISSING:
                self._cache.missing(ticket)
            else:
                self._cache.refused(ticket)
            raise
        self._cache.listed(ticket, entries, watch, itself)

    # Notices ---------------------------------------------------------------------------------------------------------

    def _noticed(self, changes: Sequence[Change]) -> None:
        named = [change for change in changes if change.what is not ChangeKind.ENTRY or _is_name(change.name or "x")]
        touched = [one for change in named if (one := self._touched(change)) is not None]
        self._cache.noticed(named, self._loop.time())
        if self.on_change is not None:
            self.on_change(named)
        self._touch(touched)

    def _touched(self, change: Change) -> Touched | None:
        if change.what is ChangeKind.OVER and not change.watch:
            return Touched(None)
        folder = self._cache.watched_folder(change.watch)
        # Of a watch that no answer has named yet nothing was told that it bore out.
        return None if folder is None else Touched(folder, change.name, change.what is not ChangeKind.ENTRY)

    def _touch(self, touched: Sequence[Touched]) -> None:
        if self.on_touched is not None and touched:
            self.on_touched(touched)

    def _lost(self) -> None:
        self._cache.lost()
        self._touch([Touched(None)])

    async def _hear(self) -> None:
        """Make sure that the stream of notices is alive, where that is not known."""
        if self._cache.is_heard(self._loop.time()):
            return
        if self._hearing is None:
            self._hearing = self._tasks.start(self._sync(), "ask for all changes")
            self._hearing.add_done_callback(self._heard)
        await asyncio.shield(self._hearing)

    def _heard(self, _done: asyncio.Task[None]) -> None:
        self._hearing = None

    async def _sync(self) -> None:
        began = self._loop.time()
        stream = self._stream
        self.requests += 1
        failure: Exception | None = None
        try:
            alive = await stream.sync()
        except (GimmalError, TimeoutError) as error:
            logger.debug("no word of changes: %s", error)
            alive, failure = False, error
        if stream is not self._stream:
            return  # of a session that is used no more: it says nothing of the one that is
        if alive:
            self._cache.synced(began)
            return
        if failure is not None:
            self._down_until = self._loop.time() + DOWN_SECONDS
        stream.close()
        self._lost()

    def _unwatch(self) -> None:
        released = self._cache.take_released()
        if released:
            self._touch([Touched(None)])  # their paths are forgotten; it is rare
            self._tasks.start(self._tell_released(released), "end watches")

    async def _tell_released(self, released: list[int]) -> None:
        self.requests += 1
        try:
            await self._stream.unwatch(released)
        except GimmalError as error:
            logger.debug("watches stay: %s", error)

    def known_listing(self, path: str) -> Listing | None:
        """The entries of a folder as they were told last, without asking; None where they never were."""
        names = self._cache.listing_anyway(path)
        return Listing(names, True) if names is not None else None

    def note_silence(self) -> None:
        """Who asks by himself had no answer: for a moment what is known is told without asking."""
        self._down_until = self._loop.time() + DOWN_SECONDS

    def note_answer(self) -> None:
        """Who asks by himself had an answer."""
        self._down_until = 0.0

    def note_done(self, path: str, attributes: Attributes | None) -> None:
        """This side has made an entry what it is now, or will, and it is the same one as before; None: it is gone."""
        now = self._loop.time()
        self._cache.changed(self._cache.begin_change(path, now, same=True), attributes, now)

    def note_renamed(self, source: str, target: str) -> None:
        """This side has moved an entry, or will."""
        now = self._loop.time()
        self._cache.renamed(self._cache.begin_change(source, now), self._cache.begin_change(target, now), now)

    def doubt(self, path: str) -> None:
        """Something was done to an entry of which the result is not known here: it is asked for before it is told."""
        now = self._loop.time()
        self._cache.doubted(self._cache.begin_change(path, now), now)

    # Changing --------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def changing(self, path: str, *, same: bool = False) -> AsyncIterator[Changing]:
        """While the context lasts, an entry is being changed by this side; ``done`` says what it is then.

        Without ``done``, or where something is raised, it is asked for before anyone is told of it.

        Args:
            path: of the entry.
            same: another version of the same file takes its place: it keeps its number.
        """
        ticket = self._cache.begin_change(path, self._loop.time(), same=same)
        change = Changing()
        try:
            yield change
        finally:
            now = self._loop.time()
            if change.known:
                self._cache.changed(ticket, change.attributes, now, in_place=change.in_place)
            else:
                self._cache.doubted(ticket, now)
            self._unwatch_later()

    async def make_directory(self, path: str, mode: int | None = None) -> None:
        """Make a folder.

        Raises:
            RemoteError: what the other side says.
        """
        async with self.changing(path):
            self._check(await self._files.make_directories([path], mode=mode), path)

    async def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder.

        Raises:
            RemoteError: what the other side says.
        """
        async with self.changing(path) as change:
            self._check(await self._files.remove_many([path]), path)
            change.done(None)

    async def set_attributes(self, item: FolderTimes) -> None:
        """Set time and mode of an entry.

        Raises:
            RemoteError: what the other side says.
        """
        async with self.changing(item.path):
            self._check(await self._files.set_attributes([item]), item.path)

    async def rename(
        self, source: str, target: str, replace: Replace = Replace.NEVER, expected: Version | None = None
    ) -> None:
        """Move an entry, with all below it, within one share.

        Args:
            source, target: wire paths.
            replace: what may stand there.
            expected: the version that may, with EXPECTED.

        Raises:
            RemoteError: what the other side says.
        """
        now = self._loop.time()
        tickets = self._cache.begin_change(source, now), self._cache.begin_change(target, now)
        try:
            await self._files.rename(source, target, replace, expected)
        except BaseException:
            for ticket in tickets:
                self._cache.doubted(ticket, self._loop.time())
            raise
        self._cache.renamed(*tickets, self._loop.time())
        self._unwatch_later()

    def _unwatch_later(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            self._unwatch()

    def _check(self, codes: list[int], path: str) -> None:
        if codes[0]:
            raise self._files.error(codes[0], path)

    async def close(self) -> None:
        """Let go of the stream; whoever waits is told nothing more."""
        self._closed = True
        self._stream.close()
        await self._tasks.close()


def _is_name(name: str) -> bool:
    """Whether an entry may be called so (docs/spec/names.md, section 2): what may not is left out."""
    if plain_wire_name(name):
        return True
    try:
        return parse_wire_path(name) == (name,)
    except BadName:
        return False


__all__ = ["Borne", "Changing", "Found", "Known", "Listing", "Name", "Touched", "TreeView"]
