"""What the person at the desktop is told: the other half is used; a half waits for its password.

By the desktop's own service for notifications, over the session bus; nothing where there is none. The supervisor
sends them, not the agent: the less code runs beside keys the better. (Holding off sleep is the agent's: it knows when
the other side is there, and the lock must go with it.)
"""

from __future__ import annotations

import html
import logging
import time
from collections import deque
from collections.abc import Callable

from gimmal.agent.bus import bus_connection
from gimmal.agent.service.machine import Seen
from gimmal.base.display import displayable
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers

logger = logging.getLogger("gimmal.agent")

QUIET_SECONDS = 600.0
"""Between two notices of the same thing: a line that comes and goes must not fill the screen."""

PAIRS_MAX = 64
WAITING_MAX = 8
"""Notices that wait while another is being shown; more are dropped."""

REPLY_SECONDS = 5.0
"""For all that one notice takes."""

NAME_MAX, TEXT_MAX = 60, 200


class Quiet:
    """Says whether a notice is due: the same again only after QUIET_SECONDS.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}

    def due(self, what: str) -> bool:
        """Whether to tell it now; counts as told."""
        now = self._clock()
        self._last = {key: at for key, at in self._last.items() if now - at < QUIET_SECONDS}
        if what in self._last or len(self._last) >= PAIRS_MAX:
            return False
        self._last[what] = now
        return True


class Notices:
    """Tells the desktop, one notice at a time; those that come meanwhile wait, a few of them.

    Args:
        workers: for the blocking bus.
        tasks: owner of what is under way.
        wanted: False to tell nothing.
    """

    def __init__(self, workers: Workers, tasks: Tasks, *, wanted: bool) -> None:
        self._workers = workers
        self._tasks = tasks
        self._wanted = wanted
        self._sending = False
        self._waiting: deque[tuple[str, str]] = deque()
        self._quiet = Quiet()

    def used(self, half: Seen, how: str) -> None:
        """The other half of a pair has come to use this one.

        Args:
            half: this one.
            how: what the agent says of it.
        """
        moment = time.strftime("%H:%M")
        self._tell("used", half, f"{_name(half.pair_name)}: the other half is in use", f"{moment}: {how}")

    def locked(self, half: Seen) -> None:
        """A half was plugged in that has a password."""
        self._tell("locked", half, f"{_name(half.pair_name)} waits for its password", "In a terminal: gimmal unlock")

    def _tell(self, what: str, half: Seen, summary: str, body: str) -> None:
        if not self._wanted or len(self._waiting) >= WAITING_MAX:
            return
        # Not by the name, which halves of others may have, too.
        if not self._quiet.due(f"{what} {half.pair_id.hex()} {half.side}"):
            return
        self._waiting.append((summary, body))
        if not self._sending:
            self._sending = True
            self._tasks.start(self._send(), "notices")

    async def _send(self) -> None:
        try:
            while self._waiting:
                await self._workers.call(notify, *self._waiting.popleft())
        finally:
            self._sending = False


def _name(pair_name: str) -> str:
    return displayable(pair_name, NAME_MAX)


def notify(summary: str, body: str) -> bool:
    """Show one notice; False where there is no session bus, or nothing on it that shows notices. Never raises.

    Args:
        summary: plain text.
        body: plain text; many desktops take markup there, so it is escaped.
    """
    try:
        from jeepney import DBusAddress, MessageType, new_method_call

        shown = DBusAddress(
            "/org/freedesktop/Notifications",
            bus_name="org.freedesktop.Notifications",
            interface="org.freedesktop.Notifications",
        )
        # Transient: desktops keep no list of them, which would tell of the pair when the half is gone.
        hints = {"transient": ("b", True), "category": ("s", "network")}
        text = html.escape(displayable(body, TEXT_MAX), quote=False)
        arguments: tuple[object, ...] = ("gimmal", 0, "drive-removable-media", summary, text, [], hints, -1)
        message = new_method_call(shown, "Notify", "susssasa{sv}i", arguments)
        with bus_connection("SESSION", REPLY_SECONDS) as connection:
            reply = connection.send_and_get_reply(message, timeout=REPLY_SECONDS)
        return bool(reply.header.message_type is MessageType.method_return)
    except Exception as exc:  # noqa: BLE001 - whatever a desktop does wrong must not end the service
        logger.debug("no notice was shown: %s", type(exc).__name__)
        return False
