"""--verify as a person uses it: with an agent and without, small and large files, and a disk that rots."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.endtoend.world import World, new_world
from tests.rotten_disk import RottenDisk, rotten_disk

SIZES = {"small": 5_000, "large": 9_000_007}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RottenDisk]:
    with rotten_disk(tmp_path_factory.mktemp("disk")) as made:
        yield made


@pytest.fixture(scope="module")
def world(disk: RottenDisk) -> Iterator[World]:
    """``:shared`` lies on the disk that rots; nothing here runs an agent on b."""
    with new_world() as made:
        made.start_relay()
        made.pair()
        agent = made.up(made.a, f"shared={disk.folder}")
        made.relay_sees(agent, made.a)
        yield made


def made_tree(world: World, name: str) -> None:
    """A folder on computer b with bytes that no other has: a byte that is to rot is found by those around it."""
    for file, size in SIZES.items():
        (world.b.folder(name) / file).write_bytes(random.Random(f"{name} {file}").randbytes(size))


def test_what_rots_after_copying_is_found_by_the_next_run(world: World, disk: RottenDisk) -> None:
    made_tree(world, "tree")
    up = world.run(world.b, "cp", "-r", "--verify", "tree", ":shared/copy")
    assert "2 read again and good" in up.err
    (report,) = world.json(world.b, "cp", "-r", "--verify", "tree/.", ":shared/copy")
    assert (report["skipped"], report["verified"]) == (2, 2)
    for name in SIZES:
        disk.rot(disk.folder / "copy" / name, 4_000)
    bad = world.run(world.b, "cp", "-r", "--verify", "tree/.", ":shared/copy", code=4)
    assert "failed: :shared/copy/large: it was there with the same size and time, but its bytes are others" in bad.err
    one = world.run(world.b, "cp", "--verify", "tree/small", ":shared/copy/small", code=4)
    assert "hint: check that disk, remove the file there, and copy it again" in one.err
    without = world.run(world.b, "cp", "-r", "tree/.", ":shared/copy")
    assert "2 already there" in without.err
    # The other way the bad disk is the source's: what is there here is right, and is called other all the same.
    back = world.run(world.b, "sync", "--verify", ":shared/copy", "tree", code=4)
    assert back.err.count("failed: ") == 2


def test_an_agent_passes_the_questions_on(world: World) -> None:
    made_tree(world, "other")
    agent = world.up(world.b, listen=None)
    world.relay_sees(agent, world.b)
    (report,) = world.json(world.b, "cp", "-r", "--verify", "other", ":shared/by-agent")
    assert (report["files"], report["verified"]) == (2, 2)
    (report,) = world.json(world.b, "sync", "--verify", ":shared/by-agent", "back")
    assert (report["files"], report["verified"]) == (2, 2)
    agent.stop()


def test_a_dry_run_that_would_compare_nothing_is_refused(world: World) -> None:
    for words in (("cp", "-r"), ("sync",)):
        result = world.run(world.b, *words, "--verify", "--dry-run", "tree", ":shared/dry", code=2)
        assert result.err.splitlines()[-1].startswith("hint: --verify alone compares")
