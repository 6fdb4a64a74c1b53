"""Connecting to names that are none."""

from __future__ import annotations

import asyncio
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
