"""Asks small questions one after the other and prints how long each took, a JSON line each.

    python -m bench.latency_probe HALF SECONDS FOLDER FILM

Through the running agent of the half, as commands do, but in one process, so that no start of a program is measured:
the attributes of FOLDER, its listing, and 64 KiB at a random place of FILM, in turn.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path

from gimmal.agent.reach import Reach, ReachOptions
from gimmal.remote.files import version_of

RANGE = 64 << 10
QUESTIONS = ("stat", "listing", "64 KiB")


async def ask(half: str, seconds: float, folder: str, film: str) -> None:
    """Ask for so long; each line has ``what``, ``ms``, and ``at``, the seconds since the first question."""
    async with Reach(ReachOptions(Path(half))) as reach:
        files = (await reach.open()).files
        version = version_of(attributes := await files.stat(film))

        async def stat() -> None:
            await files.stat(folder)

        async def listing() -> None:
            async for _entries in files.entries(folder):
                pass

        async def seek() -> None:
            offset = random.randrange(attributes.size - RANGE)
            block = await files.read_block(film, offset, RANGE, version)
            assert block.length == RANGE
            files.release(block)

        questions = dict(zip(QUESTIONS, (stat, listing, seek), strict=True))
        began = time.monotonic()
        print("ready", flush=True)
        while time.monotonic() < began + seconds:
            for what, question in questions.items():
                asked = time.monotonic()
                await question()
                took = time.monotonic() - asked
                print(json.dumps({"what": what, "ms": 1000 * took, "at": asked - began}), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(ask(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4]))
