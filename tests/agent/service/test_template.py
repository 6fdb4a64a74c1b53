"""Copies of the template: each is a process of its own that gets what is handed to it, and nothing else."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from textwrap import indent
from typing import Any

import pytest

from gimmal.agent.service.templated import UNKNOWN_CODE
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a template on Linux only")

SUPERVISOR = """
import asyncio, json, os, random, signal, ssl, sys, time
from gimmal.agent.service.child import Child
from gimmal.agent.service.templated import Template
from gimmal.base.primitives import random_bytes
left_open = os.open("/dev/null", os.O_RDONLY)
os.set_inheritable(left_open, True)
def say(event, text):
    print(json.dumps({{"event": event, "text": str(text)}}), flush=True)
def agent(words):
{body}
    os._exit(0)
template = Template.start(agent)
assert template is not None
async def start(location="/h/GIMMAL", password=None):
    other = [sys.executable, "-c", "raise SystemExit(7)"]
    return await Child.start(other, location, password, dict(os.environ), template)
async def follow(child, on_event=lambda event, text: None):
    events = []
    def hear(event, text):
        events.append((event, text))
        on_event(event, text)
    ended = await child.follow(hear)
    return [ended.code, ended.message, ended.hint, ended.last_words], events
async def main():
{scenario}
    await template.close()
    print(json.dumps(result))
with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
    runner.run(asyncio.wait_for(main(), 100))
"""
"""A supervisor in a process of its own: this one has threads. ``body`` is what its agents do."""

ONE = "result = await follow(await start())"
STAYS = 'say("ready", ""); time.sleep(1000)'


def supervise(body: str, scenario: str = ONE) -> Any:
    """Run a scenario; what it left in ``result``."""
    script = SUPERVISOR.format(body=indent(body, "    "), scenario=indent(scenario, "    "))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=dict(os.environ) | {"NOTIFY_SOCKET": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_gets_the_half_and_its_events_arrive() -> None:
    body = """
say("words", words)
say("place", os.getcwd())
say("manager", "NOTIFY_SOCKET" in os.environ)
say("group", os.getpgid(0) == os.getpid())
say("name", open("/proc/self/comm").read().strip())
say("stdin", repr(sys.stdin.read()))
"""
    ended, events = supervise(body, "result = await follow(await start('/h\\udcff/GIMMAL'))")
    said = dict(events)
    assert said.pop("words").startswith("['up', '--half', '/h\\udcff/GIMMAL', '--json', '--until-closed', '")
    assert said == {"place": "/", "manager": "False", "group": "True", "name": "gimmal up", "stdin": "''"}
    assert ended[0] == 0


def test_nothing_of_the_supervisor_is_open_in_it() -> None:
    body = """
lifeline = int(words[-1])
say("inheritable", os.get_inheritable(lifeline))
for number in range(3, 200):
    try:
        os.fstat(number)
    except OSError:
        continue
    if number != lifeline:
        say("open", number)
"""
    _ended, events = supervise(body)
    assert events == [["inheritable", "False"]]


def test_its_error_exit_code_and_last_words_are_told() -> None:
    body = """
sys.stderr.write("the end"); sys.stderr.flush()
print(json.dumps({"error": "the half was pulled out", "hint": "plug it in", "exit_code": 5}), flush=True)
os._exit(5)
"""
    ended, _events = supervise(body)
    assert ended == [5, "the half was pulled out", "plug it in", "the end"]


def test_a_mistake_in_it_ends_it_and_not_the_template() -> None:
    body = """
if "bad" in words[2]:
    raise ValueError("no")
"""
    scenario = """
result = [(await follow(await start("/bad")))[0], (await follow(await start()))[0][0]]
"""
    (code, _message, _hint, last_words), other = supervise(body, scenario)
    assert (code, other) == (1, 0)
    assert last_words.endswith("ValueError: no\\x0a")


def test_the_password_is_read_from_the_pipe_by_it_alone() -> None:
    body = """
number = int(words[words.index("--password-fd") + 1])
got = os.read(number, 100).decode()
say(got, got in str(words))
"""
    scenario = """
reading, writing = os.pipe()
os.write(writing, b"tram violet kettle orbit")
os.close(writing)
child = await start(password=reading)
os.close(reading)
result = await follow(child)
"""
    _ended, events = supervise(body, scenario)
    assert events == [["tram violet kettle orbit", "False"]]


def test_it_hears_that_its_supervisor_leaves() -> None:
    body = """
say("ready", "")
os._exit(3 if os.read(int(words[-1]), 1) == b"" else 4)
"""
    scenario = """
child = await start()
result = await follow(child, lambda _event, _text: child.let_go())
"""
    ended, _events = supervise(body, scenario)
    assert ended[0] == 3


@pytest.mark.parametrize(("how", "code"), [("stop", -15), ("kill", -9)])
def test_it_can_be_stopped_and_killed(how: str, code: int) -> None:
    scenario = f"""
child = await start()
result = await follow(child, lambda _event, _text: child.{how}())
child.{how}()  # too late, and no failure
"""
    ended, _events = supervise(STAYS, scenario)
    assert ended[0] == code


def test_many_at_once_are_kept_apart_and_draw_nothing_alike() -> None:
    body = """
say("drawn", random_bytes(16).hex() + " " + str(random.getrandbits(128)) + " " + ssl.RAND_bytes(16).hex())
os._exit(int(words[2].removeprefix("/h")))
"""
    scenario = """
random_bytes(16), random.getrandbits(8), ssl.RAND_bytes(16)
children = [await start(f"/h{number}") for number in range(20)]
result = await asyncio.gather(*(follow(child) for child in children))
"""
    results = supervise(body, scenario)
    assert [ended[0] for ended, _events in results] == list(range(20))
    drawn = [number for _ended, events in results for number in events[0][1].split()]
    assert len(set(drawn)) == len(drawn) == 60


def test_agents_outlive_a_template_that_is_killed_and_others_are_started_without_it() -> None:
    body = """
say("ready", "")
os.read(int(words[-1]), 1)
say("left", "")
"""
    scenario = """
child = await start()
def killed(event, _text):
    if event == "ready":
        os.kill(template._process, signal.SIGKILL)
        asyncio.get_running_loop().call_later(0.5, child.let_go)
first = await follow(child, killed)
result = [first, (await follow(await start()))[0][0]]
"""
    (ended, events), without = supervise(body, scenario)
    assert [event for event, _text in events] == ["ready", "left"]
    assert ended[0] == UNKNOWN_CODE
    assert without == 7


def test_one_that_does_not_answer_is_done_without_but_not_where_a_password_may_have_been_read() -> None:
    body = """
open("/proc/self/fd/1", "w").write("")
os.read(int(words[words.index("--until-closed") + 1]), 1)
say("left", "")
"""
    scenario = """
import gimmal.agent.service.templated as templated
templated.START_SECONDS = 0.3
os.kill(template._process, signal.SIGSTOP)
without = (await follow(await start()))[0][0]
reading, writing = os.pipe()
try:
    await start(password=reading)
    outcome = "started"
except OSError as exc:
    outcome = type(exc).__name__
os.kill(template._process, signal.SIGCONT)
templated.START_SECONDS = 60
child = await start()
asyncio.get_running_loop().call_later(0.1, child.let_go)
result = [without, outcome, (await follow(child))[1]]
"""
    without, outcome, events = supervise(body, scenario)
    assert without == 7
    assert outcome == "MayRunError"
    assert [event for event, _text in events] == ["left"]


def test_it_ends_with_the_supervisor() -> None:
    script = SUPERVISOR.format(body=indent(STAYS, "    "), scenario=indent("result = None", "    "))
    script = script.partition("async def main")[0] + "print(template._process, flush=True); time.sleep(1000)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        template = os.pidfd_open(int(supervisor.stdout.readline()))
        try:
            supervisor.kill()
            assert select.select([template], [], [], PATIENCE)[0]
        finally:
            os.close(template)
