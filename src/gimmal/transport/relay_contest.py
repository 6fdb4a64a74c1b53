"""The control connection by whichever way brings the relay's first byte (docs/spec/relay.md, section 12.3)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gimmal.base.errors import RelayError
from gimmal.base.tasks import Tasks
from gimmal.protocol.relay.messages import CONTROL_PATH
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.proxy import Proxy, ProxyRefusedError, proxy_for
from gimmal.transport.relay_streams import Dialled, dial_tls, dial_web
from gimmal.transport.tcp_connect import reason_of

DIRECT_SECONDS = 2.0
"""What the way that is begun first is given before the next one joins in."""

LIKELY_WEB_SECONDS = 0.75
"""The same where a proxy is set, or a reverse proxy likely."""

UNREACHED_SECONDS = 0.25
"""The same where a proxy is set and TCP is not even connected: such networks mostly drop what goes past the proxy."""
AFTER_REFUSAL_SECONDS = 0.5
"""What the direct way still has to reach the relay once a proxy has said no: as a rule nothing gets out past it."""

_WEB_PORT = 443


@dataclass(frozen=True, slots=True)
class Won:
    """The connection to use.

    Attributes:
        dialled: with the relay's first bytes, its stream paused.
        web: it is a WebSocket.
        proxy: that it goes through, or None.
    """

    dialled: Dialled
    web: bool
    proxy: Proxy | None


class Contest:
    """Begins one way, then the other beside it.

    Args:
        url: of the relay.
        web_first: see ``RelayWays.web_first``.
        family: of the only addresses to try, and nothing but the direct way; all without one.
    """

    def __init__(self, url: RelayUrl, web_first: bool, family: socket.AddressFamily = socket.AF_UNSPEC) -> None:
        self._url = url
        self._web_first = web_first
        self._family = family
        self._tasks = Tasks()
        self._failures: dict[str, RelayError] = {}
        self._reached = False
        """TCP to the relay itself was connected once."""
        self._proxy: Proxy | None = None
        self._through = ""
        self._refused: ProxyRefusedError | None = None
        self._refused_at = 0.0

    async def run(self) -> Won:
        """The first to bring a byte; the caller holds the deadline.

        Raises:
            RelayError: none did; the message names the relay and each way.
        """
        waiting = self._ways()
        running: set[asyncio.Task[Won | None]] = set()
        try:
            while waiting or running:
                if waiting:
                    name, attempt = waiting.pop(0)
                    if self._is_worthwhile(name):
                        running.add(self._tasks.start(self._guarded(name, attempt), "relay control"))
                if not running:
                    continue
                done, running = await self._wait(running, last=not waiting)
                winners = [won for task in done if (won := task.result()) is not None]
                for loser in winners[1:]:
                    loser.dialled.abort()
                if winners:
                    return winners[0]
                if not waiting and self._left() == 0:
                    break
        finally:
            await self._abandon(running)
        raise self.failure() or RelayError(f"the relay {self._url.address} cannot be reached", "check the network")

    def failure(self) -> RelayError | None:
        """What to tell of the ways that have failed so far."""
        if not self._failures:
            return None
        failures = [failure for _name, failure in sorted(self._failures.items(), key=lambda item: item[0])]
        messages = dict.fromkeys(failure.message for failure in failures)
        # A password that is wrong must not be shown to the proxy every two seconds: that locks accounts.
        locks = self._refused is not None and self._refused.credentials
        hopeless = locks or all(failure.hopeless for failure in failures)
        return RelayError("; ".join(messages), failures[-1].hint, hopeless=hopeless)

    def _ways(self) -> list[tuple[str, Callable[[], Awaitable[Won]]]]:
        ways: list[tuple[str, Callable[[], Awaitable[Won]]]] = [("direct", self._direct), ("web", self._web)]
        if self._family != socket.AF_UNSPEC:
            return ways[:1]
        try:
            self._proxy = proxy_for(self._url.host)
        except RelayError as exc:
            self._failures["proxy"] = exc
        if self._proxy is not None:
            self._through = f" through the proxy {self._proxy.address}"
        return ways[::-1] if self._web_first else ways

    async def _wait(
        self, running: set[asyncio.Task[Won | None]], *, last: bool
    ) -> tuple[set[asyncio.Task[Won | None]], set[asyncio.Task[Won | None]]]:
        """Wait until one is over, the next way joins in, or the ``last`` is given up; as ``asyncio.wait``."""
        if last:
            return await asyncio.wait(running, timeout=self._left(), return_when=asyncio.FIRST_COMPLETED)
        patience = self._patience()
        if self._proxy is not None and not self._web_first:
            first = await asyncio.wait(running, timeout=UNREACHED_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if first[0] or not self._reached:
                return first
            patience -= UNREACHED_SECONDS
        return await asyncio.wait(running, timeout=max(0.0, patience), return_when=asyncio.FIRST_COMPLETED)

    def _patience(self) -> float:
        likely = self._proxy is not None or (self._url.port == _WEB_PORT and self._url.pin is None)
        return LIKELY_WEB_SECONDS if likely and not self._web_first else DIRECT_SECONDS

    def _left(self) -> float | None:
        """Seconds until the direct way, the last one, is given up; None while nothing says that it should be."""
        if self._refused is None:
            return None
        # One that has reached the relay lacks only its first byte.
        patience = DIRECT_SECONDS if self._reached else AFTER_REFUSAL_SECONDS
        return max(0.0, self._refused_at + patience - asyncio.get_running_loop().time())

    def _is_worthwhile(self, name: str) -> bool:
        """Whether this way can do better than the direct one, as far as that has come."""
        if name == "direct" or self._proxy is not None or self._web_first:
            return True
        direct = self._failures.get("direct")
        return self._reached and not (direct is not None and direct.hopeless)

    async def _guarded(self, name: str, attempt: Callable[[], Awaitable[Won]]) -> Won | None:
        try:
            return await attempt()
        except RelayError as exc:
            self._failures[name] = exc
            return None

    async def _direct(self) -> Won:
        try:
            dialled = await dial_tls(self._url, family=self._family)
        except OSError as exc:
            raise RelayError(
                f"the relay {self._url.address} cannot be reached: {reason_of(exc)}",
                "check the network, the relay's URL, and that the relay runs",
            ) from exc
        self._reached = True
        return await _first(Won(dialled, False, None))

    async def _web(self) -> Won:
        try:
            dialled = await dial_web(self._url, CONTROL_PATH, self._proxy)
        except OSError as exc:
            raise self._by_web(reason_of(exc), "check the network, and that the relay runs") from exc
        except RelayError as exc:
            if isinstance(exc, ProxyRefusedError):
                self._refused, self._refused_at = exc, asyncio.get_running_loop().time()
                raise self._by_web(exc.message, exc.hint, hopeless=exc.hopeless) from exc
            raise self._by_web(exc.message, exc.hint) from exc
        try:
            return await _first(Won(dialled, True, self._proxy))
        except RelayError as exc:
            direct = self._failures.get("direct")
            if self._proxy is None and (exc.hopeless or (direct is not None and direct.message == exc.message)):
                raise  # it says all there is to say
            raise self._by_web(exc.message, exc.hint, hopeless=exc.hopeless) from exc

    def _by_web(self, reason: str, hint: str, *, hopeless: bool = False) -> RelayError:
        return RelayError(
            f"the relay {self._url.address} cannot be reached by WebSocket{self._through}: {reason}",
            hint,
            hopeless=hopeless,
        )

    async def _abandon(self, running: set[asyncio.Task[Won | None]]) -> None:
        await self._tasks.close()
        for task in running:
            # One may have won in the instant of its cancellation.
            if task.done() and not task.cancelled():
                with contextlib.suppress(RelayError):
                    won = task.result()
                    if won is not None:
                        won.dialled.abort()


async def _first(won: Won) -> Won:
    try:
        await won.dialled.first
    except BaseException:
        won.dialled.abort()
        raise
    return won
