"""Resident memory of a relay per idle agent.

    python -m bench.relay_idle [COUNT]

The agents live in this process, the relay in its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import psutil

from bench.relay_halves import new_identities
from bench.relay_process import relay_process
from gimmal.base.primitives import random_bytes
from gimmal.protocol.relay.messages import Role
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.relay_client import RelayClient

_WARM_UP = 20


async def connect(url: RelayUrl, count: int) -> list[RelayClient]:
    """Agents of fresh pairs, connected and welcome."""
    clients = []
    for _ in range(count):
        identity, _ = new_identities()
        client = RelayClient(url, identity, Role.ANSWERS, random_bytes(16), "bench")
        await client.connect(20)
        clients.append(client)
    return clients


async def measure(process: psutil.Process, url: RelayUrl, count: int) -> dict[str, float]:
    """KiB per connection between a relay with a few and one with `count` more agents."""
    warm = await connect(url, _WARM_UP)
    await asyncio.sleep(1)
    before = process.memory_info().rss
    started = time.perf_counter()
    clients = await connect(url, count)
    took = time.perf_counter() - started
    await asyncio.sleep(1)
    after = process.memory_info().rss
    idle_from = sum(process.cpu_times()[:2])
    await asyncio.sleep(5)
    idle = sum(process.cpu_times()[:2]) - idle_from
    for client in warm + clients:
        await client.close()
    return {
        "agents": count,
        "KiB per idle agent": round((after - before) / 1024 / count, 1),
        "relay MiB in all": round(after / 2**20, 1),
        "ms per connect": round(1000 * took / count, 2),
        "idle CPU %": round(100 * idle / 5, 2),
    }


def main() -> None:
    """Measure and print one JSON object."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with relay_process() as (process, url):
        print(json.dumps(asyncio.run(measure(process, url, count))))


if __name__ == "__main__":
    main()
