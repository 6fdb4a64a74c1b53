"""Keeps the session between this agent and the other side's agent, whoever of the two dialled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gimmal.agent.path_care import PathCare, PathStatus
from gimmal.agent.sessions import Sessions
from gimmal.agent.telling import WayNews, connected_line
from gimmal.agent.turns import leave_turn
from gimmal.base.errors import GimmalError, PeerAbsent, UnreachableError, VersionMismatch
from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import CloseReason
from gimmal.transport.dial import Dialler
from gimmal.transport.frames import again
from gimmal.transport.lan.asking import LanSearch
from gimmal.transport.relay_keeper import RelayKeeper
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")

FIRST_SECONDS = 5.0
"""For the dial at the start, while relays are being connected to."""

LINK_AGAIN_SECONDS = 3.0
"""How long a command waits for a link of a session that has lost all of its own; then it hears why there is none."""

REDIAL_FIRST, REDIAL_MOST = 0.5, 30.0
STEADY_SECONDS = 5.0
"""A session that lasted as long is no reason to wait longer before the next one."""

OPEN_SECONDS = 10.0

NEAR_SECONDS = 4.0
"""For a session in the local network where nothing says that the other side is there."""


@dataclass(frozen=True)
class Diallers:
    """Where the other agent is looked for.

    Attributes:
        every_way: asks in the local network, at each relay and at each address known.
        near: asks in the local network alone.
    """

    every_way: Dialler
    near: Dialler


@dataclass(frozen=True)
class OtherAgentHost:
    """What the session with the other agent needs of this one.

    Attributes:
        side: ``a`` or ``b``, this half's.
        address_given: whether the person named where the other side is dialled.
        local: what is known of the networks of this computer.
        paths: takes the session to the best path.
        ways: told of each connection, and of each dial to the named address in vain.
        say: told one line for the person at each change.
        on_replaced: called before a session gives way to another one.
    """

    side: str
    address_given: bool
    local: LanSearch
    paths: PathCare
    ways: WayNews
    say: Callable[[str], None]
    on_replaced: Callable[[], None]


class OtherAgent:
    """The other side's agent, as this one sees it."""

    def __init__(self, host: OtherAgentHost, sessions: Sessions) -> None:
        self._host = host
        self._sessions = sessions
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._keepers: Sequence[RelayKeeper] = ()
        self._diallers: Diallers | None = None
        self._session: Session | None = None
        self._since = 0.0
        """When it became that, by the loop's clock."""
        self._opening: asyncio.Task[Session | GimmalError] | None = None
        self._looking: asyncio.Task[Session | GimmalError] | None = None
        """The same, in the local network alone."""
        self._adopted = asyncio.Event()
        """Set while there is a session."""
        self._news = asyncio.Event()
        """Set when a relay says that the other side has come."""
        self._stopping = False

    def start(self, diallers: Diallers, keepers: Sequence[RelayKeeper]) -> None:
        """Keep a session from now on, where this side knows where to look for the other one."""
        self._keepers = keepers
        self._diallers = diallers
        if self._may_dial:
            self._tasks.start(self._keep(), "keep the other side")

    def close(self) -> None:
        """Dial no more, and say no more; the session is ended by whoever holds them all."""
        self._stopping = True
        self._tasks.cancel()

    @property
    def session(self) -> Session | None:
        """The session, unless it is over."""
        return self._session if self._session is not None and not self._session.over else None

    def path_status(self) -> PathStatus:
        """How the session travels."""
        return self._host.paths.status(self.session)

    def look_again(self) -> None:
        """There is news of the other side, or of the network: look for it at once."""
        self._news.set()

    @property
    def _may_dial(self) -> bool:
        return self._host.address_given or bool(self._keepers) or self._host.local.asks

    # Sessions that come ----------------------------------------------------------------------------------------------

    def take(self, session: Session) -> None:
        """Take a session that the other agent opened, or close it where the two dialled each other."""
        if self._host.side == "a" and self._is_the_same_moment(session):
            session.close(CloseReason.DUPLICATE)
            return
        self._sessions.register(session)
        if self._diallers is not None and self._may_dial:
            self._diallers.every_way.let_dial(session)
        self._adopt(session)

    def _is_the_same_moment(self, session: Session) -> bool:
        """Whether both agents dialled each other, and the session that this one began stays.

        The other agent dials only where it has no session: one that comes later says that the one at hand leads
        nowhere.
        """
        there = self._session
        return (
            there is not None
            and there.opener
            and bool(there.links)
            and there.peer.computer == session.peer.computer
            and self._loop.time() - self._since < OPEN_SECONDS
        )

    def _adopt(self, session: Session) -> None:
        before = self.session
        self._session = session
        self._since = self._loop.time()
        self._adopted.set()
        if before is not None:
            self._host.on_replaced()
            before.close(CloseReason.DUPLICATE)
        else:
            path = session.links[0].path.value if session.links else "?"
            self._host.say(connected_line(session.peer.name, path))
            self._host.ways.on_connected()
        self._host.paths.take(session)
        session.ended.add_done_callback(lambda _ended: self._on_ended(session))

    def _on_ended(self, session: Session) -> None:
        if self._session is not session:
            return
        self._session = None
        self._adopted.clear()
        if self._stopping:
            return
        if session.closed_for is CloseReason.UNPLUGGED:
            self._host.say("disconnected: the other half was unplugged")
        elif session.closed_for is not None:
            self._host.say("disconnected: the other side has stopped")
        else:
            self._host.say(f"disconnected: {session.why_over()}")

    # For those who ask -----------------------------------------------------------------------------------------------

    async def reach(self, deadline: float) -> Session:
        """The session with the other side, opened if there is none.

        Args:
            deadline: seconds.

        Raises:
            UnreachableError, PeerError: why there is none.
        """
        session = self.session
        if session is not None:
            if await session.linked(min(deadline, LINK_AGAIN_SECONDS)):
                return session
            if not session.over:
                raise (
                    again(session.redial_failure)
                    if session.redial_failure is not None
                    else PeerAbsent(
                        "the connection to the other side is lost", "it is tried again: see that both are online"
                    )
                )
        if self._stopping:
            raise UnreachableError("the agent is stopping", "start `gimmal up` again")
        if self._opening is None:
            self._opening = self._tasks.start(self._open(deadline), "open a session")
        opened = await asyncio.shield(self._opening)
        if isinstance(opened, GimmalError):
            raise opened
        return opened

    async def when_there(self, deadline: float) -> Session:
        """The session with the other side as soon as there is one; dials nothing itself.

        Args:
            deadline: seconds.

        Raises:
            PeerAbsent: none came.
        """
        try:
            async with asyncio.timeout(deadline):
                while (session := self._session) is None or session.over:
                    # One that is over is taken away in the next turn of the loop.
                    await (self._adopted.wait() if session is None else asyncio.sleep(0))
        except TimeoutError:
            raise PeerAbsent("it is not there", "plug in the other half") from None
        return session

    # Dialling --------------------------------------------------------------------------------------------------------

    async def _open(self, deadline: float, *, at_once: bool = False) -> Session | GimmalError:
        """One opening for all who wait for it; nobody may be left to hear of a failure, so it is returned."""
        try:
            if self._diallers is None or not self._may_dial:
                raise PeerAbsent(
                    "the other side has not connected yet", "plug in the other half, or use --at HOST:PORT"
                )
            if not at_once:
                await self._leave_turn()
            return await self._open_with(self._diallers.every_way, deadline)
        except GimmalError as exc:
            return exc
        finally:
            self._opening = None

    async def _look_near(self) -> Session | GimmalError:
        """As ``_open``, in the local network alone: relays that do not have the other side are left in peace."""
        assert self._diallers is not None
        try:
            session = await self._open_with(self._diallers.near, NEAR_SECONDS)
        except GimmalError as exc:
            return exc
        else:
            self._diallers.every_way.let_dial(session)
            return session
        finally:
            self._looking = None

    async def _open_with(self, dialler: Dialler, deadline: float) -> Session:
        """A session with the other agent, or the one that came another way meanwhile."""
        if (there := self.session) is not None:
            return there
        try:
            session = await dialler.open_session(
                self._sessions.serving(), deadline, wanted=lambda: self.session is None
            )
        except GimmalError:
            if (there := self.session) is not None:
                return there
            raise
        self._sessions.register(session)
        self._adopt(session)
        return session

    async def _find_near(self) -> None:
        """Look for the other side in the local network until that is over, or a relay has news of it."""
        looking = self._opening or self._looking
        if looking is None:
            looking = self._looking = self._tasks.start(self._look_near(), "look in the local network")
        news = self._tasks.start(self._news.wait(), "news of the other side")
        await asyncio.wait([looking, news], return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        if looking.done() and isinstance(failure := looking.result(), GimmalError):
            raise failure

    async def _leave_turn(self) -> None:
        if any(keeper.status.peer_present for keeper in self._keepers):
            await leave_turn(self._host.side, self._is_offered, self._adopted)

    def _is_offered(self) -> bool:
        return self._sessions.greeting or any(keeper.answering for keeper in self._keepers)

    async def _dial_at_once(self) -> None:
        """Ask each relay for a link together with the proof: where the other side is there, that saves round trips."""
        self._opening = self._tasks.start(self._open(FIRST_SECONDS, at_once=True), "open a session")
        if isinstance(failure := await asyncio.shield(self._opening), GimmalError):
            logger.debug("the other side is not there at the start: %s", failure)

    async def _keep(self) -> None:
        """Keep a session whenever the other agent is there."""
        wait = REDIAL_FIRST
        told = False
        if self._keepers:
            await self._dial_at_once()
        while True:
            if self.session is not None:
                wait = await self._while_it_lasts(wait)
            self._news.clear()
            sure = self._host.address_given or any(keeper.status.peer_present for keeper in self._keepers)
            if sure or self._host.local.asks:
                try:
                    await (self.reach(OPEN_SECONDS) if sure else self._find_near())
                    wait = await self._while_it_lasts(wait)
                    continue
                except VersionMismatch as exc:
                    if not told:
                        self._host.say(f"error: {exc.message}; {exc.hint}")
                    told = True
                except GimmalError as exc:
                    logger.debug("the other side cannot be reached: %s", exc)
                    if self._host.address_given:
                        self._host.ways.on_dial(exc)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
            wait = min(2 * wait, REDIAL_MOST)

    async def _while_it_lasts(self, wait: float) -> float:
        """Until the session has ended; where the other side closed it at once, and may do so again, ``wait`` longer.

        Returns:
            The pause before the next try.
        """
        if (session := self.session) is not None:
            await asyncio.wait([session.ended])
        if self._loop.time() - self._since >= STEADY_SECONDS:
            return REDIAL_FIRST
        await asyncio.sleep(wait)
        return min(2 * wait, REDIAL_MOST)
