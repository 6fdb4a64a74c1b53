"""An agent as a process: what it says is taken in within bounds, and it never outlives its supervisor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from gimmal.agent.service.child import LINE_MAX, TAIL_BYTES, Child, Ended
from tests.patience import PATIENCE

ResultT = TypeVar("ResultT")


def run(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    async def bounded() -> ResultT:
        async with asyncio.timeout(PATIENCE):
            return await main

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(bounded())


def follow(script: str, password: int | None = None) -> tuple[Ended, list[tuple[str, str]]]:
    """Run a script in place of gimmal to its end."""
    events: list[tuple[str, str]] = []

    async def main() -> Ended:
        child = await Child.start([sys.executable, "-c", script], "/h/GIMMAL", password, dict(os.environ))
        return await child.follow(lambda event, text: events.append((event, text)))

    return run(main()), events


def test_it_gets_the_half_and_its_events_arrive() -> None:
    script = """
import json, os, sys
print(json.dumps({"event": "words", "text": " ".join(sys.argv[1:5])}))
print(json.dumps({"event": "place", "text": os.getcwd()}))
print("no json"); print("[1]"); print('{"event": 1, "text": 2}'); print("[" * 2000)
sys.stdin.read()
"""
    ended, events = follow(script)
    assert events == [("words", "up --half /h/GIMMAL --json"), ("place", "/")]
    assert ended == Ended(0)


def test_its_error_is_what_it_said_and_its_last_words_are_bounded() -> None:
    script = f"""
import json, sys
sys.stderr.write("x" * {3 * TAIL_BYTES} + "the end")
print(json.dumps({{"error": "the half was pulled out", "hint": "plug it in", "exit_code": 5}}))
sys.exit(5)
"""
    ended, _events = follow(script)
    assert (ended.code, ended.message, ended.hint) == (5, "the half was pulled out", "plug it in")
    assert len(ended.last_words) <= TAIL_BYTES
    assert ended.last_words.endswith("the end")


def test_one_that_says_too_long_a_line_is_ended() -> None:
    script = f"import sys, time; sys.stdout.write('x' * {4 * LINE_MAX}); sys.stdout.flush(); time.sleep(1000)"
    ended, events = follow(script)
    assert ended.code == -9
    assert events == []


def test_the_password_is_read_from_the_pipe_and_nowhere_else() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"tram violet kettle orbit")
    os.close(writing)
    script = """
import json, os, sys
number = int(sys.argv[sys.argv.index("--password-fd") + 1])
got = os.read(number, 100).decode()
shown = got in " ".join(sys.argv) or got in str(os.environ)
print(json.dumps({"event": got, "text": str(shown)}))
"""
    try:
        _ended, events = follow(script, reading)
    finally:
        os.close(reading)
    assert events == [("tram violet kettle orbit", "False")]


def test_it_hears_that_its_supervisor_leaves() -> None:
    script = """
import os, sys
number = int(sys.argv[sys.argv.index("--until-closed") + 1])
print('{"event": "ready", "text": ""}', flush=True)
sys.exit(3 if os.read(number, 1) == b"" else 4)
"""

    async def main() -> Ended:
        child = await Child.start([sys.executable, "-c", script], "/h/GIMMAL", None, dict(os.environ))
        assert child.pid > 0
        return await child.follow(lambda _event, _text: child.let_go())

    assert run(main()).code == 3


def test_it_can_be_stopped_and_killed() -> None:
    script = 'print(\'{"event": "ready", "text": ""}\', flush=True); import time; time.sleep(1000)'

    async def main(how: str) -> Ended:
        child = await Child.start([sys.executable, "-c", script], "/h/GIMMAL", None, dict(os.environ))
        ended = await child.follow(lambda _event, _text: getattr(child, how)())
        child.stop()  # too late, and no failure
        return ended

    assert run(main("stop")).code == -15
    assert run(main("kill")).code == -9


def test_a_signal_that_comes_with_its_end_takes_its_exit_code_from_nobody() -> None:
    script = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"event": "ready", "text": ""}', flush=True)
sys.exit(7)
"""

    async def main() -> Ended:
        child = await Child.start([sys.executable, "-c", script], "/h/GIMMAL", None, dict(os.environ))
        ready = asyncio.Event()
        following = asyncio.get_running_loop().create_task(child.follow(lambda _event, _text: ready.set()))
        await ready.wait()
        while not following.done():
            child.stop()
            await asyncio.sleep(0)
        return following.result()

    assert [run(main()).code for _ in range(5)] == [7] * 5
