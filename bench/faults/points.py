"""Hits copies of a tree, and looks at what is there afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.contenders import DIRECTIONS
from bench.faults.outcomes import NO_END, Outcome, Shot, draw
from bench.faults.tree import build, differences, missing_bytes, seen
from bench.faults.watching import Watcher
from bench.faults.wire import Wire
from bench.gimmal_rig import GIMMAL, Rig, Service, rig

END_SECONDS = 120.0
_LOOK_SECONDS = 0.001
_TRIES = 8
_GOES_ON = 60.0
"""Seconds for which a command waits for the other side where it is to go on by itself."""

_FULL_MEANS = (3, 4, 9)
_DISK_BYTES = 512 << 20


class TooLate(Exception):
    """The copy had ended before it was hit."""


class Range:
    """Where copies are hit: a pair, an agent that shares, a relay, wires in front of both, and a tree on each side.

    Args:
        made: the running pair; its relay is seen through ``relay_wire``.
        seed: of the trees.
        scale: of the trees.
    """

    def __init__(self, made: Rig, relay_wire: Wire, seed: int, scale: float) -> None:
        self._made = made
        self._relay_wire = relay_wire
        self._relay = made.relay
        self._home, self._away = made.folder / "home", made.folder / "away"
        self._agent, address = self._start_agent("127.0.0.1:0")
        self._address = address
        self._wire = Wire(int(address.rpartition(":")[2]))
        self._targets = {"download": self._away / "target", "upload": self._home / "target"}
        sources = {"download": self._home / "source" / "tree", "upload": self._away / "source" / "tree"}
        for number, direction in enumerate(DIRECTIONS):
            self._targets[direction].mkdir(parents=True)
            build(random.Random(seed + number), sources[direction], scale)
        self._sources = sources
        self._trees = {direction: seen(sources[direction]) for direction in DIRECTIONS}
        self._whole: dict[tuple[str, bool], int] = {}
        self.idle: dict[str, int] = {}
        """Bytes towards the target of a run that finds everything there already, by direction."""

    def summary(self) -> str:
        """What each direction copies."""
        told = []
        for direction in DIRECTIONS:
            names, data = len(self._trees[direction].entries), self._data(direction)
            told.append(f"{direction} {names} names with {data / 1e6:.1f} MB beside holes")
        return ", ".join(told)

    def close(self) -> None:
        """End the wire in front of the agent; the rig ends the rest."""
        self._wire.close()

    def measure(self) -> None:
        """Copy without any fault: how many bytes pass, and how many when nothing is to be done."""
        for direction in DIRECTIONS:
            for relayed in (False, True):
                wire = self._relay_wire if relayed else self._wire
                with self._target(direction) as target:
                    before = wire.passed
                    self._run(self._command(direction, relayed=relayed))
                    self._whole[direction, relayed] = wire.passed - before
                    wrong = differences(self._trees[direction], seen(target / "tree"))
                    assert not wrong, f"a copy without any fault is not the same as its source: {wrong[:3]}"
                    if not relayed:
                        before = self._towards(direction)
                        self._run(self._command(direction))
                        self.idle[direction] = self._towards(direction) - before

    def try_point(self, chance: random.Random, kind: str, direction: str) -> Outcome:
        """Hit one copy of a tree, run it once more, and look.

        Raises:
            TooLate: it ended before it could be hit, each time.
        """
        for _ in range(_TRIES):
            shot = draw(chance, kind, direction)
            size = int(self._data(direction) * min(0.95, max(0.02, shot.at))) if kind == "full" else 0
            with self._target(direction, size) as target, contextlib.suppress(TooLate):
                return self._try(shot, target)
        raise TooLate(f"{kind}, {direction}")

    def _try(self, shot: Shot, target: Path) -> Outcome:
        source = self._sources[shot.direction]
        relayed = shot.kind == "relay"
        wire = self._relay_wire if relayed else self._wire
        if relayed:
            self._wait_relayed()
        with Watcher(target / "tree", self._trees[shot.direction]) as watcher:
            before = wire.passed
            outcome = Outcome(shot.kind, shot.direction, shot.at, NO_END)
            try:
                outcome.first = code = self._hit(shot, wire)
            except subprocess.TimeoutExpired:
                code = NO_END
                outcome.remarks.append(f"the command did not end within {END_SECONDS:g} s")
            if code == 0:
                # Both sides dial the relay: what is relayed passes the wire in front of it twice.
                legs = 2 if relayed else 1
                outcome.beyond = (wire.passed - before - self._whole[shot.direction, relayed]) // legs
            watcher.look()
            if shot.kind == "full":
                self._resize(target, _DISK_BYTES)
            outcome.missing = missing_bytes(source, target / "tree")
            before = self._towards(shot.direction)
            try:
                again = self._run(self._command(shot.direction), check=False)
            except subprocess.TimeoutExpired:
                outcome.remarks.append(f"the run after it did not end within {END_SECONDS:g} s")
            else:
                if again.returncode:
                    outcome.remarks.append(f"the run after it ended with {again.returncode}: {again.stdout[-300:]!r}")
            outcome.again = self._towards(shot.direction) - before
            watcher.look()
        if shot.kind == "full" and code not in _FULL_MEANS:
            outcome.remarks.append(f"a full disk ended with {code}")
        if shot.goes_on and shot.kind in ("agent", "cut", "relay") and code:
            outcome.remarks.append(f"the command did not go on by itself but ended with {code}")
        there = seen(target / "tree")
        outcome.looked, outcome.incomplete = watcher.looked, watcher.incomplete
        outcome.wrong = differences(self._trees[shot.direction], there)
        outcome.part_files = there.part_files
        return outcome

    def _hit(self, shot: Shot, wire: Wire) -> int:
        """Begin a copy over a wire and hit it; its exit code."""
        relayed = shot.kind == "relay"
        goes_on = shot.goes_on and shot.kind != "command"
        command = self._command(shot.direction, relayed=relayed, wait=_GOES_ON if goes_on else 0.0)
        point = wire.passed + int(shot.at * self._whole[shot.direction, relayed])
        process = subprocess.Popen(
            command, env=self._made.environment("b"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            if shot.kind == "full":
                return process.wait(END_SECONDS)
            deadline = time.monotonic() + END_SECONDS
            while wire.passed < point and process.poll() is None and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
            time.sleep(shot.delay)
            if process.poll() is not None:
                raise TooLate
            if shot.kind == "command":
                process.kill()
                return process.wait()
            with self._broken(shot.kind):
                if goes_on:
                    time.sleep(shot.away)
                else:
                    process.wait(END_SECONDS)
            return process.wait(END_SECONDS)
        finally:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def _broken(self, kind: str) -> Iterator[None]:
        """Break something on the way for a while."""
        if kind == "agent":
            self._made.kill(self._agent)
            try:
                yield
            finally:
                self._agent, _address = self._start_agent(self._address)
        elif kind == "relay":
            port = self._relay_wire.target
            self._made.kill(self._relay)
            try:
                yield
            finally:
                self._relay, _url = self._made.start_relay(port)
        else:
            self._wire.cut()
            try:
                yield
            finally:
                self._wire.mend()

    def _start_agent(self, listen: str) -> tuple[Service, str]:
        self._home.mkdir(exist_ok=True)
        return self._made.agent("a", f"home={self._home}", listen=listen)

    def _wait_relayed(self) -> None:
        """Until the agent is at the relay again."""
        command = [GIMMAL, "ls", "--half", self._made.half("b"), "--path", "relayed"]
        deadline = time.monotonic() + END_SECONDS
        while self._run(command, check=False).returncode:
            assert time.monotonic() < deadline, "the agent does not come back to the relay"
            time.sleep(0.2)

    def _command(self, direction: str, *, relayed: bool = False, wait: float = 0.0) -> list[str]:
        way = ["--path", "relayed"] if relayed else ["--at", f"127.0.0.1:{self._wire.port}"]
        ends = [":home/source/tree", f"{self._targets['download']}/"]
        if direction == "upload":
            ends = [str(self._sources["upload"]), ":home/target/"]
        return [GIMMAL, "cp", "-r", "--json", "--half", self._made.half("b"), "--wait", f"{wait:g}", *way, *ends]

    def _run(self, command: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        environment = self._made.environment("b")
        return subprocess.run(command, env=environment, capture_output=True, timeout=END_SECONDS, check=check)

    def _towards(self, direction: str) -> int:
        """Bytes that went towards the target so far, by the wire in front of the agent."""
        return self._wire.down if direction == "download" else self._wire.up

    def _data(self, direction: str) -> int:
        return missing_bytes(self._sources[direction], self._targets[direction] / "nothing")

    @contextlib.contextmanager
    def _target(self, direction: str, size: int = 0) -> Iterator[Path]:
        """An empty target folder, on a disk of its own where there is a size; emptied afterwards."""
        target = self._targets[direction]
        if size:
            options = f"size={size},mode=755"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(target)], check=True)
        try:
            yield target
        finally:
            if size:
                subprocess.run(["umount", "-l", str(target)], check=True)
            for name in os.listdir(target):
                shutil.rmtree(target / name)

    def _resize(self, target: Path, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(target)], check=True)


@contextlib.contextmanager
def opened_range(folder: Path, seed: int, scale: float = 1.0) -> Iterator[Range]:
    """A range in a folder of its own below ``folder``; everything is stopped and removed at the end."""
    wires: list[Wire] = []

    def before_relay(url: str) -> str:
        port = url.partition("//")[2].partition("/")[0].partition("#")[0].rpartition(":")[2]
        wires.append(Wire(int(port)))
        return url.replace(f":{port}", f":{wires[0].port}", 1)

    with rig(folder, seen_as=before_relay) as made:
        there = Range(made, wires[0], seed, scale)
        try:
            there.measure()
            yield there
        finally:
            there.close()
            wires[0].close()


def may_mount() -> bool:
    """Whether small disks can be mounted here: only root may."""
    if os.getuid():
        return False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
        return probe.returncode == 0
    return False
