"""The agent's port at the router: whether one is asked for, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from gimmal.base.primitives import hkdf_sha256
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.port_mapping.mapper import PortMapper
from gimmal.transport.port_mapping.ways import Mapping

_NONCE_INFO = b"gimmal port mapping nonces v1"

WAITS_SECONDS = 0.5
"""What asking a router leaves to reaching the other side at the start: it starts a program, and nobody waits for it."""

CLOSED = "the agent is not listening"
SWITCHED_OFF = "switched off by --no-mapping"
NOT_LISTENING = "this side does not listen"
LISTENS_HERE_ONLY = "it listens on this computer only"
NO_RELAY = "there is no relay to leave the address with"
RELAYS_HERE = "all relays are on this computer"


@dataclass(frozen=True, slots=True)
class MappingStatus:
    """What ``status`` shows.

    Attributes:
        mappings: those that lead here now.
        reason: why there is none.
    """

    mappings: Sequence[Mapping]
    reason: str


def why_none(mapping: bool, listen: tuple[str, int] | None, relays: Sequence[RelayUrl]) -> str:
    """Why no router is asked at all; empty where one is.

    Args:
        mapping: whether the person allows it.
        listen: host and port listened on.
        relays: that the agent is connected to.
    """
    if not mapping:
        return SWITCHED_OFF
    if listen is None:
        return NOT_LISTENING
    if _is_here(listen[0]):
        return LISTENS_HERE_ONLY
    if not relays:
        return NO_RELAY
    # Who can reach such a relay is on this computer too.
    return RELAYS_HERE if all(_is_here(url.host) for url in relays) else ""


class MappedPort:
    """Asks for the port from ``start`` to ``close``.

    Args:
        half: whose agent it is.
        workers: for what may block.
        on_change: told the addresses outside whenever they are others.
        say: told one line for the person.
    """

    def __init__(
        self,
        half: OpenedHalf,
        workers: Workers,
        on_change: Callable[[list[tuple[str, int]]], None],
        say: Callable[[str], None],
    ) -> None:
        self._nonce_key = hkdf_sha256(b"", half.storage_key, _NONCE_INFO, 32)
        self._workers = workers
        self._on_change = on_change
        self._say = say
        self._mapper: PortMapper | None = None
        self._told: list[tuple[str, int]] = []
        self._why_none = CLOSED
        self._beginning: asyncio.TimerHandle | None = None

    def start(self, why_not: str, host: str, port: int) -> None:
        """Begin to ask in a moment, unless ``why_not`` says why nothing is asked.

        Args:
            why_not: see ``why_none``.
            host: listened on, empty for all addresses.
            port: listened on.
        """
        self._why_none = why_not
        if not why_not:
            on_all = host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not listened on
            self._mapper = PortMapper(port, "" if on_all else host, self._nonce_key, self._workers, self._changed)
            self._beginning = asyncio.get_running_loop().call_later(WAITS_SECONDS, self._mapper.start)

    @property
    def status(self) -> MappingStatus:
        """How it stands now."""
        if self._mapper is None:
            return MappingStatus((), self._why_none)
        return MappingStatus(self._mapper.mappings, self._mapper.reason)

    def network_changed(self) -> None:
        """See ``PortMapper.network_changed``."""
        if self._mapper is not None:
            self._mapper.network_changed()

    async def close(self) -> None:
        """End what was mapped; bounded."""
        mapper, self._mapper = self._mapper, None
        self._why_none = CLOSED
        if self._beginning is not None:
            self._beginning.cancel()
        if mapper is not None:
            await mapper.close()

    def _changed(self) -> None:
        if self._mapper is None:
            return
        mappings = self._mapper.mappings
        addresses = [(mapping.address, mapping.port) for mapping in mappings]
        if addresses == self._told:
            return
        for mapping in mappings:
            if (mapping.address, mapping.port) not in self._told:
                self._say(f"port mapping: {mapping.shown} by {mapping.by}")
        if not mappings:
            self._say(f"port mapping: none, {self._mapper.reason}")
        self._told = addresses
        self._on_change(addresses)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
