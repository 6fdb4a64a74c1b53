"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.reaper import start_reaper

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("gimmal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gimmal")

# Nothing is said on the network of the machine that runs tests; tests of that make networks of their own.
os.environ["GIMMAL_NO_LAN"] = "1"


def pytest_sessionstart(session: pytest.Session) -> None:
    """The runner, or each of its workers, has its own."""
    start_reaper()
