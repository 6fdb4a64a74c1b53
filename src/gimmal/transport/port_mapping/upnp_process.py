"""The process that speaks UPnP for an agent: questions on stdin, answers on stdout, one JSON object a line.

It holds no key and learns none. Whatever ends stdin (the agent's end, even a killed one's) makes it end the mapping
and itself. See ``upnp.py``.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

_DISCOVER_MILLISECONDS = 2000
_ANSWER_SECONDS = 12
"""For all that one question takes; then the system ends this process."""

_END_SECONDS = 5
_MEMORY = 512 << 20
_FILES = 32
_DESCRIPTION = "port mapping"
"""Everybody in the network can read it in the router: it does not say what for."""


class Refused(Exception):
    """The answer is no; the text says why."""


class Device:
    """One router, as the library knows it.

    Args:
        upnp: of the library, not asked anything yet.
        own: address of this computer that the router must lead to; empty for whichever it is.
    """

    def __init__(self, upnp: Any, own: str) -> None:
        self._upnp = upnp
        self._own = own
        self._port = 0
        self._mapped = 0

    def find(self, router: str) -> dict[str, Any]:
        """Look for the router; ``router`` is the address it must have, empty for any."""
        try:
            self._upnp.discover()
            control = self._upnp.selectigd()
        except Exception as exc:
            raise Refused("no device answers to UPnP") from exc
        if router and urlsplit(control).hostname != router:
            raise Refused("a device that is not the router answers to UPnP")
        if self._own and self._upnp.lanaddr != self._own:
            raise Refused("the router sees this computer at another address")
        return {"address": self._address()}

    def map(self, port: int, ports: list[int], lifetime: int) -> dict[str, Any]:
        """Map the first of ``ports`` that is free, or this computer's already, to ``port``."""
        self._port = port
        for external in ports:
            if self._is_anothers(external):
                continue
            try:
                self._upnp.addportmapping(external, "TCP", self._upnp.lanaddr, port, _DESCRIPTION, "", lifetime)
            except Exception as exc:
                if "Conflict" in str(exc):
                    continue
                if "OnlyPermanent" in str(exc):
                    # It would outlive a power cut, and open this computer for ever.
                    raise Refused("the router gives only port mappings without an end") from exc
                raise Refused("the router does not allow this port mapping") from exc
            self._mapped = external
            return {"address": self._address(), "port": external, "lifetime": lifetime}
        raise Refused("the router has no free port")

    def look(self) -> dict[str, Any]:
        """Whether the mapping is still there."""
        entry = self._entry(self._mapped) if self._mapped else None
        return {"address": self._address(), "same": entry is not None and self._is_ours(entry)}

    def release(self) -> None:
        """End the mapping."""
        if self._mapped:
            with contextlib.suppress(Exception):
                self._upnp.deleteportmapping(self._mapped, "TCP")

    def _address(self) -> str:
        try:
            return str(self._upnp.externalipaddress())
        except Exception as exc:
            raise Refused("the router told no address outside") from exc

    def _is_anothers(self, external: int) -> bool:
        # Some routers let one computer take over the port of another.
        entry = self._entry(external)
        return entry is not None and not self._is_ours(entry)

    def _entry(self, external: int) -> tuple[Any, ...] | None:
        try:
            entry: tuple[Any, ...] | None = self._upnp.getspecificportmapping(external, "TCP")
        except Exception:  # noqa: BLE001 - as above
            return None
        return entry

    def _is_ours(self, entry: tuple[Any, ...]) -> bool:
        return bool(entry[0] == self._upnp.lanaddr and entry[1] == self._port)


def _library(own: str) -> Any:
    from miniupnpc import UPnP

    # No socket of a daemon is asked: whoever made that file would name the router.
    return UPnP(own or None, "", _DISCOVER_MILLISECONDS, 0)


def main() -> None:
    """Answer until stdin ends."""
    _restrain()
    device: Device | None = None
    try:
        for line in sys.stdin:
            question = json.loads(line)
            signal.alarm(_ANSWER_SECONDS)
            try:
                if question["do"] == "find":
                    device = Device(_library(question["own"]), question["own"])
                    answer = device.find(question["router"])
                elif device is None:
                    raise Refused("no router was found")
                elif question["do"] == "map":
                    answer = device.map(question["port"], question["ports"], question["lifetime"])
                else:
                    answer = device.look()
            except Refused as exc:
                answer = {"failure": str(exc)}
            signal.alarm(0)
            print(json.dumps(answer), flush=True)
    finally:
        signal.alarm(_END_SECONDS)
        if device is not None:
            device.release()


def _restrain() -> None:
    """What a device of this network may cost, at most."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ctrl-C in the agent's terminal reaches this process too: the agent says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))


if __name__ == "__main__":
    main()
