"""A world with an agent at home, and the file system of ``gimmal://`` in the tests' own process."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gimmal.frontends.fsspec.file_system import GimmalFileSystem
from gimmal.transport.link import Link
from tests.endtoend.world import Plugged, new_world, plug_in, until

_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def settled() -> Iterator[None]:
    """Sessions of file systems that nobody has any more end by themselves: before another test counts sockets."""
    yield
    gc.collect()
    for link in _open_links():
        if link._loop.is_closed():
            link._socket.close()  # what a loop that ended without a word leaves to the collector
    until(lambda: all(link._loop.is_closed() for link in _open_links()), "all links to end")


def _open_links() -> list[Link]:
    return [one for one in gc.get_objects() if type(one) is Link and not one.over]


@pytest.fixture(scope="module")
def home() -> Iterator[Plugged]:
    """Relay, pair, the agent of a; the tests of a module are computer b, whose half is named in the environment."""
    with new_world() as world:
        plugged = plug_in(world)
        world.relay_sees(plugged.agent_a, world.a)
        given = world.b.environment
        before = {name: os.environ.get(name) for name in given}
        os.environ.update({name: given[name] for name in given if name.startswith(("XDG_", "GIMMAL_"))})
        try:
            yield plugged
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            for fs in list(GimmalFileSystem._cache.values()):
                fs.close()
            GimmalFileSystem.clear_instance_cache()


@dataclass
class Place:
    """A folder of one test in what computer a shares."""

    fs: GimmalFileSystem
    far: Path
    path: str
    """The same as the file system names it."""

    def url(self, name: str = "") -> str:
        return f"gimmal://{self.path}" + (f"/{name}" if name else "")

    def at(self, name: str) -> str:
        return f"{self.path}/{name}"


@pytest.fixture
def place(home: Plugged) -> Place:
    name = f"place{next(_numbers)}"
    far = home.shared / name
    far.mkdir()
    return Place(GimmalFileSystem(), far, f"shared/{name}")
