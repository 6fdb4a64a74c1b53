"""A computer that sleeps in the midst of a copy, and wakes: whatever was given up meanwhile, the copy goes on."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.endtoend.world import FULL, RUN, Plugged, Process, snapshot, until, write_file
from tests.figures import figure
from tests.patience import within

MIB = 1 << 20
COUNT = 24
PLACES = ["the other side", "this side", "its agent"]

QUICK = """
from gimmal.protocol import limits
from gimmal.transport import session
limits.PING_SECONDS, limits.SILENCE_SECONDS, limits.SESSION_KEPT_SECONDS = {ping}, {silence}, {kept}
session.TICK_SECONDS = 0.2
"""
"""In front of a driver: a session whose times are shorter."""

LINKS = QUICK.format(ping=0.5, silence=2.0, kept=300.0) + RUN
SESSIONS = QUICK.format(ping=0.5, silence=1.0, kept=1.0) + RUN


def whole(folder: Path) -> list[Path]:
    """The files below a folder that have their final names."""
    return [path for path in folder.rglob("file*") if path.is_file()]


def sleeps(plugged: Plugged, place: str, driver: str, seconds: float, given_up: str) -> float:
    """A tree is copied up while one of those who carry it sleeps; seconds from its waking to the end of the copy."""
    world = plugged.world
    plugged.agent_a.stop()
    far = world.up(world.a, plugged.shared, driver=driver)
    source = world.b.folder("source")
    for number in range(COUNT):
        write_file(source / f"{number % 3}" / f"file{number}", MIB, number)
    own = world.up(world.b, driver=driver) if place == "its agent" else None
    if own is not None:
        own.wait_connected()
    copying = world.start(world.b, "cp", "-r", "--json", "--limit", "4M", source, ":shared", driver=driver)
    target = plugged.shared / "source"
    until(lambda: len(whole(target)) >= 3, "some files arrive")
    sleeper: Process = {"the other side": far, "this side": copying, "its agent": own or copying}[place]
    sleeper.signal(signal.SIGSTOP)
    try:
        threading.Event().wait(seconds)
        assert copying.running, str(copying.wait())
    finally:
        sleeper.signal(signal.SIGCONT)
    had = len(whole(target))
    took = until(lambda: len(whole(target)) > had or not copying.running, "the copy goes on")
    result = copying.wait()
    assert result.code == 0, str(result)
    assert snapshot(target) == snapshot(source)
    # A file that was there is met as copied; one that was committed twice would have been refused.
    assert result.object["files"] + result.object["skipped"] == COUNT
    assert result.object["failed"] == 0
    figure(f"asleep for {seconds:g} s, {given_up} ({place}): s until the copy went on", round(took, 2), "reported")
    return took


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("driver", "given_up"), [(LINKS, "links given up"), (SESSIONS, "session given up")])
def test_a_copy_goes_on_after_a_sleep(plugged: Plugged, place: str, driver: str, given_up: str) -> None:
    sleeps(plugged, place, driver, 4.0, f"times shortened, {given_up}")


@pytest.mark.campaign
@pytest.mark.skipif(not FULL, reason="it takes minutes: in the campaign")
@pytest.mark.parametrize("place", PLACES)
def test_a_copy_goes_on_after_a_sleep_of_a_minute(plugged: Plugged, place: str) -> None:
    assert within(sleeps(plugged, place, RUN, 65.0, "links given up"), 5, f"a minute asleep ({place}): copy goes on")
