"""An agent's log is written in batches in threads, and nothing of it is lost where the disk refuses for a while."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gimmal.agent.local_commands import local_session
from gimmal.agent.use_log import notes as notes_module
from gimmal.agent.use_log import use_log as use_log_module
from gimmal.agent.use_log.reading import Unreadable, read_use_log
from gimmal.agent.use_log.records import Began, Did, Ended, Record, Served
from gimmal.agent.use_log.use_log import UseLog
from gimmal.base.workers import Workers
from gimmal.protocol.messages import CloseReason
from gimmal.share.using import Act, Used
from gimmal.transport.buffers import BufferPool
from gimmal.transport.session import Session
from tests.patience import PATIENCE

KEY = bytes(range(32))


def read(folder: Path) -> list[Record | Unreadable]:
    return list(read_use_log(folder, KEY, written=True))


def run(folder: Path, work: Callable[[UseLog, list[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        workers = Workers()
        said: list[str] = []
        log = UseLog(folder, KEY, workers, said.append)
        try:
            async with asyncio.timeout(PATIENCE):
                await work(log, said)
        finally:
            await log.close(CloseReason.STOPPED)
            workers.close()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    """Look again and again; whoever runs this bounds how long."""
    while not condition():
        await asyncio.sleep(0.01)


def session_pair() -> tuple[Session, Session]:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    pool = BufferPool()
    return local_session(left, pool, None, opener=True), local_session(right, pool, None, opener=False)


def test_a_session_is_told_from_beginning_to_end(tmp_path: Path) -> None:
    async def work(log: UseLog, _said: list[str]) -> None:
        log.start()
        use = log.session("b")
        here, there = session_pair()
        use.began(here)
        use.used([Used(Act.REMOVED, "docs", ["a"])])
        there.close(CloseReason.UNPLUGGED)
        await here.finished()
        await there.finished()

    run(tmp_path, work)
    served, began, did, ended, stopped = read(tmp_path)
    assert isinstance(served, Served)
    assert isinstance(began, Began)
    assert began.who.side == "b"
    assert isinstance(did, Did)
    assert (did.session, did.names) == (began.session, ["a"])
    assert isinstance(ended, Ended)
    assert (ended.session, ended.reason) == (began.session, "unplugged")
    assert isinstance(stopped, Served)
    assert stopped.reason == "stopped"


def test_what_is_due_is_written_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_module, "HOLD_SECONDS", 0.05)

    async def work(log: UseLog, _said: list[str]) -> None:
        log.start()
        use = log.session("b")
        use.used([Used(Act.REMOVED, "docs", ["a"])])
        await until(lambda: any(isinstance(record, Did) for record in read(tmp_path)))
        use.used([Used(Act.REMOVED, "docs", ["b"])])
        await until(lambda: sum(isinstance(record, Did) for record in read(tmp_path)) == 2)

    run(tmp_path, work)


def test_ten_thousand_files_are_few_batches_and_none_on_the_event_loop(tmp_path: Path) -> None:
    batches: list[int] = []

    async def work(log: UseLog, _said: list[str]) -> None:
        import threading

        append = log._store.append

        def counted(records: list[bytes]) -> None:
            assert threading.current_thread() is not threading.main_thread()
            batches.append(len(records))
            append(records)

        log._store.append = counted  # type: ignore[method-assign]
        log.start()
        use = log.session("b")
        for number in range(10_000):
            use.used([Used(Act.WROTE, f"photos/{number // 1000}", [f"picture {number}.jpeg"], size=5)])
            if not number % 100:
                await asyncio.sleep(0)

    run(tmp_path, work)
    names = [name for record in read(tmp_path) if isinstance(record, Did) for name in record.names]
    assert sorted(names) == sorted(f"picture {number}.jpeg" for number in range(10_000))
    assert len(batches) <= 8, batches


def test_a_disk_that_refuses_is_told_of_once_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_module, "HOLD_SECONDS", 0.01)
    monkeypatch.setattr(use_log_module, "RETRY_SECONDS", 0.01)
    (tmp_path / "log").write_bytes(b"in the way")

    async def work(log: UseLog, said: list[str]) -> None:
        log.start()
        use = log.session("b")
        for number in range(20):
            use.used([Used(Act.REMOVED, "docs", [str(number)])])
            await asyncio.sleep(0.02)
        await until(lambda: said)
        assert len(said) == 1
        assert said[0].startswith("log: cannot write to the log of use in ")
        (tmp_path / "log").unlink()
        await until(lambda: len(said) == 2)
        assert said[1] == "log: is written again"

    run(tmp_path, work)
    assert [name for record in read(tmp_path) if isinstance(record, Did) for name in record.names] == [
        str(number) for number in range(20)
    ]


def test_records_that_wait_for_a_disk_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_log_module, "UNWRITTEN_BYTES_MAX", 100)
    assert use_log_module._newest([b"x" * 30] * 10 + [b"last"]) == [b"x" * 30] * 3 + [b"last"]
