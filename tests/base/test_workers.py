"""Threads for what may block."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from gimmal.base.workers import BULK_THREADS, CALL_THREADS, Workers
from tests.patience import PATIENCE


def test_results_and_errors_come_back() -> None:
    async def main() -> None:
        workers = Workers()

        def fail(reason: str) -> None:
            raise OSError(reason)

        for way in (workers.call, workers.bulk):
            assert await way(divmod, 7, 2) == (3, 1)
            with pytest.raises(OSError, match="no disk"):
                await way(fail, "no disk")
        workers.close()

    asyncio.run(main())


def test_work_runs_in_threads_of_its_own_kind() -> None:
    async def main() -> None:
        workers = Workers()
        names = [await way(lambda: threading.current_thread().name) for way in (workers.call, workers.bulk)]
        assert [name.rpartition("_")[0] for name in names] == ["gimmal-call", "gimmal-bulk"]
        workers.close()

    asyncio.run(main())


def test_bulk_that_a_disk_blocks_does_not_hold_up_calls() -> None:
    async def main() -> None:
        workers, disk = Workers(), threading.Event()
        blocked = [asyncio.create_task(workers.bulk(disk.wait, 30)) for _ in range(4 * BULK_THREADS)]
        await asyncio.sleep(0)
        for _ in range(3 * CALL_THREADS):
            assert await asyncio.wait_for(workers.call(int, "5"), PATIENCE) == 5
        assert not any(task.done() for task in blocked)
        disk.set()
        assert set(await asyncio.gather(*blocked)) == {True}
        workers.close()

    asyncio.run(main())


def test_closing_waits_for_nothing_and_starts_nothing() -> None:
    async def main() -> None:
        workers, disk, begun = Workers(), threading.Event(), threading.Semaphore(0)

        def block() -> bool:
            begun.release()
            return disk.wait(PATIENCE)

        running = [asyncio.create_task(workers.bulk(block)) for _ in range(BULK_THREADS)]
        waiting = asyncio.create_task(workers.bulk(block))
        await asyncio.sleep(0)
        for _ in range(BULK_THREADS):
            assert await asyncio.to_thread(begun.acquire, True, 10)
        workers.close()
        with pytest.raises(RuntimeError):
            await workers.call(int)
        disk.set()
        assert all(await asyncio.gather(*running))
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not begun.acquire(blocking=False)

    asyncio.run(main())


def test_where_the_interpreter_ends_calls_are_still_made() -> None:
    script = """
import asyncio, atexit, threading
from gimmal.base.workers import Workers
workers, loop = Workers(), asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
ask = lambda: asyncio.run_coroutine_threadsafe(workers.call(divmod, 7, 2), loop).result(60)
atexit.register(lambda: print(ask()))
print(ask())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert (ended.stdout, ended.stderr) == ("(3, 1)\n(3, 1)\n", "")
