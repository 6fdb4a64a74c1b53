"""Changes of a real network, in a namespace of the test's own; and clocks that drift apart."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from gimmal.base.workers import Workers
from gimmal.transport import network_watch
from gimmal.transport.network_watch import SLEPT_SECONDS, NetworkWatch, SleepSense
from tests.lab.routed import needs_namespaces
from tests.patience import PATIENCE
from tests.transport.helpers import run, until

CHANGES_IN_A_NAMESPACE = """
import asyncio, subprocess
from gimmal.base.workers import Workers
from gimmal.transport.network_watch import NetworkWatch

def ip(*words):
    subprocess.run(["ip", *words], check=True)

async def main():
    came = asyncio.Event()
    watch = NetworkWatch(Workers(), came.set)
    looked, look = asyncio.Event(), watch._state
    async def state():
        found = await look()
        looked.set()
        return found
    watch._state = state
    watch.start()
    async def expect(*words):
        came.clear()
        ip(*words)
        await asyncio.wait_for(came.wait(), 60)
        print(" ".join(words[:2]), flush=True)
    await asyncio.wait_for(looked.wait(), 60)
    ip("link", "add", "one", "type", "veth", "peer", "name", "two")
    ip("link", "set", "two", "up")
    await expect("link", "set", "one", "up")
    await expect("addr", "add", "10.9.0.1/24", "dev", "one")
    await expect("route", "add", "default", "via", "10.9.0.2")
    await expect("addr", "del", "10.9.0.1/24", "dev", "one")
    watch.close()

asyncio.run(main())
"""


@needs_namespaces
def test_links_addresses_and_default_routes_are_noticed() -> None:
    result = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", CHANGES_IN_A_NAMESPACE],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[:-1] == ["link set", "addr add", "route add", "addr del"]


def test_where_the_system_tells_nothing_the_addresses_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [{"10.0.0.1"}]
    monkeypatch.setattr(network_watch, "is_offered", lambda: False)
    monkeypatch.setattr(network_watch, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(network_watch, "_network_state", lambda: frozenset(states[-1]))

    async def main() -> None:
        workers = Workers()
        changes: list[None] = []
        watch = NetworkWatch(workers, lambda: changes.append(None))
        watch.start()
        await asyncio.sleep(0.1)
        assert not changes
        states.append({"10.0.0.2"})
        await until(lambda: len(changes) == 1)
        await asyncio.sleep(0.1)
        assert len(changes) == 1
        watch.close()
        await asyncio.sleep(0)
        workers.close()

    run(main())


def test_sleep_shows_between_two_clocks() -> None:
    sense = SleepSense(100.0, 500.0)
    assert not sense.slept(110.0, 510.1)
    assert sense.slept(111.0, 600.0)
    assert not sense.slept(112.0, 601.0)
    assert not sense.slept(113.0, 602.0 + SLEPT_SECONDS - 0.1)
