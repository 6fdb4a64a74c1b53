"""The way to the other side for as long as a mount lasts: looked for again whenever it is lost, asked for or not."""

from __future__ import annotations

import asyncio
import logging

from gimmal.agent.reach import Reach
from gimmal.base.errors import GimmalError, HalfError
from gimmal.remote.tree.view import TreeView

logger = logging.getLogger("gimmal.fuse")

RETRY_SECONDS = 1.0
"""Between two tries to reach the other side."""


async def keep_reaching(reach: Reach, view: TreeView) -> GimmalError:
    """Have a session whenever one can be had, so that changes over there are told of; returns why there will be none.

    Only what happens to the half ends it, pulled out, unplugged or disabled: the other side may come back at any time.

    Args:
        reach: opens sessions.
        view: follows them.
    """
    while True:
        try:
            reached = await reach.open()
            view.follow(reached.files)
            await asyncio.shield(reached.session.ended)
            await reach.rest(0.0)
        except HalfError as over:
            return over
        except GimmalError as error:
            logger.debug("the other side is not reached: %s", error)
            try:
                await reach.rest(RETRY_SECONDS)
            except HalfError as over:
                return over
