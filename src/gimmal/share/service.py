"""The share room as the serving loop sees it: a service for one side, a session for each of the peer's.

Everything here is synchronous, may block on the disk, and is called from worker threads; a session may be
called from several at a time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gimmal.base.errors import LocalError
from gimmal.base.fair_budget import FairBudget
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    AboutFilm,
    Answer,
    BundleFile,
    BundleWritten,
    Commit,
    CommitEdit,
    Copy,
    DigestBlocks,
    DigestFiles,
    Discard,
    DiscardEdit,
    Done,
    EmptyTrash,
    Examine,
    Failed,
    FilmPart,
    List,
    ListChunks,
    ListTrash,
    MakeDirectories,
    MakeDurable,
    MakeLinks,
    Measure,
    OpenEdit,
    OpenPart,
    QuickEdit,
    Read,
    ReadBundle,
    ReadEdit,
    ReadFilmText,
    RemoveMany,
    Rename,
    Request,
    RestoreTrash,
    SetAttributes,
    Stat,
    StatFileSystem,
    Thumbnail,
    Trash,
    Tree,
    TruncateEdit,
    Unwatch,
    Watch,
    Write,
    WriteBundle,
    WriteEdit,
)
from gimmal.share import (
    bundle_reading,
    bundle_writing,
    changing,
    chunking,
    copying,
    editing,
    examining,
    linking,
    listing,
    looking,
    making_durable,
    measuring,
    part_committing,
    part_opening,
    part_reusing,
    part_writing,
    reading,
    rereading,
    trash_removing,
    trashing,
    watch_answering,
)
from gimmal.share.cursors import CURSORS_OF_ALL, CURSORS_OF_EACH, Cursors
from gimmal.share.edit_table import OpenEdits
from gimmal.share.notices import next_notices
from gimmal.share.part_journals import PartJournals
from gimmal.share.part_reusing import ReusingWriter
from gimmal.share.part_table import OpenParts, PartTable
from gimmal.share.part_writing import PartWriter
from gimmal.share.places import Places
from gimmal.share.previewing import films, pictures
from gimmal.share.previewing.children import UnwantedError
from gimmal.share.previewing.previews import Previews
from gimmal.share.reading import OpenRange
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.session_watches import SessionWatches
from gimmal.share.shares import Rights, ShareTable
from gimmal.share.state import SessionState
from gimmal.share.trash_filling import TrashFilling
from gimmal.share.using import OF_OPEN_EDIT, OfOpenEdit, UseWatcher, Using
from gimmal.share.watching import Watching

logger = logging.getLogger("gimmal.share")

NO_PREVIEWS = "GIMMAL_NO_PREVIEWS"
"""Environment variable: where it is set, nothing is made of shared files by decoders."""

_ANSWERS: dict[type, Callable[[SessionState, Any], Answer]] = {
    Stat: looking.answer_stat,
    List: listing.answer_list,
    Tree: listing.answer_tree,
    StatFileSystem: looking.answer_stat_file_system,
    OpenPart: part_opening.answer_open_part,
    Commit: part_committing.answer_commit,
    Discard: part_committing.answer_discard,
    MakeDirectories: changing.answer_make_directories,
    RemoveMany: changing.answer_remove_many,
    Rename: changing.answer_rename,
    Copy: copying.answer_copy,
    SetAttributes: changing.answer_set_attributes,
    Trash: trashing.answer_trash,
    ListTrash: trashing.answer_list_trash,
    RestoreTrash: trashing.answer_restore_trash,
    EmptyTrash: trashing.answer_empty_trash,
    Examine: examining.answer_examine,
    MakeLinks: linking.answer_make_links,
    DigestBlocks: rereading.answer_digest_blocks,
    DigestFiles: rereading.answer_digest_files,
    Measure: measuring.answer_measure,
    ListChunks: chunking.answer_list_chunks,
    Watch: watch_answering.answer_watch,
    Unwatch: watch_answering.answer_unwatch,
    OpenEdit: editing.answer_open_edit,
    WriteEdit: editing.answer_write_edit,
    ReadEdit: editing.answer_read_edit,
    TruncateEdit: editing.answer_truncate_edit,
    CommitEdit: editing.answer_commit_edit,
    DiscardEdit: editing.answer_discard_edit,
    QuickEdit: editing.answer_quick_edit,
    MakeDurable: making_durable.answer_make_durable,
}

_MAKERS: dict[type, Callable[[SessionState, Any, threading.Event], Answer]] = {
    Thumbnail: pictures.answer_thumbnail,
    AboutFilm: films.answer_about_film,
    FilmPart: films.answer_film_part,
    ReadFilmText: films.answer_read_film_text,
}

MADE = tuple(_MAKERS)
"""Requests for what is made by processes, which may take long and can be broken off."""


class ShareService:
    """The shared folders of one side. Close it when the half is gone.

    Args:
        shares: what is shared.
        journal_directory: where notes on unfinished uploads are kept; made when first needed.
        journal_key: 32 bytes from the half that seal them.
        clock: seconds since 1970.

    Raises:
        LocalError: the folder of a share cannot be opened.
    """

    def __init__(
        self,
        shares: ShareTable,
        journal_directory: Path,
        journal_key: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        try:
            self._places = Places(shares)
        except OSError as error:
            raise _unopened(error) from error
        journals = PartJournals(journal_directory, journal_key)
        journals.sweep()
        self._parts = OpenParts(journals)
        self._edits = OpenEdits()
        self._cursors = FairBudget(CURSORS_OF_ALL, CURSORS_OF_EACH)
        self._previews = None if os.environ.get(NO_PREVIEWS) else Previews()
        self._new_file_mode = 0o666 & ~_umask()
        self._watching_lock = threading.Lock()
        self._watching: Watching | None = None
        self._may_watch = True

    def open_session(self, who: str = "this side", watcher: UseWatcher | None = None) -> ShareSession:
        """The answering side of a new session of the peer.

        Args:
            who: it is, for the notes of a trash.
            watcher: is told what the session does; None where nobody need know.
        """
        parts = PartTable(self._parts)
        cursors = Cursors(self._cursors.share())
        trash = TrashFilling(who)
        watches = SessionWatches(self._watch)
        edits = self._edits.table()
        state = SessionState(
            self._places, cursors, parts, self._new_file_mode, trash, self._clock, watches, edits, self._previews
        )
        return ShareSession(state, Using(watcher) if watcher is not None else None)

    def set_shares(self, shares: ShareTable) -> None:
        """Share these from now on, also in sessions that run: what is shared no longer is refused and let go of.

        A request that is being worked on just then is finished.

        Raises:
            LocalError: the folder of a new share cannot be opened; nothing has changed.
        """
        with self._places.using():
            try:
                self._places.replace(shares)
            except OSError as error:
                raise _unopened(error) from error
            self._edits.end_shares()  # in here, for their folders are needed to remove what is there
        self._parts.end_shares()
        with self._watching_lock:
            watching = self._watching
        if watching is not None:
            watching.replaced()

    def sweep_trash(self) -> bool:
        """Remove some of what has been in the trash of a writable share for too long; True: call again."""
        more = False
        with self._places.using():
            for opened in self._places:
                if opened.share.rights is Rights.READ_WRITE:
                    with contextlib.suppress(OSError):
                        more = trash_removing.sweep(opened.root, self._clock()) or more
        return more

    def close(self) -> None:
        """Let go of all shared folders; sessions must be closed before."""
        if self._previews is not None:
            self._previews.close()
        with self._watching_lock:
            self._may_watch = False
            if self._watching is not None:
                self._watching.close()
        self._places.close()

    def _watch(self) -> Watching | None:
        """What is watched for all sessions, begun when one first asks; None where this system cannot."""
        with self._watching_lock:
            if self._watching is None and self._may_watch:
                try:
                    self._watching = Watching(self._places)
                except OSError as error:
                    self._may_watch = False
                    logger.info("changes of shared folders are not told: %s", error)
            return self._watching


class ShareSession:
    """What one session of the peer may ask; made by `ShareService.open_session`."""

    def __init__(self, state: SessionState, using: Using | None = None) -> None:
        self._state = state
        self._using = using

    def answer(self, request: Request) -> Answer:
        """Do what a request asks and say how it went; raises nothing but bugs.

        Requests with a stream have methods of their own: Read, ReadBundle, Write, WriteBundle are answered
        UNSUPPORTED here.
        """
        if isinstance(request, MADE):
            return self.make(request, threading.Event())
        act = _ANSWERS.get(type(request))
        if act is None:
            return Failed(Code.UNSUPPORTED)
        if not isinstance(request, OF_OPEN_EDIT):
            return self._answer(request, lambda: act(self._state, request))
        return self._answer_of_edit(request, lambda: act(self._state, request))

    def make(self, request: Request, unwanted: threading.Event) -> Answer:
        """The same for one of MADE, which is broken off when ``unwanted`` is set; it may take long."""
        maker = _MAKERS[type(request)]
        return self._answer(request, lambda: maker(self._state, request, unwanted))

    def _answer_of_edit(self, request: OfOpenEdit, act: Callable[[], Answer]) -> Answer:
        """The file is that of the edit itself: others that are answered meanwhile may end it, or not be noted yet."""
        paths: list[str] = []

        def found() -> Answer:
            paths.append(self._state.edits.get(request.edit).path)
            return act()

        return self._answer(request, found, paths)

    def _answer(self, request: Request, act: Callable[[], Answer], edited: Sequence[str] = ()) -> Answer:
        answer: Answer
        try:
            with self._state.places.using():
                answer = act()
        except RefusedError as refused:
            answer = Failed(refused.code)
        except UnwantedError:
            answer = Failed(Code.FAILED)
        except OSError as error:
            answer = Failed(code_of(error))
        if self._using is not None:
            self._using.answered(request, answer, *edited)
        return answer

    def open_range(self, request: Read) -> OpenRange | Failed:
        """The range a Read asks for; the caller closes it."""
        with self._state.places.using():
            opened = reading.open_range(self._state, request)
        if self._using is not None:
            self._using.read(request, opened if isinstance(opened, Failed) else opened.length)
        return opened

    def read_bundle(self, request: ReadBundle) -> tuple[bytes, list[bytes]]:
        """Header and contents of the BUNDLE record that answers."""
        with self._state.places.using():
            header, contents = bundle_reading.read_bundle(self._state, request)
        if self._using is not None:
            self._using.read_bundle(request, header, contents)
        return header, contents

    def begin_write(self, request: Write) -> PartWriter | ReusingWriter | Failed:
        """A writer for the block whose bytes follow; the caller finishes or abandons it."""
        with self._state.places.using():
            return (
                part_reusing.begin_write(self._state, request)
                if request.reused
                else part_writing.begin_write(self._state, request)
            )

    def write_bundle(
        self, request: WriteBundle, files: Sequence[BundleFile], contents: Sequence[memoryview]
    ) -> BundleWritten | Failed:
        """Place the files of the BUNDLE record that followed."""
        with self._state.places.using():
            answer = bundle_writing.write_bundle(self._state, request, files, contents)
        if self._using is not None:
            self._using.wrote_bundle(request, files, answer)
        return answer

    @property
    def keeps_spares(self) -> bool:
        """Whether something is kept for further edits, for which `drop_old_spares` should be called now and then."""
        return len(self._state.edits.spares) > 0

    def drop_old_spares(self) -> bool:
        """Remove what was kept for further edits that did not come; True where something is kept still."""
        with self._state.places.using():
            return self._state.edits.spares.drop_old()

    def open_notices(self, number: int, wake: Callable[[], None]) -> Done | Failed:
        """Open a stream of notices; ``wake`` is called, from any thread, when there is something to tell on it."""
        try:
            with self._state.places.using():
                self._state.watches.open(number, wake)
        except RefusedError as refused:
            return Failed(refused.code)
        return Done()

    def next_notices(self, number: int, *, begin: bool = True) -> bytes | None:
        """The body of the next NOTICES of a stream; None where there is nothing to tell.

        Without ``begin``, of what was marked when last begun.
        """
        try:
            watching, stream = self._state.watches.stream(number)
        except RefusedError:
            return None
        with self._state.places.using():
            return next_notices(watching, stream, begin=begin)

    def close_notices(self, number: int) -> None:
        """A stream of notices is over."""
        self._state.watches.close_stream(number)

    def set_attached(self, attached: bool) -> None:
        """Say whether the session has links now; without any, another may take over its uploads."""
        self._state.parts.attached = attached

    def set_answers(self, answers: Callable[[], bool]) -> None:
        """Say how to find out whether the session's peer answers; blocks, for seconds at most."""
        self._state.parts.answers = answers

    def close(self) -> None:
        """The session is over: part files are let go of and stay for another time, edits are given up."""
        self._state.parts.close()
        with self._state.places.using():
            self._state.edits.close()
        self._state.cursors.close()
        self._state.watches.close()


def _unopened(error: OSError) -> LocalError:
    return LocalError(
        f"a shared folder cannot be opened: {(error.strerror or 'unknown error').lower()}",
        "check that it is there and may be read",
    )


def _umask() -> int:
    """The umask, without changing it for other threads where the system tells it."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
