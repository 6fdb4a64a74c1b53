"""What the agent does for commands on the same computer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gimmal.agent.control import CONTROL_VERSION, Question, Refusal, Reply, send_message
from gimmal.agent.forwarding import Forwarding
from gimmal.agent.last_seen import told_when
from gimmal.agent.path_care import PathStatus
from gimmal.agent.plugged import PROGRAM
from gimmal.base.errors import GimmalError, LocalError, UnreachableError, UsageError
from gimmal.base.fair_budget import FairBudget
from gimmal.base.primitives import random_bytes
from gimmal.base.tasks import Tasks
from gimmal.noise.keys import RootKeys
from gimmal.protocol.features import OFFERED
from gimmal.protocol.limits import PROTOCOL_VERSION, WRITES_MAX
from gimmal.protocol.messages import CloseReason, Hello
from gimmal.transport.answering import Handler
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import Link, PathKind
from gimmal.transport.plain_cipher import PlainCipher
from gimmal.transport.session import Session

if TYPE_CHECKING:
    from gimmal.agent.agent import Agent

logger = logging.getLogger("gimmal.agent")

DEADLINE_MAX = 30.0
HELD_MAX = 10 * WRITES_MAX
"""Never reached: what a command's open streams bring in all, where each record takes most. For the agent keeps what
came of a stream until it is answered, and would wait for the rest of one if it read no more because of others."""

TOLD_SECONDS = 0.3
"""What commands have to take in that the half is being unplugged."""

_NO_KEYS = RootKeys(psk=bytes(32), gate_key=bytes(32), key_id=bytes(8))


def local_session(
    connection: socket.socket, pool: BufferPool, handler: Handler | None, *, opener: bool, features: int = OFFERED
) -> Session:
    """A session in clear over a connected Unix socket, for either end; ``features`` are those of whoever answers."""
    greeting = Hello(PROTOCOL_VERSION, PROGRAM, features, b"", random_bytes(16), agent=not opener)
    # Who is alone may have half of a budget.
    budgets = Budgets(buffers=FairBudget(2 * HELD_MAX, 0))
    session = Session(
        _NO_KEYS, opener=opener, peer=greeting, pool=pool, handler=handler, held_max=HELD_MAX, budgets=budgets
    )
    link = Link(connection, PlainCipher(), dialler=opener, path=PathKind.LOCAL, pool=pool, greeted=True)
    session.attach(link)
    return session


def over_session(pool: BufferPool, cause: GimmalError) -> Session:
    """A session that is over before it began, for whoever goes on with what is known until there is one.

    Args:
        pool: of this process.
        cause: why there is none; whoever asks something of it is told so.
    """
    greeting = Hello(PROTOCOL_VERSION, PROGRAM, 0, b"", random_bytes(16), agent=False)
    session = Session(_NO_KEYS, opener=True, peer=greeting, pool=pool, handler=None)
    session.fail(cause)
    return session


class LocalCommands:
    """Answers the control socket for an agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._tasks = Tasks()
        self._sessions: set[Session] = set()

    async def answer(self, connection: socket.socket, question: Question) -> None:
        """Answer one question; the connection is owned from now on."""
        try:
            if question.version != CONTROL_VERSION:
                raise UsageError("the agent on this computer is of another version", "restart `gimmal up`")
            if question.verb == "session":
                await self._session(connection, question)
            elif question.verb == "status":
                await send_message(connection, Reply(status=self._status()))
                connection.close()
            elif question.verb == "reread":
                taken = await self._agent.settings.reread()
                found = {"shares": taken.shares, "left_out": taken.left_out, "awake": taken.awake}
                await send_message(connection, Reply(status=found))
                connection.close()
            elif question.verb == "log":
                for log in (self._agent.use_log, self._agent.own_log):
                    with contextlib.suppress(LocalError):  # what was written can be read all the same
                        await log.flush()
                await send_message(connection, self._keys())
                connection.close()
            elif question.verb in ("queue", "transfers"):
                # Commands import this module too, and most have no use for a queue.
                from gimmal.agent.queue.control import answer_about_queue

                await answer_about_queue(connection, question.verb, self._agent.queue)
                connection.close()
            elif question.verb == "unplug":
                await send_message(connection, Reply())
                connection.close()
                await self._tell_unplugged()
                self._agent.on_unplug()
            else:
                raise UsageError("the agent on this computer does not know this command", "restart `gimmal up`")
        except GimmalError as exc:
            await self._refuse(connection, Refusal.of(exc))
        except OSError:
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _session(self, connection: socket.socket, question: Question) -> None:
        agent = self._agent
        try:
            peer = await agent.other_agent.reach(max(0.1, min(question.deadline, DEADLINE_MAX)))
        except UnreachableError as exc:
            raise told_when(exc, agent.seen.at) from None
        best = peer.bulk.pick(bulk=False)
        path = best.path.value if best is not None else ""
        features = peer.peer.features & OFFERED
        reply = replace(self._keys(), path=path, features=features, computer=peer.peer.name)
        await send_message(connection, replace(reply, way=best.way if best is not None else ""))
        forwarding = Forwarding(peer, self._tasks)
        session = local_session(connection, peer.pool, forwarding, opener=False)
        forwarding.watch(session)
        self._sessions.add(session)
        session.ended.add_done_callback(lambda _ended: self._sessions.discard(session))

        def end_with_peer(_ended: asyncio.Future[None]) -> None:
            session.close(peer.closed_for or CloseReason.STOPPED)

        # Also where the other side's session was over, or given up for another, while this one was being made. That
        # session outlives very many commands.
        peer.ended.add_done_callback(end_with_peer)
        session.ended.add_done_callback(lambda _ended: peer.ended.remove_done_callback(end_with_peer))
        # A command whose process has gone does not come back: its session need not be kept.
        session.links[0].ended.add_done_callback(lambda _ended: session.close(CloseReason.DONE))

    def _keys(self) -> Reply:
        """For what a command reads of what is kept on this computer."""
        return Reply(journal_key=self._agent.journal_key, lineage=self._agent.half.lineage_id)

    def _status(self) -> dict[str, object]:
        status = self._agent.status()
        return {
            "connected": status.connected,
            "silent": status.paths.silent,
            "path": status.paths.path,
            **_paths_of(status.paths),
            "last_seen": status.last_seen,
            "sleep": {
                "wanted": status.sleep.wanted,
                "held_off": status.sleep.held,
                "reason": status.sleep.reason,
            },
            "peer_program": status.peer_program,
            "sessions": status.sessions,
            "transfers_moving": self._agent.queue.running if status.connected else 0,
            "shares": [
                {"name": share.name, "path": _text_of(share.path), "rights": share.rights.value}
                for share in status.shares
            ],
            "relays": [
                {
                    "address": relay.url.address,
                    "connected": relay.connected,
                    "failure": relay.failure.message if relay.failure is not None else "",
                    "peer_present": relay.peer_present,
                    "last_seen": relay.last_seen,
                    "way": relay.way.value if relay.way is not None else "",
                    "by": "websocket" if relay.by_web else "tls" if relay.connected else "",
                    "proxy": relay.proxy,
                }
                for relay in status.relays
            ],
            "port_mapping": {
                "addresses": [
                    {"address": mapping.shown, "by": mapping.by.value} for mapping in status.port_mapping.mappings
                ],
                "reason": status.port_mapping.reason,
            },
        }

    async def _refuse(self, connection: socket.socket, refusal: Refusal) -> None:
        try:
            await send_message(connection, Reply(refusal=refusal))
        except OSError:
            logger.debug("a command left before it was answered")
        finally:
            connection.close()

    async def _tell_unplugged(self) -> None:
        """Have the commands know why they end: one whose agent only vanished would go on by itself."""
        sessions = list(self._sessions)
        self.close(CloseReason.UNPLUGGED)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TOLD_SECONDS):
                await asyncio.gather(*(session.finished() for session in sessions))

    def close(self, reason: CloseReason) -> None:
        """End the sessions of all commands: the agent stops."""
        for session in list(self._sessions):
            session.close(reason)


def _paths_of(paths: PathStatus) -> dict[str, object]:
    round_trip = None if paths.round_trip is None else round(paths.round_trip * 1000, 2)
    return {
        "round_trip_ms": round_trip,
        "path_way": paths.way,
        "path_since": int(paths.since),
        "sent_rate": round(paths.sent_rate),
        "received_rate": round(paths.received_rate),
        "links": paths.links,
        "why_not": paths.failures,
    }


def _text_of(path: Path) -> str:
    """A path as text that can travel; bytes that are no UTF-8 are written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
