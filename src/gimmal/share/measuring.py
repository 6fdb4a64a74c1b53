"""Measure: how fast sealing is here, and the disk of a share; what may be asked of it is bounded.

A peer may ask as often as it likes. So all that is measured for it takes bytes from one budget of this process, which
fills up slowly; a disk is written for two seconds at most, by one at a time, under a name nobody sees.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from gimmal.base.primitives import Aead, random_bytes
from gimmal.base.uncached import CHUNK, UncachedFile
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import Measure, Measured, Took
from gimmal.share.places import Access, Place
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState
from gimmal.share.temporary import create_temporary, remove_temporary

BUDGET_BYTES = 16 << 30
BUDGET_BYTES_A_SECOND = 64 << 20
"""What is measured for all sessions of a process, in bytes; those written to a disk count eight times."""

DISK_WEIGHT = 8
DISK_SECONDS = 2.0
"""After which nothing more is written to a disk, or read from it."""

_FLUSH_FIRST, _FLUSH_MOST = 1 << 20, 16 << 20
"""Bytes that are made durable at a time: little at first, for on a slow stick much of it would take a minute."""

_RANDOM_BYTES = 4 << 20
_STEPS = 4096
_NONCE = bytes(12)


class MeasureBudget:
    """Bytes that may be measured; safe for several threads.

    Args:
        clock: seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(BUDGET_BYTES)
        self._at = clock()
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Whether so many bytes may be measured now; they are taken then."""
        with self._lock:
            now = self._clock()
            self._left = min(BUDGET_BYTES, self._left + (now - self._at) * BUDGET_BYTES_A_SECOND)
            self._at = now
            if count > self._left:
                return False
            self._left -= count
            return True


BUDGET = MeasureBudget()
"""That of this process."""

_one_disk = threading.Lock()


def answer_measure(state: SessionState, request: Measure, budget: MeasureBudget = BUDGET) -> Took:
    """Measure sealing, or the disk of a folder.

    LIMIT where the budget is used up, or another disk is being measured.
    """
    if request.what is Measured.CIPHER:
        _take(budget, request.length)
        return Took(request.length, _seal(request.length))
    if request.what is not Measured.DISK:
        raise RefusedError(Code.INVALID)
    place = state.places.find(request.path, Access.CREATE)
    _take(budget, DISK_WEIGHT * request.length)
    if not _one_disk.acquire(blocking=False):
        raise RefusedError(Code.LIMIT)
    try:
        return _measure_disk(place, request.length, look=place.share.grants(Access.LOOK))
    finally:
        _one_disk.release()


def _take(budget: MeasureBudget, count: int) -> None:
    if not budget.take(count):
        raise RefusedError(Code.LIMIT)


def _seal(length: int) -> int:
    """Nanoseconds that sealing so many bytes takes, in records of the usual size, under a key used for nothing else."""
    cipher = Aead(random_bytes(32))
    record, sealed = bytes(min(length, BODY_MAX)), bytearray(min(length, BODY_MAX) + 16)
    began = time.perf_counter_ns()
    for at in range(0, length, BODY_MAX):
        size = min(BODY_MAX, length - at)
        cipher.seal_into(_NONCE, memoryview(record)[:size], b"", memoryview(sealed)[: size + 16])
    return time.perf_counter_ns() - began


def _measure_disk(place: Place, length: int, *, look: bool) -> Took:
    with place.root.directory(place.names, reading=False) as folder:
        name, descriptor = create_temporary(folder, held=True)
        try:
            written, nanoseconds = _write(descriptor, length)
            return Took(written, nanoseconds, _read(descriptor, written) if look and written else 0)
        finally:
            remove_temporary(name, folder)
            os.close(descriptor)


def _write(descriptor: int, length: int) -> tuple[int, int]:
    """Write random bytes, until they are as many or the time is over: how many, and how long until all were durable."""
    random = memoryview(random_bytes(_RANDOM_BYTES + _STEPS))
    began = time.perf_counter_ns()
    at = unflushed = step = 0
    flush = _FLUSH_FIRST
    while at < length and time.perf_counter_ns() - began < DISK_SECONDS * 1e9:
        # Each time from another byte on: no disk can tell that it has them already.
        step = (step + 1) % _STEPS
        count = os.pwrite(descriptor, random[step : step + min(length - at, flush, _RANDOM_BYTES)], at)
        at += count
        unflushed += count
        if unflushed >= flush:
            os.fdatasync(descriptor)
            unflushed, flush = 0, min(2 * flush, _FLUSH_MOST)
    os.fdatasync(descriptor)
    return at, time.perf_counter_ns() - began


def _read(descriptor: int, length: int) -> int:
    """Nanoseconds that reading so many bytes takes; where the time is over before, what it would have taken."""
    file = UncachedFile(descriptor)
    at = 0
    while at < length and file.nanoseconds < DISK_SECONDS * 1e9:
        some = file.read(at, CHUNK)
        if not some:
            break
        at += len(some)
    return file.nanoseconds * length // at if at else 0
