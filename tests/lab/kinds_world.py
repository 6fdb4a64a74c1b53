"""A pair whose halves are plugged in at two kinds of networks, and what is measured of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.endtoend.processes import Agent, Process, Relay
from tests.endtoend.world import Computer, World, digest, new_world, until, write_file
from tests.lab.kinds import SAME, Expected, Kind
from tests.lab.kinds_network import Internet, internet
from tests.lab.kinds_routers import RELAY_NAME, RELAY_PORT, Site

SIZE = 4 << 20
LIMIT = "2M"
"""Of the copies that go on while the session moves: they take two seconds."""


@dataclass(frozen=True)
class Measured:
    """What came of one pair.

    Attributes:
        home, guest: names of kinds, or ``same``.
        relay: whether it was there.
        expected, why: see ``kinds.Expected``.
        path: of the session of the two agents in the end.
        first_path: by which a guest without an agent listed.
        first_seconds: from the start of that command to its end.
        connected_seconds: from the start of the guest's agent until it had a session.
        best_seconds: the same until both agents had the best path.
        round_trip_ms: of that path.
        home_way, guest_way: in what each side's bytes to the relay travel; empty where none went there.
        relay_bytes: on the relay's line, everything counted, while ``copied`` bytes were copied after the move.
        copied: bytes.
        reasons: why no better path, as the guest's agent says it.
    """

    home: str
    guest: str
    relay: bool
    expected: str
    why: str
    path: str
    first_path: str
    first_seconds: float
    connected_seconds: float
    best_seconds: float
    round_trip_ms: float | None
    home_way: str
    guest_way: str
    relay_bytes: int
    copied: int
    reasons: dict[str, str]


@dataclass
class KindsWorld:
    """A joined pair in these networks, and its relay; no agent runs yet."""

    world: World
    internet: Internet
    expected: Expected
    with_relay: bool

    def agent(self, computer: Computer, site: Site, folder: Path) -> Agent:
        return self.world.up(computer, folder, listen=None, environment=site.environment, ready=False)

    def measure(self) -> Measured:
        """Plug in at home, list from the guest, plug in there, and copy while the session moves."""
        world = self.world
        shared, mine = world.a.folder("shared"), world.b.folder("mine")
        film, letter = write_file(shared / "film", SIZE, seed=1), write_file(mine / "letter", SIZE, seed=2)
        home = self._plug_in_at_home(shared)
        listed = world.run(world.b, "ls", ":", environment=self.internet.guest.environment)
        assert listed.lines == ["shared/"]
        first_path = home.wait_line("used: ").rpartition(", ")[2]

        began = time.monotonic()
        guest = self.agent(world.b, self.internet.guest, mine)
        guest.wait_ready()
        copies = [
            self._copy("--limit", LIMIT, ":shared/film", mine),
            self._copy("--limit", LIMIT, letter, ":shared"),
        ]
        until(lambda: self._status("b")["connected"], "a session", every=0.01)
        connected = time.monotonic()
        for side in "ba":
            self._wait_for_best(side)
        best = time.monotonic()
        for copy in copies:
            copied = copy.wait()
            assert copied.code == 0, str(copied)
        assert digest(mine / "film") == digest(film)
        assert digest(shared / "letter") == digest(letter)

        passed = self.internet.relay_bytes()
        after = self._copy(":shared/film", mine / "again").wait()
        assert after.code == 0, str(after)
        passed = self.internet.relay_bytes() - passed
        assert digest(mine / "again") == digest(film)
        statuses = {side: self._status(side) for side in "ab"}
        assert home.err == guest.err == ""
        ways = {side: way_of(status) if self.with_relay else "" for side, status in statuses.items()}
        home_kind, guest_kind = self.internet.home.kind, self.internet.guest.kind
        return Measured(
            home=home_kind.name if home_kind is not None else SAME,
            guest=guest_kind.name if guest_kind is not None else SAME,
            relay=self.with_relay,
            expected=self.expected.path,
            why=self.expected.why,
            path=statuses["b"]["path"],
            first_path=first_path,
            first_seconds=round(listed.seconds, 3),
            connected_seconds=round(connected - began, 3),
            best_seconds=round(best - began, 3),
            round_trip_ms=statuses["b"]["round_trip_ms"],
            home_way=ways["a"],
            guest_way=ways["b"],
            relay_bytes=passed,
            copied=SIZE,
            reasons=statuses["b"]["why_not"],
        )

    def copied_without_agent(self) -> str:
        """Copy from home by a command alone; the path that it had in the end."""
        shared, mine = self.world.a.folder("shared"), self.world.b.folder("mine")
        film = write_file(shared / "film", 2 * SIZE)
        self._plug_in_at_home(shared)
        copied = self._copy("--json", "--limit", LIMIT, ":shared/film", mine).wait()
        assert copied.code == 0, str(copied)
        assert digest(mine / "film") == digest(film)
        path: str = copied.object["path"]
        return path

    def _plug_in_at_home(self, shared: Path) -> Agent:
        """As it has been for a while when the guest comes."""
        home = self.agent(self.world.a, self.internet.home, shared)
        home.wait_ready()
        if self.with_relay:
            self.world.relay_sees(home, self.world.a)
        kind = self.internet.home.kind
        if kind is not None and "miniupnpd" in kind.programs:
            home.wait_line("port mapping: ")
        return home

    def _copy(self, *words: str | Path) -> Process:
        started: Process = self.world.start(self.world.b, "cp", *words, environment=self.internet.guest.environment)
        return started

    def _status(self, side: str) -> dict[str, Any]:
        return self.world.agent_status(self.world.a if side == "a" else self.world.b)

    def _path(self, side: str) -> str:
        found: str = self._status(side)["path"]
        return found

    def _wait_for_best(self, side: str) -> None:
        try:
            until(lambda: self._path(side) == self.expected.path, self.expected.path, every=0.01)
        except AssertionError as exc:
            told = {one: {name: self._status(one)[name] for name in ("path", "why_not")} for one in "ab"}
            raise AssertionError(f"{exc}, for {self.expected.why}; {told}") from None


def way_of(status: dict[str, Any]) -> str:
    """In what the bytes to the only relay travel."""
    (relay,) = status["relays"]
    way: str = relay["way"]
    return way


@contextmanager
def kinds_world(
    home: Kind | None, guest: Kind | None, expected: Expected, folder: Path, *, relay: bool = True
) -> Iterator[KindsWorld]:
    """See ``kinds_network.internet``; where ``relay`` is False it drops every packet from the joining on."""
    with internet(home, guest, folder) as made, new_world() as world:
        for computer, site in ((world.a, made.home), (world.b, made.guest)):
            computer.inside = (*site.computer.words(), *made.naming)
            computer.lan = True
        middle = Computer(world.base / "r", "relay")
        middle.inside = (*made.relay.words(), *made.naming)
        words = ("--listen", f"[::]:{RELAY_PORT}", "--name", RELAY_NAME, "--state", world.base / "relay")
        started: Relay = world.start(middle, "relay", *words, kind=Relay)
        started.wait_ready()
        world.relay = started
        world.pair()
        if not relay:
            silence = "table inet off { chain input { type filter hook input priority 0; policy drop; }\n}\n"
            made.relay.run("nft", "-f", "-", stdin=silence)
        yield KindsWorld(world, made, expected, relay)
        # Ended while their networks are there.
        for process in reversed(world.processes):
            process.stop()


def keep(measured: Measured) -> None:
    """Append what was measured to the file that GIMMAL_PATHS names; without it do nothing."""
    path = os.environ.get("GIMMAL_PATHS")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(measured)) + "\n")
