"""Entries and attributes of the other side's tree, kept coherent: no I/O, the clock is an argument.

What is told is never older than the notices allow: in a folder that is watched, than the last notice; in any other,
than ``CHECK_SECONDS``. What this side did itself is told at once, and no older state afterwards, whatever comes when.
Each look answers with what is known, or says what has to be asked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from gimmal.protocol.messages import Attributes, Change, ChangeKind, Entry, Kind
from gimmal.remote.tree import looking
from gimmal.remote.tree.records import Absent, Ask, Folder, Known, Later, Name, Question, Ticket, joined, split
from gimmal.remote.tree.store import Store

HEARD_SECONDS = 5.0
"""How long a watch is believed without a word of the stream: a link may be dead for longer before anyone knows."""

ENTRIES_MAX = 200_000
BYTES_MAX = 96 << 20
"""What is kept in all; the folders unused longest are forgotten."""

EARLY_MAX = 1024
"""Changes kept of watches that no answer has named yet."""

OWN_MAX = 4096
"""Changes of this side's own that may wait to be borne out."""


class TreeCache:
    """What is known of one tree.

    Args:
        entries_max: entries to keep.
        bytes_max: bytes to keep, about.
    """

    def __init__(self, entries_max: int = ENTRIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._store = Store(entries_max, bytes_max, self._unwatch, self._void_below)
        self.entries_max = entries_max
        self.numbers = self._store.numbers
        self.stream = 0
        """Number of the stream of notices; 0 for none."""
        self.heard_at = -inf
        self._watches: dict[int, str] = {}
        self._released: list[int] = []
        self._pending: dict[str, list[Ticket]] = {}
        self._early: list[Change] = []
        self._early_lost = False
        self._own: dict[tuple[str, str], float] = {}
        """What this side changed, and when: a notice that says otherwise may be an older one."""

    @property
    def kept(self) -> tuple[int, int]:
        """Entries and bytes that are kept."""
        return self._store.entries, self._store.bytes

    # Looking ---------------------------------------------------------------------------------------------------------

    def find(self, path: str, now: float) -> Known | Absent | Ask:
        """The entry at a path."""
        return looking.find(self._store, path, now)

    def listing(self, path: str, now: float) -> list[Name] | Ask:
        """All entries of a folder, in the order in which they were told."""
        return looking.listing(self._store, path, now)

    def before_listing(self, path: str, now: float) -> Ask | None:
        """What has to be asked before a folder can be listed; None for nothing. It does not count as used."""
        return looking.before_listing(self._store, path, now)

    def folders_in(self, path: str) -> tuple[list[str], int] | None:
        """Names of the folders in a folder as listed last, and how many entries it has; None where it never was."""
        return looking.folders_in(self._store, path)

    def find_anyway(self, path: str) -> Known | Absent | None:
        """The entry as it was told last, however long ago; None where nothing was."""
        return looking.find_anyway(self._store, path)

    def listing_anyway(self, path: str) -> list[Name] | None:
        """The entries as they were told last, however long ago; None where they never were."""
        return looking.listing_anyway(self._store, path)

    def borne_out(self, path: str) -> looking.Borne:
        """What of an entry is told without asking for as long as no notice says otherwise."""
        return looking.borne_out(self._store, path)

    def watched_folder(self, watch: int) -> str | None:
        """The folder that a watch is of; None where there is no such watch."""
        return self._watches.get(watch)

    def is_heard(self, now: float) -> bool:
        """Whether watches may be believed now; otherwise a Watch without paths has to be answered first."""
        if not self._watches:
            return True
        oldest = min(self.heard_at, next(iter(self._own.values()), inf))
        return now - oldest <= HEARD_SECONDS and len(self._own) <= OWN_MAX

    @property
    def watched(self) -> int:
        """How many folders are watched."""
        return len(self._watches)

    # Asking ----------------------------------------------------------------------------------------------------------

    def begin(self, ask: Ask, now: float) -> Ticket:
        """Something is asked now."""
        if ask.question is Question.STAT and (folder := self._store.folders.get(split(ask.path)[0])) is not None:
            folder.asked += 1
        return self._begin(ask, now)

    def begin_change(self, path: str, now: float, *, same: bool = False) -> Ticket:
        """This side asks now for something that changes an entry: hand the ticket to changed or doubted.

        With ``same`` another version of one file takes its place: until then whatever stands there has its number.
        """
        ticket = self._begin(Ask(Question.STAT, path), now)
        ticket.same = same
        return ticket

    def end(self, ticket: Ticket) -> None:
        """No answer comes, or it has been handed in."""
        for at in _places(ticket.ask):
            tickets = self._pending.get(at, [])
            if ticket in tickets:
                tickets.remove(ticket)
                if not tickets:
                    del self._pending[at]
        if not self._pending:
            self._early.clear()
            self._early_lost = False

    def found(self, ticket: Ticket, attributes: Attributes | None) -> None:
        """The answer to a STAT; None where nothing is there."""
        self.end(ticket)
        if not ticket.void:
            self._is_so(ticket, attributes)
            self._store.shrink()

    def _is_so(self, ticket: Ticket, attributes: Attributes | None) -> None:
        """What was asked of an entry itself."""
        path = ticket.ask.path
        above, name = split(path)
        folder = self._store.folder(above)
        known = folder.entries.get(name)
        if _knows_newer(folder, name, ticket.at):
            return
        self._cross(above)
        folder.doubtful.discard(name)
        self._store.set(above, folder, name, attributes, known.mapped if known is not None else False, ticket.at)
        if attributes is not None and attributes.kind is Kind.DIRECTORY:
            self._store.note_version(path, attributes, ticket.at)
            itself = self._store.folders.get(path)
            if itself is not None and itself.listed and looking.is_settled(itself):
                itself.at = max(itself.at, ticket.at)
        self._redo(folder, [later for later in ticket.later if (later.folder, later.name) == (above, name)])

    def listed(
        self, ticket: Ticket, entries: Sequence[Entry], watch: int = 0, itself: Attributes | None = None
    ) -> None:
        """The answer to a LIST.

        Args:
            ticket: of the question.
            entries: all that are in the folder.
            watch, itself: as in its first page.
        """
        early_lost = self._early_lost
        early = [change for change in self._early if change.watch == watch]
        self._early = [change for change in self._early if change.watch != watch]
        self.end(ticket)
        path = ticket.ask.path
        if ticket.stream != self.stream:
            watch = 0
        too_many = len(entries) > self._store.entries_max // 2
        if ticket.void or too_many or ticket.unwatched or early_lost:
            if watch and self._watches.get(watch) is None:
                self._released.append(watch)
            watch = 0
        if ticket.void or too_many:
            if too_many:
                self._store.folder(path).unlistable = True
            return
        known = self._store.folders.get(path)
        if watch and (known is None or known.watch != watch):
            self._begin_cover(ticket, itself)
        elif itself is not None and path and not ticket.void_folder:
            self._is_so(ticket, itself)
        folder = self._store.folder(path)  # another one than before, perhaps
        if folder.watch != watch:
            self._unwatch(folder)
        self._take_over(path, folder, ticket, entries, watched=watch != 0)
        if itself is not None:
            self._store.note_version(path, itself, ticket.at)
        if watch:
            if folder.watch != watch:
                self._void_all(path)  # what was read before the watch was set would be taken for covered by it
                folder.watch, folder.watched_at = watch, ticket.at
            other = self._watches.get(watch)
            if other is not None and other != path:
                self._unwatch(self._store.folders[other])  # one number for two folders: neither is believed
            self._watches[watch] = path
            for change in early:
                if change.watch in self._watches:
                    self._apply(change, ticket.at)
        self._redo(folder, [later for later in ticket.later if later.folder == path])
        if path in self._store.folders:
            self._store.folders.move_to_end(path)
        self._store.shrink()

    def _take_over(self, path: str, folder: Folder, ticket: Ticket, entries: Sequence[Entry], *, watched: bool) -> None:
        """The entries of a folder as they were listed; without a watch, what was asked for later is kept."""
        self._cross(path)
        kept: set[str] = set()
        if not watched:
            kept |= {name for name in folder.entries if _knows_newer(folder, name, ticket.at)}
            kept |= {name for name, at in folder.absent.items() if at > ticket.at}
        for name in folder.entries.keys() - {entry.name for entry in entries} - kept:
            self._store.set(path, folder, name, None, False, ticket.at)
        folder.absent.clear()
        folder.doubtful.clear()
        for entry in entries:
            if entry.name not in kept:
                self._store.set(path, folder, entry.name, entry.attributes, entry.mapped, ticket.at)
                if entry.attributes.kind is Kind.DIRECTORY:
                    self._store.note_version(joined(path, entry.name), entry.attributes, ticket.at)
        folder.listed, folder.at, folder.listed_at, folder.asked = True, ticket.at, ticket.at, 0
        folder.whole, folder.unlistable = True, False

    def _begin_cover(self, ticket: Ticket, itself: Attributes | None) -> None:
        """From now on notices tell of the folder itself: what was read of it before that must not come after."""
        above, name = split(ticket.ask.path)
        outer = self._store.folder(above)
        known = outer.entries.get(name)
        mapped = known.mapped if known is not None else False
        self._cross(above)
        if itself is None or ticket.void_folder:
            self._tell(outer, Later(above, name, ticket.at, doubt=True, time=True))
            return
        self._tell(outer, Later(above, name, ticket.at, itself, mapped))
        self._redo(outer, [later for later in ticket.later if (later.folder, later.name) == (above, name)])

    def missing(self, ticket: Ticket) -> None:
        """A LIST was answered: there is no such folder. Something else may be there."""
        self.end(ticket)
        self._store.take_below(ticket.ask.path)
        above, name = split(ticket.ask.path)
        if ticket.ask.path and (folder := self._store.folders.get(above)) is not None:
            _doubt(folder, name)

    def refused(self, ticket: Ticket) -> None:
        """A question was answered by an error that says nothing of what is there."""
        self.end(ticket)
        if ticket.ask.question is Question.LIST:
            self._store.folder(ticket.ask.path).unlistable = True

    def remember(self, path: str, entries: Sequence[Entry], *, whole: bool = False) -> None:
        """A folder was told so by another process, at some time: it is asked for before it is told as it is.

        ``whole``: these were all entries that it had.
        """
        self._store.remember(path, entries, whole=whole)
        self._store.shrink()

    def not_taken(self, ticket: Ticket, watch: int) -> None:
        """A LIST was not read to its end: nobody waits for it. It brought a watch, or 0."""
        self.end(ticket)
        if watch and ticket.stream == self.stream and not ticket.unwatched and watch not in self._watches:
            self._released.append(watch)

    def _cross(self, path: str) -> None:
        """Something is known of a folder, later perhaps than what is being done there still."""
        for ticket in self._pending.get(path, ()):
            ticket.crossed = True

    def _begin(self, ask: Ask, now: float) -> Ticket:
        ticket = Ticket(ask, now, self.stream)
        for at in _places(ask):
            self._pending.setdefault(at, []).append(ticket)
        return ticket

    # Notices ---------------------------------------------------------------------------------------------------------

    def opened(self, stream: int, now: float) -> None:
        """There is a stream of notices from now on."""
        self.lost()
        self.stream, self.heard_at = stream, now

    def lost(self) -> None:
        """The stream is over, and with it every watch: each folder is checked before it is told again."""
        self.stream = 0
        self._lose_watches()
        self._own.clear()
        self._released.clear()

    def synced(self, began: float) -> None:
        """All that changed before ``began`` has been told."""
        self.heard_at = max(self.heard_at, began)
        for key in [key for key, at in self._own.items() if at <= began]:
            del self._own[key]

    def noticed(self, changes: Sequence[Change], now: float) -> None:
        """Notices came in."""
        self.heard_at = max(self.heard_at, now)
        for change in changes:
            if change.what is ChangeKind.OVER and not change.watch:
                self._lose_watches()
            elif change.watch in self._watches:
                self._apply(change, now)
            elif self._pending:
                if len(self._early) < EARLY_MAX:
                    self._early.append(change)
                else:
                    self._early_lost = True
        self._store.shrink()

    def take_released(self) -> list[int]:
        """Watches that nobody needs any more, to be told to the other side; they are taken once."""
        released, self._released = self._released, []
        return released

    def _apply(self, change: Change, now: float) -> None:
        path = self._watches[change.watch]
        folder = self._store.folders[path]
        if change.what is ChangeKind.OVER:
            del self._watches[change.watch]
            folder.watch = 0
            _age(folder)
        elif change.what is ChangeKind.AGAIN:
            self._doubt_all(path, folder)
        elif change.name:
            at = now if change.attributes is None or looking.is_covered(change.attributes) else -inf
            self._tell(folder, Later(path, change.name, at, change.attributes, change.mapped))
        elif change.attributes is not None and path:
            above, name = split(path)
            self._store.note_version(path, change.attributes, now)
            if (outer := self._store.folders.get(above)) is not None and (known := outer.entries.get(name)) is not None:
                self._tell(outer, Later(above, name, now, change.attributes, known.mapped))

    def _tell(self, folder: Folder, later: Later) -> None:
        """An entry changed, by anyone: for now, and for what is being asked meanwhile."""
        for ticket in self._pending.get(later.folder, ()):
            ticket.note(later)
        self._redo(folder, [later])

    def _redo(self, folder: Folder, changes: list[Later]) -> None:
        for later in changes:
            path, name = later.folder, later.name
            known = folder.entries.get(name)
            if later.doubt:
                if not later.time or known is None:
                    folder.doubtful.add(name)
                if known is not None:
                    known.sure = False
            elif later.own or (path, name) not in self._own:
                folder.doubtful.discard(name)
                if later.attributes is not None and self._is_replacing(path, name):
                    self._store.succeed(folder, name, later.attributes)
                self._store.set(path, folder, name, later.attributes, later.mapped, later.at)
            else:
                same = known.attributes == later.attributes if known is not None else later.attributes is None
                if same and name not in folder.doubtful and (known is None or known.sure):
                    del self._own[path, name]  # it is this side's change that was told
                else:
                    _doubt(folder, name)  # perhaps an older state, perhaps a newer one

    # Own changes -----------------------------------------------------------------------------------------------------

    def changed(self, ticket: Ticket, attributes: Attributes | None, now: float, *, in_place: bool = False) -> None:
        """This side made, replaced or altered an entry, which was so then; None: it removed it.

        With ``in_place`` the entry is the one that was there, and the time of its folder is what it was.
        """
        above, name = split(ticket.ask.path)
        folder = self._store.folder(above)
        if ticket.same and attributes is not None:
            self._store.succeed(folder, name, attributes)
        self.end(ticket)
        known = folder.entries.get(name)
        if not in_place:
            self._doubt_time(above, now)
        self._note_own(above, name, now)
        mapped = known.mapped if known is not None else False
        # It was done at some time since it was asked for, and others may have changed it since.
        self._tell(folder, Later(above, name, ticket.at, attributes, mapped, own=True))
        if (
            ticket.void
            or ticket.crossed
            or any(
                (later.folder, later.name) == (above, name) and (later.doubt or later.attributes != attributes)
                for later in ticket.later
            )
        ):
            self._tell(folder, Later(above, name, now, doubt=True))  # somebody else changed it too, before or after
        self._store.shrink()

    def doubted(self, ticket: Ticket, now: float) -> None:
        """This side perhaps changed an entry: it has to be asked what is there now."""
        self.end(ticket)
        above, name = split(ticket.ask.path)
        folder = self._store.folder(above)
        self._note_own(above, name, now)
        self._tell(folder, Later(above, name, now, doubt=True))
        self._doubt_time(above, now)

    def renamed(self, source: Ticket, target: Ticket, now: float) -> None:
        """This side moved an entry, with all below it."""
        old, new = source.ask.path, target.ask.path
        above, name = split(old)
        folder = self._store.folder(above)
        known = folder.entries.get(name)
        sure = known is not None and known.sure and looking.is_fresh(self._store, folder, known, old, now)
        below = self._store.take_below(old)
        self._store.take_below(new)
        self.changed(source, None, now)
        if known is None:
            self.doubted(target, now)
            return
        self.changed(target, known.attributes, now)
        above, name = split(new)
        folder = self._store.folder(above)
        if (moved := folder.entries.get(name)) is not None:
            moved.mapped = known.mapped
        if not sure:
            self._tell(folder, Later(above, name, now, doubt=True))
        for path, inner in below:
            self._store.put_back(new + path[len(old) :], inner)

    def _is_replacing(self, path: str, name: str) -> bool:
        """Whether this side is just giving an entry another version."""
        entry = joined(path, name)
        return any(ticket.same and ticket.ask.path == entry for ticket in self._pending.get(path, ()))

    def _note_own(self, path: str, name: str, now: float) -> None:
        if self.stream:
            self._own.pop((path, name), None)  # they are in order of their times
            self._own[path, name] = now

    # Doubts ----------------------------------------------------------------------------------------------------------

    def _doubt_time(self, path: str, now: float) -> None:
        """The time of a folder is another one since this side changed something in it."""
        above, name = split(path)
        if path:
            self._note_own(above, name, now)
            self._tell(self._store.folder(above), Later(above, name, now, doubt=True, time=True))

    def _void_all(self, path: str) -> None:
        """What is being asked of the entries of a folder counts for nothing."""
        for ticket in self._pending.get(path, ()):
            if ticket.ask.question is Question.LIST and ticket.ask.path != path:
                ticket.void_folder = True
            else:
                ticket.void = True

    def _doubt_all(self, path: str, folder: Folder) -> None:
        self._void_all(path)
        folder.listed = False
        folder.absent.clear()
        for known in folder.entries.values():
            known.sure = False

    # Watches ---------------------------------------------------------------------------------------------------------

    def _void_below(self, path: str) -> None:
        """What is being asked of a folder that is not there any more, or of one below, counts for nothing."""
        for at, tickets in self._pending.items():
            if at == path or at.startswith(path + "/"):
                for ticket in tickets:
                    ticket.void = True

    def _unwatch(self, folder: Folder) -> None:
        if folder.watch:
            if self._watches.pop(folder.watch, None) is not None:
                self._released.append(folder.watch)
            folder.watch = 0
            _age(folder)

    def _lose_watches(self) -> None:
        for path in self._watches.values():
            folder = self._store.folders[path]
            folder.watch = 0
            _age(folder)
        self._watches.clear()
        self._early.clear()
        for tickets in self._pending.values():
            for ticket in tickets:
                ticket.unwatched = True


def _knows_newer(folder: Folder, name: str, at: float) -> bool:
    """Whether what is known of an entry was asked for after ``at``."""
    known = folder.entries.get(name)
    if known is not None:
        return known.sure and known.at > at
    return name not in folder.doubtful and (folder.at > at if folder.listed else folder.absent.get(name, -inf) > at)


def _doubt(folder: Folder, name: str) -> None:
    """What is there has to be asked."""
    folder.doubtful.add(name)
    if (known := folder.entries.get(name)) is not None:
        known.sure = False


def _age(folder: Folder) -> None:
    """What a watch bore out until now has to be checked before it is told again."""
    folder.at = -inf
    folder.absent.clear()
    for known in folder.entries.values():
        known.at = -inf


def _places(ask: Ask) -> tuple[str, ...]:
    """The folders of whose entries a question tells; a LIST tells of the folder itself, too."""
    above = split(ask.path)[0]
    return (ask.path, above) if ask.question is Question.LIST and ask.path else (above,)
