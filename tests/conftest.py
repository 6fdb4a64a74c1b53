"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.reaper import start_reaper

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("gimmal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gimmal")

# Nothing is said on the network of the machine that runs tests; tests of that make networks of their own.
os.environ["GIMMAL_NO_LAN"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """What a test says when it fails may hold names that are no text: a worker that handed those on would die."""
    return _encodable((yield))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    return type(value)(map(_encodable, value)) if isinstance(value, list | tuple) else value


def pytest_sessionstart(session: pytest.Session) -> None:
    """The runner, or each of its workers, has its own."""
    start_reaper()
