"""Reused buffers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from gimmal.noise.records import RECORD_MAX
from gimmal.protocol.limits import BODY_MAX
from gimmal.transport.buffers import BODY_START, RECORD_SIZE_MAX, SLACK, BufferPool, RecordBuffer


def test_a_buffer_holds_the_largest_record_and_slack() -> None:
    buffer = RecordBuffer()
    assert RECORD_SIZE_MAX == 4 + RECORD_MAX
    assert len(buffer.view) == RECORD_SIZE_MAX + SLACK
    assert len(buffer.body) == BODY_MAX
    buffer.body[:3] = b"abc"
    assert bytes(buffer.view[BODY_START : BODY_START + 3]) == b"abc"


def test_a_buffer_given_back_is_used_again() -> None:
    pool = BufferPool()
    buffer = pool.take()
    pool.give(buffer)
    assert pool.take() is buffer
    assert pool.take() is not buffer


def test_only_so_many_free_buffers_are_kept() -> None:
    pool = BufferPool(kept=2)
    for buffer in [pool.take() for _ in range(5)]:
        pool.give(buffer)
    assert len(pool._free) == 2


def test_threads_never_share_a_buffer() -> None:
    pool = BufferPool(kept=4)

    def work(value: int) -> bool:
        right = True
        for _ in range(200):
            buffer = pool.take()
            buffer.view[:64] = bytes([value]) * 64
            right = right and bytes(buffer.view[:64]) == bytes([value]) * 64
            pool.give(buffer)
        return right

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


def test_buffers_that_nobody_used_are_let_go() -> None:
    pool = BufferPool()
    for buffer in [pool.take() for _ in range(8)]:
        pool.give(buffer)
    pool.trim()
    assert len(pool._free) == 8  # all were in use since the pool was made
    for buffer in [pool.take() for _ in range(3)]:
        pool.give(buffer)
    pool.trim()
    assert len(pool._free) == 3
    assert pool.take() is buffer
    pool.trim()
    pool.trim()
    assert len(pool._free) == 0
