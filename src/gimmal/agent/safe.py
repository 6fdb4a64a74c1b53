"""Whether a half may be pulled out just now: what would be cut off, and what would stay behind."""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.agent.reach import Reach
from gimmal.agent.unsent import Unsent, unsent_edits
from gimmal.agent.uses import Use, uses

ASK_SECONDS = 5.0


@dataclass(frozen=True)
class Unplugging:
    """What pulling the half out would mean.

    Attributes:
        uses: commands on this computer that use it.
        moving: queued transfers that are under way; they go on when it is plugged in again.
        unsent: edits that are not at home.
    """

    uses: list[Use]
    moving: int
    unsent: Unsent

    @property
    def safe(self) -> bool:
        """Nothing is under way, nothing waits here that does not leave with the half, and all of it can be read."""
        return not (self.uses or self.moving or self.unsent.on_computer or self.unsent.unreadable)


async def look_at_unplugging(reach: Reach) -> Unplugging:
    """Look; asks nobody but this computer.

    Raises:
        GimmalError: the half cannot be opened, or its agent does not answer.
    """
    moving = 0
    answered = await reach.ask_agent("status", ASK_SECONDS)
    if answered is not None:
        reply, connection = answered
        connection.close()
        found = reply.status.get("transfers_moving", 0)
        moving = found if isinstance(found, int) else 0
    running = await reach.workers.call(uses, reach.header.pair_id, reach.header.side)
    return Unplugging(running, moving, await unsent_of(reach))


async def unsent_of(reach: Reach) -> Unsent:
    """The edits of a command's half that are not at home.

    Raises:
        GimmalError: see `look_at_unplugging`.
    """
    await reach.learn_keys()
    return await reach.workers.long(unsent_edits, reach.location, reach.journal_directory, reach.journal_key)
