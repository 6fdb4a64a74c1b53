"""The behaviour suite over each front end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endtoend.mounting import MISSING, mounted
from tests.endtoend.world import new_world, plug_in
from tests.frontends.behaviour import Behaviour, Front
from tests.frontends.dav.drive import Client, dav_client
from tests.frontends.dav.front import DavFront
from tests.frontends.os_front import OsFront
from tests.frontends.tree_front import running_tree

_numbers = itertools.count()


class TestPlainFolder(Behaviour):
    """No front end at all: what the suite asks is what a file system does."""

    @pytest.fixture
    def front(self, tmp_path: Path) -> Front:
        return OsFront(tmp_path, tmp_path)


class TestTree(Behaviour):
    """The tree of open files, under all front ends."""

    @pytest.fixture
    def front(self, tmp_path: Path) -> Iterator[Front]:
        with running_tree(tmp_path) as front:
            yield front


@pytest.fixture(scope="module")
def folders_of_a_mount() -> Iterator[tuple[Path, Path]]:
    with new_world() as world:
        plugged = plug_in(world)
        with mounted(world, world.b) as (folder, _process):
            yield plugged.shared, folder / "shared"


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
class TestMount(Behaviour):
    """``gimmal mount``, by system calls."""

    @pytest.fixture
    def front(self, folders_of_a_mount: tuple[Path, Path]) -> Front:
        home, here = folders_of_a_mount
        name = f"test{next(_numbers)}"
        (home / name).mkdir()
        front = OsFront(home / name, here / name)
        front.arrived("")
        return front


@pytest.fixture(scope="module")
def folder_of_a_drive() -> Iterator[tuple[Path, Client]]:
    with new_world() as world:
        plugged = plug_in(world)
        with dav_client(world, world.b) as client:
            yield plugged.shared, client


class TestDav(Behaviour):
    """``gimmal dav``, by HTTP."""

    @pytest.fixture
    def front(self, folder_of_a_drive: tuple[Path, Client]) -> Front:
        home, client = folder_of_a_drive
        name = f"test{next(_numbers)}"
        (home / name).mkdir()
        front = DavFront(home / name, client, f"/shared/{name}")
        front.arrived("")
        return front
