"""The queue of one half on one computer: keeps what the machine decides, and runs what it says.

Every change is durable before anybody is told of it. Nothing here is written to a log that names a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial

from gimmal.agent.queue.advance import Advance, Failures
from gimmal.agent.queue.files import Room
from gimmal.agent.queue.machine import Change, Machine, Outcome, State
from gimmal.agent.queue.messages import Act, TransfersQuestion, TransferView
from gimmal.agent.queue.order import Order
from gimmal.agent.queue.run import Run
from gimmal.agent.queue.store import Forgotten, QueueStore, Record, order_records
from gimmal.agent.queue.viewing import view_of
from gimmal.agent.queue.way import Host
from gimmal.base.errors import ExitCode, GimmalError, LocalError
from gimmal.base.tasks import Tasks

logger = logging.getLogger("gimmal.agent")

PAUSE_SECONDS = 2.0
"""What is under way when a transfer is paused may take so long to end; the rest is sent again."""

STOP_SECONDS = 0.3
"""What the end of the agent leaves to runs."""


@dataclass
class Item:
    """One transfer beside its standing, which the machine has."""

    order: Order
    advance: Advance
    failures: Failures


class TransferQueue:
    """Runs transfers one after the other, a few at a time, for as long as the half is there.

    Args:
        host: what the agent lends.
        say: told one line at each end of a transfer, without any name.
        clock: seconds since 1970.
    """

    def __init__(self, host: Host, say: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._say = say
        self._clock = clock
        self._store = QueueStore(host.directory, host.key)
        self._refusal: LocalError | None = LocalError("the transfer queue is not open", "restart `gimmal up`")
        self._machine = Machine()
        self._items: dict[int, Item] = {}
        self._runs: dict[int, tuple[Run, asyncio.Task[Outcome | GimmalError]]] = {}
        self._room = Room()
        self._tasks = Tasks()
        self._after = Tasks()
        self._lock = asyncio.Lock()
        self._closing = False

    # Life ------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read what was kept, and go on with it. Where that cannot be, says so; every question is refused then."""
        try:
            kept, number = await self._host.workers.call(self._store.open)
        except LocalError as exc:
            self._refusal = exc
            self._say(f"error: {exc.message}; no transfers are queued")
            return
        self._refusal = None
        self._machine = Machine([each.standing for each in kept.values()], number)
        self._items = {number: Item(each.order, each.advance, each.failures) for number, each in kept.items()}
        async with self._lock:
            with contextlib.suppress(LocalError):
                await self._make(self._machine.expire(self._clock()))
            self._begin_runs()

    async def close(self) -> None:
        """Stop what runs, and note how far it has come; all of it goes on at the next start. Bounded."""
        self._closing = True
        await self._tasks.close(STOP_SECONDS)
        self._after.cancel()
        if self._refusal is None:
            self._refusal = LocalError("the agent is stopping", "start `gimmal up` again")
            advances = [run.advance() for run, _task in self._runs.values()]
            with contextlib.suppress(LocalError, RuntimeError):
                await self._host.workers.call(self._write_last, advances)

    def _write_last(self, advances: list[Advance]) -> None:
        try:
            self._store.append(advances, durable=False)
        finally:
            self._store.close()

    @property
    def running(self) -> int:
        """How many transfers are under way, or wait for the other side to go on."""
        return len(self._runs)

    # What commands ask -----------------------------------------------------------------------------------------------

    async def add(self, order: Order) -> int:
        """Queue an order; returns its number when it would survive a power cut.

        Raises:
            GimmalError: the queue is full, or cannot be kept.
        """
        async with self._lock:
            self._check_open()
            if not self._store.has_room(order):
                raise _full()
            change = self._machine.add(self._clock())
            number = change.standings[0].number
            await self._keep([*order_records(number, order), *change.standings])
            self._items[number] = Item(order, Advance(number), Failures(number))
            self._machine.apply(change)
            self._begin_runs()
        return number

    async def answer(self, question: TransfersQuestion) -> list[TransferView]:
        """Do what is asked; what it concerns, as it stands then.

        Raises:
            GimmalError: it makes no sense, or cannot be kept.
        """
        async with self._lock:
            self._check_open()
            machine, number, now = self._machine, question.number, self._clock()
            await self._make(machine.expire(now))
            change = Change()
            if question.act is Act.PAUSE:
                change = machine.pause(number)
            elif question.act is Act.RESUME:
                change = machine.resume(number)
            elif question.act is Act.CANCEL:
                change = machine.cancel(number, discard=question.discard, now=now)
            elif question.act is Act.CLEAR:
                change = machine.clear()
            elif number is not None:
                machine.find(number)
            forgotten = [self._view(each) for each in change.forgotten]
            await self._make(change)
            self._begin_runs()
            if question.act is Act.CLEAR:
                return forgotten
            if question.act in (Act.LIST, Act.SHOW):
                chosen = list(machine.standings) if number is None else [number]
                return [self._view(each, whole=question.act is Act.SHOW) for each in chosen]
            return [self._view(each.number) for each in change.standings]

    def _view(self, number: int, *, whole: bool = False) -> TransferView:
        item = self._items[number]
        run = self._runs[number][0] if number in self._runs else None
        failures = run.failures() if run is not None and run.touched else item.failures
        advance = run.advance() if run is not None else item.advance
        return view_of(self._machine.standings[number], item.order, advance, failures, run, whole=whole)

    def _check_open(self) -> None:
        if self._refusal is not None:
            refusal = LocalError(self._refusal.message, self._refusal.hint)
            raise refusal from self._refusal

    # Keeping ---------------------------------------------------------------------------------------------------------

    async def _make(self, change: Change) -> None:
        """Keep a change, then apply it."""
        if change.standings or change.forgotten:
            await self._keep([*change.standings, *(Forgotten(number) for number in change.forgotten)])
        self._apply(change)

    def _apply(self, change: Change) -> None:
        self._machine.apply(change)
        for number in change.forgotten:
            self._items.pop(number, None)
        for stop in () if self._closing else change.stops:
            run, task = self._runs[stop.number]
            self._tasks.start(_stop(run, task, drain=stop.drain), "stop a queued transfer")

    async def _keep(self, records: Iterable[Record], *, durable: bool = True) -> None:
        await self._host.workers.call(partial(self._store.append, records, durable=durable))

    async def _keep_advance(self, advance: Advance, durable: bool) -> None:
        async with self._lock:
            await self._keep([advance], durable=durable)

    # Running ---------------------------------------------------------------------------------------------------------

    def _begin_runs(self) -> None:
        for number in () if self._closing else self._machine.starts():
            item = self._items[number]
            run = Run(self._host, self._room, item.order, item.advance, self._keep_advance, self._after)
            work = run.discard() if self._machine.began(number) else run.transfer()
            task = self._tasks.start(_finished(work), "run a queued transfer")
            self._runs[number] = (run, task)
            self._tasks.start(self._follow(number, run, task), "follow a queued transfer")

    async def _follow(self, number: int, run: Run, task: asyncio.Task[Outcome | GimmalError]) -> None:
        """Wait for the end of a run, and note how it ended."""
        await asyncio.wait([task])
        outcome = _outcome(task)
        async with self._lock:
            before = self._machine.standings.get(number)
            change = self._machine.ended(number, outcome, self._clock())
            del self._runs[number]
            if before is None:
                return
            item = self._items[number]
            item.advance = run.advance()
            item.failures = run.failures() if run.touched else item.failures
            try:
                await self._keep([item.advance, item.failures, *change.standings])
            except LocalError as exc:
                # It has ended all the same; after a crash it would be met as done already.
                logger.warning("the end of a transfer could not be noted: %s", exc.message)
            self._apply(change)
            with contextlib.suppress(LocalError):
                await self._make(self._machine.expire(self._clock()))
            self._begin_runs()
        for standing in change.standings:
            if standing.state is not State.CANCELLED:
                self._say(f"transfer: {number} {standing.state.value}")


async def _stop(run: Run, task: asyncio.Task[Outcome | GimmalError], *, drain: bool) -> None:
    if drain:
        await run.drain(PAUSE_SECONDS)
    task.cancel()


async def _finished(work: Coroutine[None, None, Outcome]) -> Outcome | GimmalError:
    """A run that fails is no failure of its task."""
    try:
        return await work
    except GimmalError as exc:
        return exc


def _outcome(task: asyncio.Task[Outcome | GimmalError]) -> Outcome | None:
    if task.cancelled():
        return None
    if task.exception() is not None:  # which its owner has logged
        return Outcome(State.FAILED, "gimmal failed by a mistake of its own", "please report what its log says")
    ended = task.result()
    if isinstance(ended, GimmalError):
        return Outcome(State.FAILED, ended.message, ended.hint)
    return ended


def _full() -> GimmalError:
    error = GimmalError("the transfer queue is full", "`gimmal transfers clear` forgets those that have ended")
    error.exit_code = ExitCode.REFUSED
    return error
