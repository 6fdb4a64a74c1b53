"""Edits that one who asks through the agent has open on the other side, given up when they leave.

The agent's session with the other side outlives a command, and edits belong to the session: without this, each that
was cut short would hold a copy of a file for good.
"""

from __future__ import annotations

import asyncio
import logging

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import Answer, CommitEdit, DiscardEdit, EditOpened, Failed, OpenEdit
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")


class OpenEdits:
    """The open edits of one who asks.

    Args:
        session: with the other side.
        tasks: of the agent, for what has to be told to the other side after they have left.
    """

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self._session = session
        self._tasks = tasks
        self._edits: set[int] = set()
        self._left = False

    async def open(self, request: OpenEdit) -> Answer:
        """Ask for an edit.

        Raises:
            GimmalError: why there is no answer.
        """
        # Goes on where the asker is gone meanwhile: the other side opens the edit all the same.
        opened = await asyncio.shield(self._tasks.start(self._open(request), "open edit"))
        if isinstance(opened, GimmalError):
            raise opened
        return opened

    def answered(self, request: CommitEdit | DiscardEdit, answer: Answer) -> None:
        """An edit was placed or given up, or not."""
        goes_on = isinstance(request, CommitEdit) and (request.keep_open or isinstance(answer, Failed))
        if not goes_on:
            self._edits.discard(request.edit)

    def leave(self) -> None:
        """The asker has left: give up what is open still."""
        self._left = True
        if self._edits and not self._session.over:
            self._tasks.start(self._give_up(), "discard edits")

    async def _open(self, request: OpenEdit) -> Answer | GimmalError:
        """Maybe nobody is left to hear of a failure, so it is returned."""
        try:
            answer = await self._session.call(request, deadline=None)
        except GimmalError as exc:
            return exc
        if isinstance(answer, EditOpened):
            self._edits.add(answer.edit)
            if self._left:
                await self._give_up()
        return answer

    async def _give_up(self) -> None:
        while self._edits and not self._session.over:
            try:
                await self._session.call(DiscardEdit(self._edits.pop()))
            except GimmalError as exc:
                logger.debug("an edit stays open: %s", exc)
