"""What programs are told where something fails, and that every request ends."""

from __future__ import annotations

import asyncio
import errno

import pytest

pytest.importorskip("pyfuse3")

from pyfuse3 import FUSEError

from gimmal.base.errors import PeerAbsent, RemoteError
from gimmal.frontends.fuse.failures import answered


class Requests:
    """Some that fail."""

    @answered(0.01)
    async def slow(self) -> None:
        await asyncio.Event().wait()

    @answered()
    async def fails(self, error: Exception) -> None:
        raise error

    @answered(None)
    async def works(self, number: int) -> int:
        return number


def number_of(error: Exception) -> int:
    with pytest.raises(FUSEError) as failed:
        asyncio.run(Requests().fails(error))
    number: int = failed.value.errno
    return number


def test_errors_have_numbers() -> None:
    assert number_of(RemoteError("not_found", "no")) == errno.ENOENT
    assert number_of(PeerAbsent("away")) == errno.EHOSTUNREACH
    assert number_of(FUSEError(errno.ESTALE)) == errno.ESTALE
    assert asyncio.run(Requests().works(3)) == 3


def test_a_mistake_of_ours_ends_one_request_and_not_the_mount(caplog: pytest.LogCaptureFixture) -> None:
    assert number_of(KeyError("x")) == errno.EIO
    assert "fails failed" in caplog.text


def test_every_request_ends() -> None:
    with pytest.raises(FUSEError) as failed:
        asyncio.run(Requests().slow())
    assert failed.value.errno == errno.ETIMEDOUT
