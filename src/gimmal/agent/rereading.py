"""Telling the agent of a half on this computer that something kept for the half has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gimmal.base.errors import ExitCode, GimmalError

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach

ASK_SECONDS = 10.0


async def tell_agent(reach: Reach) -> dict[str, object] | None:
    """Have the agent read anew what is kept; what it made of it, None where none runs or it is too old to do so.

    Args:
        reach: to the half; entered.

    Raises:
        GimmalError: why the agent could not take it up.
    """
    try:
        answered = await reach.ask_agent("reread", ASK_SECONDS)
    except GimmalError as exc:
        if exc.exit_code is ExitCode.USAGE:  # one started before an update knows no such question
            return None
        raise
    if answered is None:
        return None
    reply, connection = answered
    connection.close()
    return reply.status
