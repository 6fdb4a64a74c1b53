"""What ``gimmal up`` tells the person: of ways that fail each trouble once, and its end; that somebody came."""

from __future__ import annotations

from collections.abc import Callable

from gimmal.base.display import displayable
from gimmal.base.errors import GimmalError, RelayError
from gimmal.transport.link import PathKind
from gimmal.transport.relay_keeper import RelayStatus

USE_QUIET_SECONDS = 600.0
"""Without a command of the other side; the next one is news again."""

PROGRAM_MAX = COMPUTER_MAX = 60
"""Characters that are shown of what a program calls itself."""


class WayNews:
    """Turns tries that fail again and again into one line each.

    Args:
        say: told each line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._troubles: dict[str, str] = {}
        self._waiting = False

    def on_relay(self, status: RelayStatus) -> None:
        """A relay was reached, lost, or tried in vain."""
        address = status.url.address
        if status.connected:
            if self._troubles.pop(address, None) is not None:
                self._say(f"relay: connected to {displayable(address)}")
        elif status.failure is not None and self._is_news(address, status.failure):
            self._troubles[address] = status.failure.message
            self._say(f"relay: {_sentence(status.failure)}")

    def on_dial(self, failure: GimmalError) -> None:
        """The address that the person named was dialled in vain."""
        if not self._waiting:
            self._waiting = True
            self._say(f"waiting: {_sentence(failure)}")

    def on_connected(self) -> None:
        """There is a session with the other side."""
        self._waiting = False

    def on_moved(self, path: PathKind, round_trip: float | None, before: PathKind) -> None:
        """The session with the other side travels another way now; the round trip is in seconds."""
        took = f", {round_trip * 1000:.0f} ms" if round_trip is not None else ""
        self._say(f"path: now {path.value}{took}; was {before.value}")

    def _is_news(self, address: str, failure: GimmalError) -> bool:
        before = self._troubles.get(address)
        # After a relay that was only away, one that will never take this half is other news.
        return before is None or (isinstance(failure, RelayError) and failure.hopeless and before != failure.message)


class UseNews:
    """Tells that a command of the other side came, and not of each command: again only after a quiet time.

    Args:
        say: told each line.
        clock: seconds that never go back.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say = say
        self._clock = clock
        self._last: float | None = None

    def on_command(self, program: str, computer: str, path: str) -> None:
        """A command of the other side opened a session.

        Args:
            program: as it calls itself.
            computer: the name that the other computer gives itself, or nothing.
            path: how it travels.
        """
        now = self._clock()
        if self._last is None or now - self._last >= USE_QUIET_SECONDS:
            self._say(
                f"used: by a command of the other side{_where(computer)}, {displayable(program, PROGRAM_MAX)}, {path}"
            )
        self._last = now


def connected_line(computer: str, path: str) -> str:
    """What is told when a session with the other side's agent has begun.

    Args:
        computer: the name that the other computer gives itself, or nothing.
        path: how it travels.
    """
    return f"connected: the other side{_where(computer)}, {path}"


def _where(computer: str) -> str:
    return f" on {displayable(computer, COMPUTER_MAX)}" if computer else ""


def _sentence(failure: GimmalError) -> str:
    return displayable(f"{failure.message}; {failure.hint}" if failure.hint else failure.message)
