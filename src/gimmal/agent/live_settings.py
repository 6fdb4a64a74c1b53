"""What of an agent can change while it serves: its shares, and whether this computer stays awake for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gimmal.agent.awake.kept import KeptAwake
from gimmal.agent.awake.stay_awake import AwakeStatus, StayAwake
from gimmal.agent.kept_shares import kept_table
from gimmal.base.display import displayable
from gimmal.base.errors import LocalError
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.share.service import ShareService
from gimmal.share.shares import Share, ShareTable


@dataclass(frozen=True)
class Reread:
    """What came of reading anew what this computer keeps for a half.

    Attributes:
        shares: the kept shares are shared now; False where others were named for this time.
        left_out: why one of them is not.
        awake: the kept choice holds now; False where it was made for this time.
    """

    shares: bool
    left_out: list[str]
    awake: bool


class LiveSettings:
    """Of one agent.

    Args:
        half: opened.
        workers: threads.
        shares: with which it begins.
        from_kept: these are the kept ones, so that a change of those holds for it.
        stay_awake: the owner wants that for this time, whatever is kept.
        connected: whether the other side is connected now.
        say: told one line for the person at each change.
    """

    def __init__(
        self,
        half: OpenedHalf,
        workers: Workers,
        shares: ShareTable,
        *,
        from_kept: bool,
        stay_awake: bool,
        connected: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self._half = half
        self._workers = workers
        self._from_kept = from_kept
        self._stay_awake = stay_awake
        self._say = say
        self._one = asyncio.Lock()
        self._service: ShareService | None = None
        self._awake = StayAwake(workers, connected, say)
        self.shares = shares
        """What is shared now."""

    async def start(self, service: ShareService) -> None:
        """Begin, with the service that answers for the shares; a kept choice that cannot be read is said, and left."""
        self._service = service
        wanted = self._stay_awake
        if not wanted:
            try:
                wanted = await self._workers.call(self._kept_awake)
            except LocalError as exc:
                self._say(f"awake: {exc.message}; {exc.hint}")
        self._awake.want(wanted)
        self._awake.start()

    async def close(self) -> None:
        """Let the computer sleep."""
        await self._awake.close()

    @property
    def awake(self) -> AwakeStatus:
        """How it stands with this computer's sleep."""
        return self._awake.status

    async def reread(self) -> Reread:
        """Take up what is kept now: what is shared no longer is refused from now on, in running sessions too.

        Raises:
            LocalError: what is kept cannot be read, or a share cannot be opened; the shares are those of before.
        """
        async with self._one:
            left_out = await self._reread_shares() if self._from_kept else []
            if not self._stay_awake:
                self._awake.want(await self._workers.call(self._kept_awake))
        return Reread(self._from_kept, left_out, not self._stay_awake)

    async def _reread_shares(self) -> list[str]:
        assert self._service is not None
        table, left_out = await self._workers.call(kept_table, self._half)
        await self._workers.call(self._service.set_shares, table)
        before, self.shares = {_line(share) for share in self.shares}, table
        after = [_line(share) for share in table]
        for line in sorted(before.difference(after)):
            self._say(f"share: no more: {line}")
        for line in after:
            if line not in before:
                self._say(f"share: {line}")
        for reason in left_out:
            self._say(f"share: left out: {reason}")
        return left_out

    def _kept_awake(self) -> bool:
        return KeptAwake(self._half).read()


def _line(share: Share) -> str:
    return f"{displayable(share.name)} {share.rights.value} {displayable(str(share.path))}"
