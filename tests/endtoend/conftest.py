"""Worlds for tests: one of a test's own, and those that the tests of a module share."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend.processes import Process, Result
from tests.endtoend.world import Plugged, World, new_world, plug_in

_numbers = itertools.count()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell ignores it for what it starts in the background, and so would everything that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def world() -> Iterator[World]:
    with new_world() as made:
        yield made


@pytest.fixture
def plugged(world: World) -> Plugged:
    """A world of the test's own: relay, pair, the agent of a."""
    return plug_in(world)


@pytest.fixture(scope="module")
def shared_world() -> Iterator[Plugged]:
    """Relay, pair, the agent of a; used by all tests of a module, each in folders of its own."""
    with new_world() as made:
        yield plug_in(made)


@dataclass
class Desk:
    """Where one test works: a folder on each side of a world that others use too."""

    plugged: Plugged
    far: Path
    """A folder in what computer a shares."""
    near: Path
    """A folder on computer b, where its commands run."""

    @property
    def world(self) -> World:
        return self.plugged.world

    def at(self, name: str = "") -> str:
        """The far folder, or what is in it, as computer b names it."""
        return f":shared/{self.far.name}" + (f"/{name}" if name else "")

    def run(self, *arguments: str | Path, **more: Any) -> Result:
        """Run a command on computer b."""
        return self.world.run(self.world.b, *arguments, directory=self.near, **more)

    def start(self, *arguments: str | Path, **more: Any) -> Process:
        process: Process = self.world.start(self.world.b, *arguments, directory=self.near, **more)
        return process

    def json(self, *arguments: str | Path, **more: Any) -> list[dict[str, Any]]:
        return self.run(*arguments, "--json", **more).objects


def desk_in(plugged: Plugged) -> Desk:
    name = f"desk{next(_numbers)}"
    far, near = plugged.shared / name, plugged.mine / name
    far.mkdir()
    near.mkdir()
    return Desk(plugged, far, near)


@pytest.fixture
def desk(shared_world: Plugged) -> Desk:
    return desk_in(shared_world)
