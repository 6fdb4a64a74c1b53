"""What is being made of a file of the other side, before it has its name: see `remote.patching`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from gimmal.protocol.messages import Attributes

Data = bytes | bytearray | memoryview


class Patch(ABC):
    """One version of a file in the making on the other side; nobody there sees it before its commit.

    Calls may run at the same time; those that touch the same bytes are done in the order in which they began. Each
    raises RemoteError with the other side's code, UnreachableError where it cannot be asked. Once a write or truncate
    has failed or was cancelled the patch is spoiled, and what follows raises the same: `discard` it then. It lives no
    longer than the session it was opened in; whoever may not lose what was written keeps it until `commit` returned.
    """

    async def write(self, offset: int, data: Data) -> None:
        """Write over bytes from ``offset`` on; returns when the other side has them. What ends behind the end grows."""
        await self.write_many([(offset, data)])

    @abstractmethod
    async def write_many(self, ranges: Sequence[tuple[int, Data]]) -> None:
        """The same for several stretches, place and bytes of each, none of which overlap."""

    @abstractmethod
    async def read(self, offset: int, length: int) -> bytes:
        """What the patch holds now, fewer bytes where it ends."""

    @abstractmethod
    async def truncate(self, size: int) -> None:
        """Give it another size in bytes; what is added is zeros."""

    @abstractmethod
    async def commit(
        self, *, mtime_ns: int | None, mode: int | None, durable: bool, keep_open: bool = False, path: str = ""
    ) -> Attributes:
        """Give it its final name in one step.

        Args:
            mtime_ns: time of change, nanoseconds since 1970; None for the other side's now. Who gives one that
                nobody else would finds out by it whether a commit whose answer was lost was done.
            mode: permission bits; None for those of the file that is replaced.
            durable: return when it is on the disk there.
            keep_open: the patch goes on, as one of the version that this made.
            path: another final name in the same share, at which nothing stands, not with ``keep_open``.

        Returns:
            the attributes of the new file, whose version is the base of the next patch.

        Raises:
            RemoteError: ``changed`` where another version stands there than expected, ``exists`` where anything does
                and nothing may; the patch is open still. What the other side says.
        """

    @abstractmethod
    async def discard(self) -> None:
        """Give it up; nothing of it stays. Harmless after a commit."""
