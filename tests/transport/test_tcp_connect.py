"""Connecting to names that are none, and to addresses of one family."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from gimmal.transport.tcp_connect import connect_tcp
from tests.patience import within


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 64 + ".invalid", "\ud800"])
def test_a_name_that_cannot_be_asked_for_is_an_error_at_once(host: str) -> None:
    started = time.monotonic()
    with pytest.raises(OSError):
        asyncio.run(connect_tcp(host, 4100))
    assert within(time.monotonic() - started, 5)


def test_addresses_of_another_family_are_left_alone() -> None:
    async def main(port: int) -> None:
        connection = await connect_tcp("127.0.0.1", port, socket.AF_INET)
        assert connection.family == socket.AF_INET
        connection.close()
        with pytest.raises(OSError, match="assign requested address"):
            await connect_tcp("127.0.0.1", port, socket.AF_INET6)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(main(listener.getsockname()[1]))
