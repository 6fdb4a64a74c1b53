"""A port mapped by UPnP, through a process of its own (docs/decisions/0066-port-mappings.md).

What talks to devices of the network there is a library in C that reads their XML; it shares no memory with keys, can
be ended when it takes too long, and ends the mapping by itself when this process is gone, however that came.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import random
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.transport.port_mapping.external import require_of_the_internet
from gimmal.transport.port_mapping.failures import NoAnswer, NoMapping, NotInstalled
from gimmal.transport.port_mapping.ways import LIFETIME, By, Mapping, lifetime_of

COMMAND = (sys.executable, "-P", "-m", "gimmal.transport.port_mapping.upnp_process")
_LINE_MAX = 4096
_OTHER_PORTS = 3
"""Tried where the port that this computer listens on is taken outside."""

_KILL_SECONDS = 1.0


class Answer(Struct, forbid_unknown_fields=True):
    """A line from the process; it may have been taken over by what it read.

    Attributes:
        failure: why not, empty if it could.
        address: of the router outside.
        port: mapped outside.
        lifetime: seconds.
        same: the mapping is still there.
    """

    failure: Annotated[str, Meta(max_length=200)] = ""
    address: Annotated[str, Meta(max_length=64)] = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    lifetime: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    same: bool = False


class UpnpWay:
    """See ``Way``.

    Args:
        router: the address that the device must have, None where it is not known.
        own: this computer's address towards it, None for whichever it is.
        port: to be reached from outside.
        command: starts the process.
    """

    by = By.UPNP

    def __init__(
        self, router: IPv4Address | None, own: IPv4Address | None, port: int, command: Sequence[str] = COMMAND
    ) -> None:
        self._router = router
        self._own = own
        self._port = port
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._mapping: Mapping | None = None
        self._asked = False
        """It may have made a mapping."""

    async def find(self, deadline: float) -> None:
        """See ``Way``."""
        if self._command is COMMAND and not await _is_installed():
            raise NotInstalled("the router does not answer to PCP or NAT-PMP, and UPnP needs the extra gimmal[upnp]")
        question: dict[str, object] = {
            "do": "find",
            "router": str(self._router) if self._router else "",
            "own": str(self._own) if self._own else "",
        }
        try:
            async with asyncio.timeout(deadline):
                self._process = self._process or await self._start()
                self._address(await self._ask(question))
        except TimeoutError:
            await self._kill()
            raise NoAnswer("no device answers to UPnP") from None

    async def map(self, deadline: float) -> Mapping:
        """See ``Way``."""
        self._asked = True
        ports = [self._mapping.port] if self._mapping else [self._port]
        ports += [random.randint(20_000, 60_000) for _ in range(_OTHER_PORTS)]
        answer = await self._within(deadline, {"do": "map", "port": self._port, "ports": ports, "lifetime": LIFETIME})
        if answer.port not in ports:
            raise NoMapping("the router gave no port")
        address = self._address(answer)
        self._mapping = Mapping(str(address), answer.port, lifetime_of(answer.lifetime), self.by)
        return self._mapping

    async def stands(self, deadline: float) -> bool:
        """See ``Way``."""
        try:
            answer = await self._within(deadline, {"do": "look"})
        except NoMapping:
            return False
        return answer.same and self._mapping is not None and answer.address == self._mapping.address

    async def close(self, deadline: float) -> None:
        """See ``Way``: what takes longer than ``deadline`` the process does alone, and ends within seconds."""
        if not self._asked:
            await self._kill()
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE_MAX,
                # It must keep no stick from being ejected.
                cwd="/",
            )
        except OSError as exc:
            raise NoMapping("the process for UPnP cannot be started") from exc

    async def _within(self, deadline: float, question: dict[str, object]) -> Answer:
        try:
            async with asyncio.timeout(deadline):
                return await self._ask(question)
        except TimeoutError:
            await self._kill()
            raise NoAnswer("the router no longer answers to UPnP") from None

    async def _ask(self, question: dict[str, object]) -> Answer:
        process = self._process
        if process is None:
            raise NoAnswer("the process for UPnP has ended")
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(question) + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
            answer = msgspec.json.decode(line, type=Answer)
        except (OSError, ValueError, msgspec.DecodeError) as exc:
            await self._kill()
            raise NoAnswer("the process for UPnP has ended") from exc
        if answer.failure:
            raise NoMapping(answer.failure)
        return answer

    async def _kill(self) -> None:
        """End a process that does not do what it should; a mapping it made runs out."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILL_SECONDS):
                await process.wait()

    @staticmethod
    def _address(answer: Answer) -> IPv4Address:
        try:
            address = IPv4Address(answer.address)
        except ValueError:
            raise NoMapping("the router told no address outside") from None
        require_of_the_internet(address)
        return address


async def _is_installed() -> bool:
    """Whether the library is there; looking for it reads folders."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, importlib.util.find_spec, "miniupnpc") is not None
