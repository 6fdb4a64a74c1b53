"""Sleep is held off over a real bus, and let go of however the holder ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.agent.awake.holding import hold_off_sleep
from gimmal.agent.awake.logind import LogindHold
from gimmal.base.errors import LocalError
from tests.agent.awake.logind import Logind, system_bus


@pytest.fixture
def logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logind]:
    with system_bus(tmp_path) as (address, found):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield found


def test_it_is_held_off_until_it_is_released(logind: Logind) -> None:
    hold = hold_off_sleep()
    assert logind.asked == [("sleep:idle", "gimmal", "another computer is using this one", "block")]
    assert logind.held == 1
    assert not hold.lost
    hold.release()
    logind.until_held(0)
    hold.release()
    assert hold.lost


def test_a_holder_that_is_killed_holds_nothing(logind: Logind) -> None:
    program = (
        "from gimmal.agent.awake.logind import LogindHold\nhold = LogindHold()\nprint('held', flush=True)\ninput()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert logind.held == 1
        child.send_signal(signal.SIGKILL)
    logind.until_held(0)


def test_no_child_of_a_holder_has_the_lock_too(logind: Logind) -> None:
    hold = hold_off_sleep()
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, close_fds=False):
        hold.release()
        logind.until_held(0)


def test_a_lock_that_logind_ended_is_known_to_be_lost(logind: Logind) -> None:
    hold = LogindHold()
    logind.drop_all()
    assert hold.lost
    hold.release()


def test_what_logind_says_no_with_is_told_and_displayable(logind: Logind) -> None:
    logind.refuses = True
    with pytest.raises(LocalError, match="logind refuses: Permission denied") as caught:
        LogindHold()
    assert "\x1b" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("gives", [("s", ("x",)), ("", ()), ("u", (4_000_000_000,))])
def test_an_answer_that_is_no_lock_is_refused(logind: Logind, gives: tuple[str, tuple[object, ...]]) -> None:
    logind.gives = gives
    with pytest.raises(LocalError, match="gives no lock"):
        LogindHold()


def test_where_there_is_no_bus_or_no_logind_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for address in (f"unix:path={tmp_path}/none", "nonsense", ""):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address or f"unix:path={tmp_path}/none")
        with pytest.raises(LocalError, match="system bus cannot be reached"):
            LogindHold()
    with system_bus(tmp_path) as (address, found):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        found.end()
        with pytest.raises(LocalError, match="logind refuses"):
            LogindHold()
    assert len(os.listdir("/proc/self/fd")) == before
