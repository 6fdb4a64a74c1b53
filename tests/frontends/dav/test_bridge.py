"""From threads to the loop: every call ends, with a result, an error, or word that it took too long."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from wsgidav.dav_error import DAVError

from gimmal.base.errors import PeerAbsent
from gimmal.frontends.dav.bridge import Bridge
from gimmal.protocol.codes import Code, error_of_code


def status(
    work: Coroutine[Any, Any, object], deadline: float = 60.0, *, close_after: asyncio.Event | None = None
) -> tuple[int, Any, int]:
    """What a thread gets: 0 and the result, or the status and the header fields of the refusal; how often the other
    side was found unreachable."""
    asked_in_vain: list[None] = []

    async def main() -> tuple[int, Any]:
        bridge = Bridge(asyncio.get_running_loop(), lambda: asked_in_vain.append(None))

        def call() -> tuple[int, Any]:
            try:
                return 0, bridge.call(work, deadline)
            except DAVError as error:
                return int(error.value), error.add_headers

        calling = asyncio.get_running_loop().run_in_executor(None, call)
        if close_after is not None:
            await close_after.wait()
            await bridge.close()
        answer = await calling
        await bridge.close()
        return answer

    return *asyncio.run(main()), len(asked_in_vain)


async def five() -> int:
    return 5


async def fail(error: Exception) -> None:
    raise error


async def never() -> None:
    await asyncio.Event().wait()


def test_results_and_errors_come_through() -> None:
    assert status(five()) == (0, 5, 0)
    assert status(fail(error_of_code(Code.NOT_FOUND, ""))) == (404, None, 0)
    assert status(fail(PeerAbsent("the other side is away"))) == (503, [("Retry-After", "10")], 1)
    with pytest.raises(ZeroDivisionError):
        status(fail(ZeroDivisionError()))


def test_what_takes_too_long_is_given_up() -> None:
    assert status(never(), 0.01) == (504, [("Retry-After", "10")], 1)


def test_who_waits_when_it_is_closed_is_told() -> None:
    begun = asyncio.Event()

    async def never_once_begun() -> None:
        begun.set()
        await never()

    assert status(never_once_begun(), close_after=begun)[0] == 503


def test_after_the_end_nothing_is_begun() -> None:
    async def main() -> Bridge:
        bridge = Bridge(asyncio.get_running_loop())
        await bridge.close()

        def call() -> None:
            bridge.call(five())

        with pytest.raises(DAVError):
            await asyncio.to_thread(call)
        return bridge

    bridge = asyncio.run(main())
    with pytest.raises(DAVError):  # and no loop is left
        bridge.call(five())
