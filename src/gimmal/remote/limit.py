"""A limit of bytes per second for one command: whoever asks for bulk, or sends it, waits for its turn.

The other side sends no bulk that was not asked for, so asking at a rate is receiving at that rate. `Bucket` is the
arithmetic; its clock is an argument. `Limit` sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from gimmal.protocol.limits import BLOCK_SIZE, BUNDLE_CONTENT_MAX

CATCH_UP_SECONDS = 0.25
"""How much lost time may be made up for: sleeping is never exact."""

PORTIONS_A_SECOND = 16
PORTION_MIN = 16 * 1024
RECORD_MIN = 64 * 1024
"""The shortest record inside a stream (docs/spec/protocol.md, 6.2)."""

READS_AT_ONCE = 4


class Bucket:
    """Bytes flow in at a rate; whoever takes some waits until they have.

    Args:
        rate: bytes per second.
        now: seconds, of any clock that only goes forward.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._free_at = now

    def take(self, count: int, now: float) -> float:
        """Take bytes; seconds to wait before they may be used. What is taken first may be used first."""
        self._free_at = max(self._free_at, now - CATCH_UP_SECONDS) + count / self._rate
        return max(0.0, self._free_at - now)

    def give_back(self, count: int) -> None:
        """Bytes that were taken are not used after all."""
        self._free_at -= count / self._rate


class Limit:
    """Holds the bulk of one command to a rate, over all links and both directions.

    Args:
        rate: bytes per second.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._loop = asyncio.get_running_loop()
        self._bucket = Bucket(rate, self._loop.time())
        self.portion = min(BLOCK_SIZE, max(PORTION_MIN, rate // PORTIONS_A_SECOND))
        """Bytes asked for at a time."""
        self.record = max(RECORD_MIN, self.portion)
        """Bytes sent at a time inside a stream."""
        self.bundle = min(BUNDLE_CONTENT_MAX, max(RECORD_MIN, self.portion))
        """Bytes in one bundle."""
        self.reading = asyncio.Semaphore(READS_AT_ONCE)
        self.writing = asyncio.Lock()

    async def wait(self, count: int) -> None:
        """Return when ``count`` bytes may be asked for or sent."""
        seconds = self._bucket.take(count, self._loop.time())
        if seconds > 0:
            await asyncio.sleep(seconds)

    def give_back(self, count: int) -> None:
        """Bytes waited for were not there."""
        self._bucket.give_back(count)

    def portions(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Offset and length of the portions of a range."""
        end = offset + length
        while offset < end:
            size = min(self.portion, end - offset)
            yield offset, size
            offset += size
