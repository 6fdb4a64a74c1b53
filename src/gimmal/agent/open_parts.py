"""Part files that one who asks through the agent has open on the other side, let go of when they leave.

The agent's session with the other side outlives a command and a queued transfer, and open part files belong to the
session: without this, each that was cut short would hold one for good.
"""

from __future__ import annotations

import asyncio
import logging
import weakref

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import Answer, Discard, OpenPart, PartOpened
from gimmal.share.using import Using
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")


class OpenParts:
    """The open part files of one who asks.

    Args:
        session: with the other side.
        tasks: of the agent, for what has to be told to the other side after they have left.
    """

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self._session = session
        self._tasks = tasks
        self._parts: dict[int, str] = {}
        self._claims = _claims.setdefault(session, _Claims())
        self._left = False
        self.using: Using | None = None
        """Is told of each part file that was opened, where somebody keeps a log of what is done."""

    async def open(self, request: OpenPart) -> Answer:
        """Ask for a part file.

        Raises:
            GimmalError: why there is no answer.
        """
        # Goes on where the asker is gone meanwhile: the other side opens the part all the same.
        opened = await asyncio.shield(self._tasks.start(self._open(request), "open part"))
        if isinstance(opened, GimmalError):
            raise opened
        return opened

    def settled(self, part: int) -> None:
        """A part was placed or given up."""
        path = self._parts.pop(part, None)
        if path is not None:
            self._claims.settle(path, self)

    def leave(self) -> None:
        """The asker has left: let go of what is open still; part files stay for another time."""
        self._left = True
        if self._parts and not self._session.over:
            self._tasks.start(self._let_go(), "discard parts")

    async def _open(self, request: OpenPart) -> Answer | GimmalError:
        """Maybe nobody is left to hear of a failure, so it is returned."""
        self._claims.owners[request.path] = self
        if (going := self._claims.going.get(request.path)) is not None:
            await asyncio.wait([going])
        try:
            answer = await self._session.call(request, deadline=None)
        except GimmalError as exc:
            self._claims.settle(request.path, self)
            return exc
        if self.using is not None:
            self.using.answered(request, answer)
        if isinstance(answer, PartOpened):
            self._parts[answer.part] = request.path
            if self._left:
                await self._let_go()
        else:
            self._claims.settle(request.path, self)
        return answer

    async def _let_go(self) -> None:
        while self._parts and not self._session.over:
            part, path = self._parts.popitem()
            if self._claims.owners.get(path) is not self:
                continue  # somebody who came later goes on with it
            gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._claims.going[path] = gone
            try:
                await self._session.call(Discard(part, remove=False))
            except GimmalError as exc:
                logger.debug("a part stays open: %s", exc)
            finally:
                del self._claims.going[path]
                self._claims.settle(path, self)
                gone.set_result(None)


class _Claims:
    """Who of all that ask through one session has which part file open: the same one where its target is the same.

    Attributes:
        owners: by the target's path, who asked for it last.
        going: those that are just being let go of, until they are.
    """

    def __init__(self) -> None:
        self.owners: dict[str, OpenParts] = {}
        self.going: dict[str, asyncio.Future[None]] = {}

    def settle(self, path: str, owner: OpenParts) -> None:
        """Somebody is done with a target."""
        if self.owners.get(path) is owner:
            del self.owners[path]


_claims: weakref.WeakKeyDictionary[Session, _Claims] = weakref.WeakKeyDictionary()
