"""`gimmal service run`: looks for halves, runs one agent for each, answers the commands that ask about them.

It opens no half and holds no key. What it prints names no pair, no share and no other side: a log of the system stays
when the half is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gimmal.agent.control import ControlServer
from gimmal.agent.service.answering import ServiceCommands
from gimmal.agent.service.child import Child, Ended
from gimmal.agent.service.machine import Action, Condition, Deed, Supervision, View
from gimmal.agent.service.manager import VARIABLE, tell_manager
from gimmal.agent.service.messages import service_socket
from gimmal.agent.service.notices import Notices
from gimmal.agent.service.single import ServiceLock
from gimmal.agent.service.templated import Template
from gimmal.agent.service.watching import Halves, MountEvents
from gimmal.base.display import displayable
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers

logger = logging.getLogger("gimmal.agent")

LOOK_SECONDS = 1.0
CALM_LOOK_SECONDS = 3.0
"""The same where the system tells of mounts and nothing is expected: then a half comes and goes with an event."""

LOOK_HANGS_SECONDS = 5.0
END_SECONDS = 5.0
"""What all agents together have to end when the supervisor does."""


@dataclass(frozen=True)
class ServiceOptions:
    """How to run the supervisor.

    Attributes:
        command: words that run gimmal.
        folders: looked into besides mounted disks.
        notify: whether to tell the person at the desktop.
        template: starts agents quickly, where there is one; it ends with the supervisor.
    """

    command: Sequence[str]
    folders: Sequence[Path] = ()
    notify: bool = True
    template: Template | None = None


class Service:
    """The supervisor. Run it once.

    Args:
        options: how.
        say: told one line at each change.
    """

    def __init__(self, options: ServiceOptions, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._machine = Supervision()
        self._halves = Halves(options.folders)
        self._workers = Workers()
        self._tasks = Tasks()
        self._children: dict[int, Child] = {}
        self._passwords: dict[int, int] = {}
        """Descriptor of the password for an agent that is being started."""
        self._outcomes: dict[int, asyncio.Future[Ended | None]] = {}
        self._last_words: dict[str, str] = {}
        self._early: set[int] = set()
        """Agents that are to end and whose processes are still being begun."""
        self._looking: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._told: dict[str, str] = {}
        self._status = ""
        self._notices = Notices(self._workers, self._tasks, wanted=options.notify)
        self._environment = {name: value for name, value in os.environ.items() if name != VARIABLE}

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; every agent has ended when this returns.

        Raises:
            LocalError: another supervisor runs, or there is no place for its socket.
        """
        loop = asyncio.get_running_loop()
        with ServiceLock():
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._end)
            control = ControlServer(service_socket(), ServiceCommands(self).answer)
            events = MountEvents(self._on_mounts)
            self._halves.told_of_mounts = events.comes
            try:
                await self.look()
                self._say("ready: the service looks for halves")
                tell_manager("READY=1")
                await self._watch()
            finally:
                tell_manager("STOPPING=1")
                events.close()
                await control.close()
                await self._end_children()
                if self._options.template is not None:
                    await self._options.template.close()
                self._tasks.cancel()
                self._workers.close()
        self._say("stopped: every agent has ended")

    def _end(self) -> None:
        self._stop.set()
        self._wake.set()

    def _on_mounts(self) -> None:
        self._halves.mounts_changed()
        self._wake.set()

    async def _watch(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_again_in()):
                    await self._wake.wait()
            self._wake.clear()
            await self.look()

    def _look_again_in(self) -> float:
        told = self._halves.told_of_mounts and not self._options.folders
        return CALM_LOOK_SECONDS if told and self._machine.calm else LOOK_SECONDS

    async def look(self) -> None:
        """Look for halves now; returns after some seconds also where a disk holds it up."""
        if self._looking is None:
            self._looking = self._tasks.start(self._look(), "look for halves")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_HANGS_SECONDS):
                await asyncio.shield(self._looking)

    async def _look(self) -> None:
        try:
            seen = await self._workers.call(self._halves.look)
        finally:
            self._looking = None
        if not self._stop.is_set():
            self._do(self._machine.look(seen, time.monotonic()))
            self._tell()

    # Agents ----------------------------------------------------------------------------------------------------------

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if action.deed is Deed.START:
                self._tasks.start(self._run_child(action), f"agent {action.number}")
            elif (child := self._children.get(action.number)) is None:
                self._early.add(action.number)
            elif action.deed is Deed.STOP:
                child.stop()
            else:
                child.kill()

    async def _run_child(self, action: Action) -> None:
        number = action.number
        self._last_words.pop(action.location, None)
        try:
            child = self._children[number] = await self._start_child(action)
            if number in self._early:
                child.kill()
            ended = await child.follow(lambda event, text: self._on_event(action, event, text))
        except OSError as exc:
            ended = Ended(-1, f"its agent could not be started: {(exc.strerror or '').lower()}")
        finally:
            self._children.pop(number, None)
            self._early.discard(number)
        if ended.code and ended.last_words:
            self._last_words[action.location] = ended.last_words
        reason = f"{ended.message}; {ended.hint}" if ended.hint else ended.message
        self._machine.ended(number, ended.code, reason, time.monotonic())
        self._settle(number, ended)
        self._wake.set()
        # Most often its half was pulled out: that is what is to be told, not that the agent is no more.
        await self.look()

    async def _start_child(self, action: Action) -> Child:
        password = self._passwords.pop(action.number, None)
        try:
            return await Child.start(
                self._options.command, action.location, password, self._environment, self._options.template
            )
        finally:
            if password is not None:
                os.close(password)

    def _on_event(self, action: Action, event: str, text: str) -> None:
        self._machine.said(action.number, event, time.monotonic())
        if event == "ready":
            self._settle(action.number, None)
        view = next((one for one in self.views() if one.number == action.number), None)
        if view is not None and event in ("connected", "used"):
            self._notices.used(view.seen, text)
        self._tell()

    def _settle(self, number: int, ended: Ended | None) -> None:
        outcome = self._outcomes.pop(number, None)
        if outcome is not None and not outcome.done():
            outcome.set_result(ended)

    async def _end_children(self) -> None:
        for child in self._children.values():
            child.stop()
            child.let_go()
        until = time.monotonic() + END_SECONDS
        while self._children and time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until - time.monotonic()):
                    await self._wake.wait()
            self._wake.clear()
        for child in self._children.values():
            child.kill()

    # For commands ----------------------------------------------------------------------------------------------------

    def views(self) -> list[View]:
        """All halves that are plugged in."""
        return self._machine.views(time.monotonic())

    def find(self, pair_id: bytes, side: str) -> View | None:
        """See Supervision.find."""
        return self._machine.find(pair_id, side)

    def process_of(self, number: int) -> int:
        """Number of an agent's process; 0 for none."""
        child = self._children.get(number)
        return child.pid if child is not None else 0

    def last_words(self, location: str) -> str:
        """What the last agent of a half wrote on its error output, where it failed."""
        return self._last_words.get(location, "")

    def start(self, location: str, password: int | None) -> asyncio.Future[Ended | None] | None:
        """Start the agent of a half for which none runs.

        Args:
            password: descriptor of a pipe; owned from now on.

        Returns:
            How it ended, or None when it is ready; no future where nothing is to be started.
        """
        action = self._machine.start(location, time.monotonic())
        if action is None:
            if password is not None:
                os.close(password)
            return None
        outcome: asyncio.Future[Ended | None] = asyncio.get_running_loop().create_future()
        self._outcomes[action.number] = outcome
        if password is not None:
            self._passwords[action.number] = password
        self._do([action])
        return outcome

    def put_away(self, pair_id: bytes, side: str) -> None:
        """See Supervision.put_away."""
        self._do(self._machine.put_away(pair_id, side, time.monotonic()))
        self._tell()

    # Telling ---------------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        if self._stop.is_set():
            return  # that agents end now is nobody's command about a half
        now = {view.seen.location: view for view in self.views()}
        for location, view in now.items():
            condition = view.condition.value
            if self._told.get(location) != condition:
                self._told[location] = condition
                self._say(f"half: {displayable(location)}: {condition}")
                if view.condition is Condition.LOCKED:
                    self._notices.locked(view.seen)
        for location in [one for one in self._told if one not in now]:
            del self._told[location]
            self._say(f"half: {displayable(location)}: gone")
        serving = sum(view.condition is Condition.SERVING for view in now.values())
        status = f"STATUS=halves: {len(now)}, served: {serving}"
        if status != self._status:
            self._status = status
            tell_manager(status)
