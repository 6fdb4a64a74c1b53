"""Rate and CPU of a bare relay between two raw clients, by splice and by the plain way.

python -m bench.relay_forward [GIB]
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import time

from bench.relay_halves import new_identities
from bench.relay_process import relay_process
from gimmal.base.primitives import random_bytes
from gimmal.protocol.relay.messages import Role
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.relay_client import RelayClient

_CHUNK = 1 << 20


async def link(url: RelayUrl) -> tuple[socket.socket, socket.socket]:
    """Both ends of a link, blocking."""
    home, away = new_identities()
    taken: asyncio.Queue[socket.socket] = asyncio.Queue()
    agent = RelayClient(
        url, home, Role.ANSWERS, random_bytes(16), "bench", on_link=lambda sock, *_: taken.put_nowait(sock)
    )
    command = RelayClient(url, away, Role.ASKS, random_bytes(16), "bench")
    await agent.connect(10)
    loop = asyncio.get_running_loop()
    near = await command.dial_link(10)
    # A link that is not joined yet ends with the answerer's control connection, which is closed below.
    async with asyncio.timeout(10):
        await loop.sock_sendall(near, b"j")
        far = await taken.get()
        assert await loop.sock_recv(far, 1) == b"j", "the legs were not joined"
    await command.close()
    await agent.close()
    near.setblocking(True)
    far.setblocking(True)
    return near, far


def push(near: socket.socket, far: socket.socket, total: int) -> float:
    """Seconds until `total` bytes have gone through; the receiver is a process of its own."""
    child = os.fork()
    if child == 0:
        near.close()
        buffer = bytearray(_CHUNK)
        got = 0
        while count := far.recv_into(buffer):
            got += count
        os._exit(0 if got == total else 1)
    far.close()
    data = memoryview(bytes(_CHUNK))
    started = time.perf_counter()
    for _ in range(total // _CHUNK):
        near.sendall(data)
    near.shutdown(socket.SHUT_WR)
    status = os.waitpid(child, 0)[1]
    took = time.perf_counter() - started
    near.close()
    assert status == 0, "bytes were lost"
    return took


def measure(splice: bool, total: int, rounds: int = 5) -> dict[str, float | str]:
    """Median GB/s and the relay's CPU seconds per GB."""
    with relay_process(splice) as (process, url):
        rates, costs = [], []
        for _ in range(rounds):
            near, far = asyncio.run(link(url))
            before = sum(process.cpu_times()[:2])
            rates.append(total / push(near, far, total) / 1e9)
            costs.append((sum(process.cpu_times()[:2]) - before) / total * 1e9)
        return {
            "way": "splice" if splice else "plain",
            "GB/s": round(statistics.median(rates), 2),
            "relay CPU s/GB": round(statistics.median(costs), 3),
            "relay MiB": round(process.memory_info().rss / 2**20, 1),
        }


def main() -> None:
    """Measure both ways and print one JSON object a line."""
    total = int(float(sys.argv[1]) * 2**30) if len(sys.argv) > 1 else 2 * 2**30
    for splice in (True, False):
        print(json.dumps(measure(splice, total)), flush=True)


if __name__ == "__main__":
    main()
