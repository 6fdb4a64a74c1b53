"""Gathers what sessions do into few records: a machine without I/O, whose clocks are arguments.

What was done to entries of one folder in one session is one tally. What changes something is due after seconds; what
only looks is, the first time, and then after minutes: a film that is watched makes a record now and then. Of changes
every name is kept, of looks the first few. A peer that does more than a log may grow by is counted only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gimmal.agent.use_log.allowance import Allowance
from gimmal.agent.use_log.records import (
    NAMES_MAX,
    Began,
    Crowded,
    Did,
    Ended,
    Record,
    Served,
    Uncounted,
    Who,
    encode_record,
)
from gimmal.share.using import Act, Used

HOLD_SECONDS = 5.0
"""How long something waits for more of its kind."""

HOLD_LOOKS_SECONDS = 300.0
"""The same, for what looks again where it looked before."""

ENDED_SECONDS = 1.0
"""How long what is gathered of a session waits after its end for other sessions that end, too."""

ENDED_MAX = 1024
"""Sessions that have ended and whose last requests may still be under way."""

CROWD_SECONDS = 3600.0
"""How often counts alone are written."""

LOOKS_NAMED = 16
"""Names kept of what only looks, in one record."""

GATHERED_BYTES = 1 << 20
"""Bytes of memory above which what is gathered is due at once."""

GATHERED_MOST = 4 << 20
"""Bytes of memory above which no more names are kept, but counted: the disk does not take them."""

TALLIES_MAX = 4096
"""Tallies at a time; what comes beyond is counted only. As many places that were looked at are remembered."""

RECORD_NAMES_BYTES = 16 * 1024
"""Bytes of names after which a record is closed."""

CROWD_MAX = 256
"""Kinds of counts that are kept apart by share."""

_TALLY_BYTES = 512
_NAME_BYTES = 160
_TEXT_MAX = 4096
_MILLISECONDS_MAX = 1 << 53

_Key = tuple[bytes, Act, str]


@dataclass(slots=True)
class _Tally:
    first: int
    last: int
    due: float
    count: int = 0
    size: int = 0
    names: list[tuple[str, str]] = field(default_factory=list)
    """Of changes: each name and its target, in order."""
    seen: set[str] = field(default_factory=set)
    """Of looks: each name once; those first seen are in ``names``."""
    bytes: int = _TALLY_BYTES


class UseNotes:
    """What is not written yet. Safe for several threads.

    Args:
        wall: seconds since 1970, as the computer's clock stands.
        steady: seconds of a clock that only goes forward.
        tell: called, perhaps in any thread, when something became due earlier than before.
    """

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float], tell: Callable[[], None]) -> None:
        self._wall = wall
        self._steady = steady
        self._tell = tell
        self._lock = threading.Lock()
        self._allowance = Allowance(steady())
        self._who: dict[bytes, Who] = {}
        self._left: dict[bytes, Who] = {}
        """Of sessions that have ended, the last ones."""
        self._begun: list[Record] = []
        self._ended: list[Record] = []
        self._tallies: dict[_Key, _Tally] = {}
        self._looked: dict[_Key, None] = {}
        self._gathered = 0
        self._crowd: dict[tuple[Act, str], list[int]] = {}
        self._crowd_sessions = 0
        self._crowd_times = (0, 0)
        self._crowd_due = 0.0
        self._due: float | None = None

    # What happens ----------------------------------------------------------------------------------------------------

    def served(self, reason: str = "") -> None:
        """The half began to be served, or with a reason: stopped."""
        with self._lock:
            (self._ended if reason else self._begun).append(Served(self._now(), reason))
            told = self._due_by(self._steady())
        self._say(told)

    def knows(self, session: bytes, who: Who) -> None:
        """Whose the session is, where nothing is to be written of its beginning and end."""
        with self._lock:
            self._who[session] = who

    def forgets(self, session: bytes) -> None:
        """The end of what `knows` began; what was done in it is still written."""
        with self._lock:
            self._leave(session)

    def began(self, session: bytes, who: Who, path: str) -> None:
        """A session began; ``session`` is 8 bytes that no other has."""
        with self._lock:
            self._who[session] = who
            told = False
            if len(self._begun) < TALLIES_MAX:
                self._begun.append(Began(session, self._now(), who, path))
                told = self._due_by(self._steady() + HOLD_SECONDS)
            else:
                self._crowd_session(self._now())
        self._say(told)

    def ended(self, session: bytes, reason: str) -> None:
        """A session is over; nothing more comes of it but what was under way."""
        with self._lock:
            who = self._leave(session)
            if who is None:
                return
            now = self._steady()
            for key, tally in self._tallies.items():
                if key[0] == session:
                    tally.due = min(tally.due, now)
            for key in [key for key in self._looked if key[0] == session]:
                del self._looked[key]
            if len(self._ended) < TALLIES_MAX:
                self._ended.append(Ended(session, self._now(), reason, who.side, who.computer))
            told = self._due_by(now + ENDED_SECONDS)
        self._say(told)

    def used(self, session: bytes, used: Sequence[Used]) -> None:
        """A session did something, perhaps just before it ended."""
        with self._lock:
            told = False
            for one in used:
                told = self._add(session, one) or told
        self._say(told)

    # What is due -----------------------------------------------------------------------------------------------------

    @property
    def due(self) -> float | None:
        """When `take` has something, on the steady clock; None while there is nothing."""
        return self._due

    def take(self, *, everything: bool = False) -> list[bytes]:
        """Encoded records of what is due, in order; they count as written.

        Args:
            everything: also of what is not due yet.
        """
        with self._lock:
            now = self._steady()
            pressed = self._gathered >= GATHERED_BYTES
            records = [data for record in self._begun for data in self._allowed(record, now)]
            self._begun = []
            for key, tally in list(self._tallies.items()):
                if everything or pressed or tally.due <= now:
                    del self._tallies[key]
                    self._gathered -= tally.bytes
                    records += self._told(key, tally, now)
            records += [data for record in self._ended for data in self._allowed(record, now)]
            self._ended = []
            records += self._crowded(now, everything=everything)
            self._reckon()
            return records

    def _leave(self, session: bytes) -> Who | None:
        who = self._who.pop(session, None)
        if who is not None:
            self._left[session] = who
            if len(self._left) > ENDED_MAX:
                del self._left[next(iter(self._left))]
        return who

    # Gathering -------------------------------------------------------------------------------------------------------

    def _add(self, session: bytes, used: Used) -> bool:
        now, at = self._steady(), self._now()
        key = (session, used.act, used.folder[:_TEXT_MAX])
        tally = self._tallies.get(key)
        told = False
        if tally is None:
            if len(self._tallies) >= TALLIES_MAX:
                self._count_only(used.act, used.folder, len(used.names), used.size, at)
                return False
            hold = HOLD_LOOKS_SECONDS if key in self._looked else HOLD_SECONDS
            tally = self._tallies[key] = _Tally(at, at, now + hold)
            self._gathered += _TALLY_BYTES
            if not used.act.changes:
                self._looked[key] = None
                if len(self._looked) > TALLIES_MAX:
                    del self._looked[next(iter(self._looked))]
            told = self._due_by(tally.due)
        tally.last = at
        tally.size += used.size
        if used.act.changes:
            self._add_changes(tally, used)
        else:
            self._add_looks(tally, used)
        return (self._gathered >= GATHERED_BYTES and self._due_by(now)) or told

    def _add_changes(self, tally: _Tally, used: Used) -> None:
        tally.count += len(used.names)
        targets = used.targets or [""] * len(used.names)
        for name, target in zip(used.names, targets, strict=True):
            if self._room(tally, len(name) + len(target)):
                tally.names.append((name[:_TEXT_MAX], target[:_TEXT_MAX]))

    def _add_looks(self, tally: _Tally, used: Used) -> None:
        for name in used.names:
            if name in tally.seen:
                continue
            tally.count += 1
            if self._room(tally, len(name)):
                tally.seen.add(name)
                if len(tally.names) < LOOKS_NAMED:
                    tally.names.append((name[:_TEXT_MAX], ""))

    def _room(self, tally: _Tally, length: int) -> bool:
        """Whether one more name of so many characters may be kept; then it counts."""
        size = _NAME_BYTES + length
        if self._gathered + size > GATHERED_MOST:
            return False
        tally.bytes += size
        self._gathered += size
        return True

    def _due_by(self, moment: float) -> bool:
        if self._due is None or moment < self._due:
            self._due = moment
            return True
        return False

    def _reckon(self) -> None:
        moments = [tally.due for tally in self._tallies.values()]
        if self._crowd or self._crowd_sessions:
            moments.append(self._crowd_due)
        self._due = min(moments, default=None)

    def _say(self, told: bool) -> None:
        if told:
            self._tell()

    def _now(self) -> int:
        return max(0, min(int(self._wall() * 1000), _MILLISECONDS_MAX))

    # Telling ---------------------------------------------------------------------------------------------------------

    def _told(self, key: _Key, tally: _Tally, now: float) -> Iterator[bytes]:
        session, act, folder = key
        who = self._who.get(session) or self._left.get(session)
        left, size = tally.count, tally.size
        pieces = list(_pieces(tally.names)) or [[]]
        for index, piece in enumerate(pieces):
            is_last = index == len(pieces) - 1
            count = left if is_last else len(piece)
            record = Did(
                session,
                act,
                tally.first,
                tally.last,
                folder,
                [name for name, _target in piece],
                [target for _name, target in piece] if any(target for _name, target in piece) else [],
                count,
                size if is_last else 0,
                who.side if who is not None else "",
                who.computer if who is not None else "",
            )
            yield from self._allowed(record, now)
            left -= count

    def _allowed(self, record: Record, now: float) -> list[bytes]:
        data = encode_record(record)
        if isinstance(record, Served) or self._allowance.take(len(data), now):
            return [data]
        if isinstance(record, Did):
            self._count_only(record.act, record.folder, record.count, record.size, record.last)
        elif isinstance(record, Began):
            self._crowd_session(record.at)
        return []

    def _count_only(self, act: Act, folder: str, count: int, size: int, at: int) -> None:
        self._crowd_time(at)
        key = (act, folder.partition("/")[0][:255])
        if key not in self._crowd and len(self._crowd) >= CROWD_MAX:
            key = (act, "")
        sums = self._crowd.setdefault(key, [0, 0])
        sums[0] += count
        sums[1] += size

    def _crowd_session(self, at: int) -> None:
        self._crowd_time(at)
        self._crowd_sessions += 1

    def _crowd_time(self, at: int) -> None:
        if not (self._crowd or self._crowd_sessions):
            self._crowd_times = (at, at)
            self._crowd_due = max(self._crowd_due, self._steady() + HOLD_SECONDS)
            self._due_by(self._crowd_due)
        self._crowd_times = (self._crowd_times[0], at)

    def _crowded(self, now: float, *, everything: bool) -> list[bytes]:
        if not (self._crowd or self._crowd_sessions) or (now < self._crowd_due and not everything):
            return []
        acts = [Uncounted(act, share, *sums) for (act, share), sums in self._crowd.items()]
        record = Crowded(*self._crowd_times, self._crowd_sessions, acts)
        self._crowd, self._crowd_sessions = {}, 0
        self._crowd_due = now + CROWD_SECONDS
        return [encode_record(record)]


def _pieces(names: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    piece: list[tuple[str, str]] = []
    size = 0
    for pair in names:
        size += len(pair[0].encode()) + len(pair[1].encode())
        piece.append(pair)
        if size >= RECORD_NAMES_BYTES or len(piece) == NAMES_MAX:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
