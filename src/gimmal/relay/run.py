"""The entry function of ``gimmal relay``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError
from gimmal.base.sources import source_of
from gimmal.protocol.relay.url import RelayUrl
from gimmal.relay.certificate import load_or_make_certificate, server_context
from gimmal.relay.journal import start_log
from gimmal.relay.ledger_sqlite import SqliteLedger
from gimmal.relay.ledger_thread import LedgerThread
from gimmal.relay.limits import RelayLimits
from gimmal.relay.listening import listen, parse_listen, told_host
from gimmal.relay.server import RelayServer
from gimmal.relay.state import relay_state

_log = logging.getLogger("gimmal.relay")

_DESCRIPTORS_LEAST = 256
"""The server keeps half of them aside for pipes and files."""


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What ``gimmal relay`` was told.

    Args:
        listen: HOST:PORT.
        state: folder of key and ledger.
        name: host for the URL, perhaps with the port at which a reverse proxy is reached; None takes the address
            listened on.
        certificate: PEM files (chain, key) of a certificate of the web PKI; the URL then has no pin.
        behind: addresses of reverse proxies before this relay.
        json: log as JSON lines.
        log_level: ``debug`` to ``error``.
        limits: numbers of the relay.
    """

    listen: str
    state: Path
    name: str | None = None
    certificate: tuple[Path, Path] | None = None
    behind: tuple[str, ...] = ()
    json: bool = False
    log_level: str = "info"
    limits: RelayLimits = field(default_factory=RelayLimits)


def run_relay(options: RelayOptions) -> None:
    """Run a relay until SIGTERM or SIGINT; prints ``relay: URL`` when it is ready.

    Raises:
        UsageError: an option cannot mean anything.
        LocalError: the port is taken, or the state folder cannot be used.
    """
    host, port = parse_listen(options.listen)
    # Checked before anything is made: the name must be able to stand in a URL.
    told, told_port = _told(options.name, host)
    _url(told, told_port or port or 1, None)
    if options.certificate and not options.name:
        raise UsageError("a certificate of the web PKI is for a name", "add --name HOST, the name in the certificate")
    behind = frozenset(map(_source, options.behind))
    start_log(options.json, options.log_level)
    with relay_state(options.state) as state:
        files = options.certificate or load_or_make_certificate(state)
        context, pin = server_context(*files)
        ledger = SqliteLedger(state / "ledger.sqlite", options.limits.pairs)
        _raise_descriptor_limit()
        listeners = listen(host, port)
        own_port: int = listeners[0].getsockname()[1]
        url = _url(told, told_port or own_port, None if options.certificate else pin)

        async def main() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop.set)
            server = RelayServer(listeners, context, pin, LedgerThread(ledger), options.limits, behind=behind)
            server.start()
            # Not on the event loop's account: a reader of stdout that is gone must not stop the relay.
            with contextlib.suppress(OSError):
                print(f"relay: {url}", flush=True)
            _log.info("ready", extra={"fields": {"port": own_port}})
            await stop.wait()
            _log.info("stopping")
            await server.stop()
            _log.info("stopped")

        asyncio.run(main())


def _source(address: str) -> str:
    try:
        return source_of(str(ip_address(address)))
    except ValueError:
        raise UsageError(f"{displayable(address)} is no address", "for instance --behind 127.0.0.1") from None


def _told(name: str | None, listened: str) -> tuple[str, int | None]:
    """Host and port for the URL; the port is None where it is the one listened on."""
    if name is None:
        return told_host(listened), None
    host, colon, port = name.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535
    if colon and is_port and (":" not in host or host.endswith("]")):
        return host, int(port)
    return name, None


def _url(host: str, port: int, pin: bytes | None) -> RelayUrl:
    try:
        return RelayUrl.parse(str(RelayUrl(host.strip("[]"), port, pin)))
    except UsageError:
        raise UsageError(
            f"{displayable(host)} cannot stand in a relay's URL",
            "give --name HOST with the DNS name or address that the halves shall dial",
        ) from None


def _raise_descriptor_limit() -> None:
    """Take all descriptors that the system grants; LocalError where a relay could do nothing with them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft != resource.RLIM_INFINITY and soft < _DESCRIPTORS_LEAST:
        raise LocalError(
            f"the system lets this relay open only {soft} files and connections",
            f"raise the limit to {_DESCRIPTORS_LEAST} or more, for instance with ulimit -n",
        )
