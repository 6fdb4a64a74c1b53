"""One open edit: who uses its file, when it rests, how it ends."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from collections.abc import Iterator
from time import monotonic

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Replace, Version
from gimmal.share.edit_file import EditFile, begin_file
from gimmal.share.edit_spares import EditSpares, Spare, may_keep
from gimmal.share.places import Place
from gimmal.share.refused import RefusedError


class Edit:
    """Safe for several threads: what cannot be done beside what is being done is refused at once.

    Args:
        path: wire path of its final name.
        place: that name here.
        replace: what its commit may replace.
        base: the version expected there.
        file: what is written to.
        spares: of the session.
    """

    def __init__(
        self,
        path: str,
        place: Place,
        replace: Replace,
        base: Version | None,
        file: EditFile,
        spares: EditSpares,
    ) -> None:
        self.path = path
        self._spares = spares
        self.place = place
        self.replace = replace
        self.base = base
        self._file: EditFile | None = file
        self._lock = threading.Lock()
        self._users = 0
        self._alone = False
        self._over = False

    @contextlib.contextmanager
    def using(self) -> Iterator[EditFile]:
        """The file, for as long as the block lasts; others may use it beside.

        Where the edit rests after a commit, its file is made anew first.

        Raises:
            RefusedError: UNKNOWN_PART, it is over; LIMIT, it is being committed; as `begin_file`.
            OSError: as `begin_file`.
        """
        with self._lock:
            file = self._file
            if file is not None:
                self._enter(alone=False)
        if file is None:
            with self.alone() as file:
                yield file
            return
        try:
            yield file
        finally:
            self._leave()

    @contextlib.contextmanager
    def alone(self) -> Iterator[EditFile]:
        """As `using`, with nobody beside.

        Raises:
            RefusedError: as `using`; LIMIT also where others use it.
        """
        with self._lock:
            self._enter(alone=True)
        try:
            if self._file is None:
                base = self.base
                assert base is not None  # known since the commit that it rests after
                self._file = begin_file(self.place, base, base.size, base.size, Replace.EXPECTED, self._spares)
            yield self._file
        finally:
            self._leave()

    def rest(self, base: Version) -> None:
        """It was committed, as this version, and goes on as an edit of that; called inside `alone`."""
        if self._file is not None:
            self._file.close()
        self._file, self.base, self.replace = None, base, Replace.EXPECTED

    def give_up(self) -> None:
        """Nobody wants it any more. What was copied for it and not changed is kept for whoever tries again.

        Its asker may have given it up because copying took longer than it could wait: the next try finds it done.
        """
        with self._lock:
            if self._users or self._file is None:
                return  # `end` sees to it
            file, self._file = self._file, None
        base = file.base
        with contextlib.suppress(OSError, RefusedError):
            if base is not None and file.changed == []:
                with self.place.parent() as (folder, _final):
                    keep = may_keep(folder, base.size)
                if keep:
                    fcntl.flock(file.descriptor, fcntl.LOCK_UN)  # who removes the folder may remove it too
                    spare = Spare(
                        self.place, file.name, file.descriptor, base, (), file.former, file.base_former, monotonic()
                    )
                    self._spares.keep(spare)
                    return
        file.remove(self.place)

    def end(self, *, placed: bool) -> None:
        """It is over; its file goes unless it was ``placed``: now, or when the last who uses it has left."""
        with self._lock:
            self._over = True
            if placed and self._file is not None:
                self._file.close()
                self._file = None
            file = self._unused()
        if file is not None:
            file.remove(self.place)

    def _enter(self, *, alone: bool) -> None:
        if self._over or self.place.share.ended:
            raise RefusedError(Code.UNKNOWN_PART)
        if self._alone or (alone and self._users):
            raise RefusedError(Code.LIMIT)
        self._users += 1
        self._alone = alone

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            self._alone = False
            file = self._unused()
        if file is not None:
            file.remove(self.place)

    def _unused(self) -> EditFile | None:
        """The file of an edit that is over, once nobody uses it."""
        if not self._over or self._users:
            return None
        file, self._file = self._file, None
        return file
