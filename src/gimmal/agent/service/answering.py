"""What the supervisor does for commands: ``status``, ``unlock``, ``put-away``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from typing import TYPE_CHECKING

from gimmal.agent.control import (
    CONTROL_VERSION,
    QUESTION_SECONDS,
    Question,
    Refusal,
    Reply,
    receive_message,
    send_message,
)
from gimmal.agent.service.child import Ended
from gimmal.agent.service.descriptors import receive_pipe
from gimmal.agent.service.machine import Condition, View
from gimmal.agent.service.messages import ORDER_MAX, OUTCOME_SECONDS, RESTART, HalfNamed
from gimmal.base.errors import ExitCode, GimmalError, HalfError, HalfMissing, LocalError, UsageError
from gimmal.protocol.codec import decode_struct

if TYPE_CHECKING:
    from gimmal.agent.service.service import Service

logger = logging.getLogger("gimmal.agent")


class ServiceCommands:
    """Answers the supervisor's socket."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, connection: socket.socket, question: Question) -> None:
        """Answer one question; the connection is owned from now on."""
        try:
            await send_message(connection, await self._answer(connection, question))
        except GimmalError as exc:
            await _refuse(connection, exc)
        except TimeoutError:
            await _refuse(connection, LocalError("it took too long", "gimmal service status shows how things stand"))
        except OSError:
            logger.debug("a command left before it was answered")
        finally:
            connection.close()

    async def _answer(self, connection: socket.socket, question: Question) -> Reply:
        if question.version != CONTROL_VERSION:
            raise UsageError("the service on this computer is of another version", RESTART)
        if question.verb == "status":
            return Reply(status=self._status())
        if question.verb not in ("unlock", "put-away"):
            raise UsageError("the service on this computer does not know this command", RESTART)
        async with asyncio.timeout(QUESTION_SECONDS):
            named = decode_struct(HalfNamed, await receive_message(connection, ORDER_MAX))
        await self._service.look()
        if question.verb == "put-away":
            self._service.put_away(named.pair_id, named.side.value)
            return Reply()
        view = self._service.find(named.pair_id, named.side.value)
        if view is None:
            raise HalfMissing(
                "the service does not see this half",
                "it looks at the top of mounted disks, and in the folders named to gimmal service install --half",
            )
        return await self._unlock(connection, view)

    async def _unlock(self, connection: socket.socket, view: View) -> Reply:
        if view.condition in (Condition.STARTING, Condition.SERVING):
            return Reply(status={"serving": True})
        if view.condition is Condition.REFUSED:
            raise HalfError(view.reason or "this half cannot be served", "gimmal half shows what is wrong with it")
        password = None
        if view.seen.has_password:
            await send_message(connection, Reply(status={"password": True}))
            async with asyncio.timeout(QUESTION_SECONDS):
                password = await receive_pipe(connection)
        outcome = self._service.start(view.seen.location, password)
        if outcome is None:
            raise LocalError("the half went away, or another command started it", "run the command again")
        async with asyncio.timeout(OUTCOME_SECONDS):
            ended = await asyncio.shield(outcome)
        if ended is not None:
            raise _error_of(ended)
        return Reply(status={"serving": True})

    def _status(self) -> dict[str, object]:
        return {
            "process": os.getpid(),
            "halves": [self._half(view) for view in self._service.views()],
        }

    def _half(self, view: View) -> dict[str, object]:
        return {
            "half": os.fsencode(view.seen.location).decode("utf-8", "backslashreplace"),
            "pair": view.seen.pair_name,
            "side": view.seen.side,
            "state": view.condition.name.lower(),
            "since": round(time.time() - view.since),
            "process": self._service.process_of(view.number) or None,
            "connected": view.connected,
            "again_in": None if view.again_in is None else round(view.again_in, 1),
            "reason": view.reason,
            "last_words": self._service.last_words(view.seen.location),
        }


def _error_of(ended: Ended) -> GimmalError:
    error = GimmalError(ended.message or "the agent of the half ended", ended.hint or "run gimmal up to see why")
    known = ended.code > 0 and ended.code in set(ExitCode)
    error.exit_code = ExitCode(ended.code) if known else ExitCode.LOCAL
    return error


async def _refuse(connection: socket.socket, error: GimmalError) -> None:
    with contextlib.suppress(OSError):
        async with asyncio.timeout(QUESTION_SECONDS):
            await send_message(connection, Reply(refusal=Refusal.of(error)))
