"""Answers what commands ask about the queue through the control socket."""

from __future__ import annotations

import asyncio
import socket

from gimmal.agent.control import QUESTION_SECONDS, Reply, receive_message, send_message
from gimmal.agent.queue.messages import ORDER_BYTES_MAX, TransfersQuestion
from gimmal.agent.queue.order import decode_order
from gimmal.agent.queue.queue import TransferQueue
from gimmal.base.errors import ProtocolViolation, UsageError
from gimmal.protocol.codec import decode_struct

QUESTION_MESSAGE_MAX = 1024
"""Bytes of a question about transfers."""

ANSWER_SECONDS = 30.0
"""For all of an answer; a command has given up by then."""


async def answer_about_queue(connection: socket.socket, verb: str, queue: TransferQueue) -> None:
    """Receive the message that belongs to ``queue`` or ``transfers``, and answer; the caller closes the connection.

    Raises:
        UsageError: the message cannot be read.
        GimmalError: why it cannot be done.
        OSError: the command is gone, or does not listen; or the disk holds up the queue for too long.
    """
    async with asyncio.timeout(ANSWER_SECONDS):
        await _answer(connection, verb, queue)


async def _answer(connection: socket.socket, verb: str, queue: TransferQueue) -> None:
    limit = ORDER_BYTES_MAX if verb == "queue" else QUESTION_MESSAGE_MAX
    async with asyncio.timeout(QUESTION_SECONDS):
        body = await receive_message(connection, limit)
    try:
        asked = decode_order(body) if verb == "queue" else decode_struct(TransfersQuestion, body)
    except ProtocolViolation as exc:
        raise UsageError("the agent on this computer does not understand this command", "restart `gimmal up`") from exc
    if not isinstance(asked, TransfersQuestion):
        await send_message(connection, Reply(number=await queue.add(asked)))
        return
    views = await queue.answer(asked)
    await send_message(connection, Reply(count=len(views)))
    for view in views:
        await send_message(connection, view)
