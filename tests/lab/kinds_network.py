"""An internet of the tests' own: a relay, two sites of given kinds, and lines with delay between them.

::

    computer - (routers of the kind) --- line, 5 ms --- internet --- line, 7.5 ms --- relay
                                                           |
                  computer - (routers) --- line, 5 ms -----+

The addresses outside are of the internet because gimmal and miniupnpd take no others for real; there is no route out of
these namespaces. Behind NATs both sites have the same private network, as most homes do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest
from bench.line import compile_emulator, run_emulator
from bench.ssh_rig import Missing

from tests.lab.kinds import RELAY_DELAY_MS, SITE_DELAY_MS, Kind
from tests.lab.kinds_routers import (
    PLACES,
    RELAY_NAME,
    Site,
    address4,
    address6,
    build,
    forward,
    one_network,
    reach,
)
from tests.lab.namespaces import Namespace, leftovers, namespaces

RATE, QUEUE = 1e9, 4 << 20
"""Bits a second of each line, and bytes that may wait in front of it."""


@dataclass
class Internet:
    """All of it.

    Attributes:
        home, guest: the sites; behind one router both have the same routers.
        relay: where the relay runs.
        hosts: a file that names the relay.
    """

    home: Site
    guest: Site
    relay: Namespace
    hosts: Path
    _relay_line: Popen[str]

    @property
    def naming(self) -> tuple[str, ...]:
        """Words in front of a command that let it find the relay by its name."""
        return ("unshare", "--mount", "sh", "-c", f'mount --bind {self.hosts} /etc/hosts && exec "$0" "$@"')

    def relay_bytes(self) -> int:
        """Bytes of IP packets on the relay's line so far, both directions."""
        assert self._relay_line.stdin is not None
        assert self._relay_line.stdout is not None
        print(file=self._relay_line.stdin, flush=True)
        numbers = [int(word) for word in self._relay_line.stdout.readline().split()]
        assert len(numbers) == 16, "the line's emulator has ended"
        return numbers[2] + numbers[10]


@contextmanager
def internet(home: Kind | None, guest: Kind | None, folder: Path) -> Iterator[Internet]:
    """Networks of these kinds; both None: one local network behind a NAT. Skips where there can be none.

    Args:
        home, guest: of each site.
        folder: for the settings of programs.
    """
    assert (home is None) == (guest is None)
    rooms = {
        place: kind.rooms if kind is not None else (("router", "computer") if place == "home" else ("computer",))
        for place, kind in (("home", home), ("guest", guest))
    }
    names = [f"{place} {room}" for place in rooms for room in rooms[place]]
    programs = {program for kind in (home, guest) if kind is not None for program in kind.programs}
    with ExitStack() as undo:
        middle, relay, *made = undo.enter_context(namespaces("internet", "relay", *names, also=sorted(programs)))
        by_name = dict(zip(names, made, strict=True))
        for namespace in (middle, relay, *made):
            _prepare(namespace)
        forward(middle)
        sites = [
            Site(place, kind, by_name[f"{place} computer"], [by_name[f"{place} {room}"] for room in rooms[place][:-1]])
            for place, kind in (("home", home), ("guest", guest))
        ]
        program = _emulator(undo)
        for site in sites:
            if site.kind is not None or site.place == "home":
                _lay(undo, program, middle, site.edge, site.place, SITE_DELAY_MS)
        line = _lay(undo, program, middle, relay, "relay", RELAY_DELAY_MS)
        reach(relay, "relay")
        hosts = folder / "hosts"
        lines = ("127.0.0.1 localhost", f"{address4('relay')} {RELAY_NAME}", f"{address6('relay')} {RELAY_NAME}")
        hosts.write_text("\n".join(lines) + "\n", encoding="ascii")
        made_internet = Internet(*sites, relay, hosts, line)
        if home is None:
            one_network(*sites)
        else:
            for site in sites:
                build(site, middle, made_internet.naming, folder)
        yield made_internet
    assert not leftovers()


def _emulator(undo: ExitStack) -> str:
    folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="gimmal-line-")))
    try:
        return compile_emulator(folder)
    except (Missing, FileNotFoundError) as exc:
        pytest.skip(f"no line with a delay can be made: {exc}")


def _prepare(namespace: Namespace) -> None:
    # Addresses of IPv6 may be used at once, not only after asking whether they are taken.
    namespace.run("sh", "-c", "for all in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$all; done")


def _lay(undo: ExitStack, program: str, middle: Namespace, end: Namespace, place: str, delay_ms: float) -> Popen[str]:
    """A line from the middle to one end, with addresses at the middle."""
    device = f"line{PLACES[place]}"
    figures = [delay_ms * 1e6, RATE, 0, QUEUE, 1]
    command = [program, middle.path, end.path, device, *(f"{int(number)}" for number in figures)]
    try:
        emulator = undo.enter_context(run_emulator(command))
    except Missing as exc:
        pytest.skip(str(exc))
    for namespace in (middle, end):
        namespace.run("ip", "link", "set", device, "mtu", "1500", "txqueuelen", "20000", "up")
    middle.run("ip", "address", "add", f"7.7.{PLACES[place]}.1/24", "dev", device)
    middle.run("ip", "address", "add", f"2a07:7777:{PLACES[place]}::1/64", "dev", device, "nodad")
    return emulator
