"""Copies of a tree that are hit at random points: a sample of what `make faults` reports, and that it sees faults."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.contenders import DIRECTIONS
from bench.faults.document import document
from bench.faults.outcomes import KINDS, Outcome
from bench.faults.points import Range, may_mount, opened_range
from bench.faults.tree import PART_PREFIX, build, differences, missing_bytes, seen
from bench.faults.watching import Watcher
from bench.faults.wire import Wire

from tests.endtoend.world import FULL
from tests.figures import figure

SEED = 20
POINTS = 40 if FULL else 1


@pytest.fixture(name="there", scope="module")
def _there() -> Iterator[Range]:
    with tempfile.TemporaryDirectory(prefix="gm-", dir="/tmp") as folder, opened_range(Path(folder), SEED, 0.1) as made:
        yield made


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    build(random.Random(SEED), tmp_path / "tree", 0.1)
    return tmp_path / "tree"


@pytest.mark.campaign
@pytest.mark.timeout(3600 if FULL else 900)
@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_after_one_more_run_the_trees_are_equal(there: Range, number: int) -> None:
    kind = KINDS[number]
    if kind == "full" and not may_mount():
        pytest.skip("only root can mount a small disk")
    outcomes = []
    for point in range(POINTS):
        direction = DIRECTIONS[(number + point) % 2]
        outcomes.append(there.try_point(random.Random(f"{SEED} {kind} {point}"), kind, direction))
    bad = [outcome for outcome in outcomes if not outcome.good]
    figure(f"tree copies hit ({kind}), {len(outcomes)} points: files wrong", sum(len(one.wrong) for one in bad), "0")
    figure(f"tree copies hit ({kind}): incomplete under a final name", sum(len(one.incomplete) for one in bad), "0")
    assert not bad
    assert all(outcome.looked for outcome in outcomes)


def copy_of(tree: Path) -> Path:
    """The tree again, beside it, with everything that it has."""
    target = tree.parent / "copy" / "tree"
    target.parent.mkdir()
    subprocess.run(["cp", "-a", "--sparse=always", str(tree), str(target)], check=True)
    return target


class TestTheseTests:
    """They must be able to fail."""

    def test_a_copy_that_is_equal_is_found_equal(self, tree: Path) -> None:
        assert differences(seen(tree), seen(copy_of(tree))) == []

    @pytest.mark.parametrize("damage", ["byte", "mode", "time", "name", "more", "link", "hard link", "attribute"])
    def test_a_copy_that_differs_is_found(self, tree: Path, damage: str) -> None:
        copy = copy_of(tree)
        wanted = seen(tree)
        entries = wanted.entries.items()
        place = next(name for name, one in entries if one.kind == "file" and one.size and one.first == name)
        path = copy.parent / place
        before = path.stat()
        if damage == "byte":
            with path.open("r+b") as file:
                byte = file.read(1)
                file.seek(0)
                file.write(bytes([byte[0] ^ 1]))
        elif damage == "mode":
            path.chmod(before.st_mode ^ 0o100)
        elif damage == "time":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        elif damage == "name":
            path.unlink()
        elif damage == "more":
            (copy / "more").touch()
        elif damage == "link":
            link = copy.parent / next(name for name, one in entries if one.kind == "link")
            link.unlink()
            link.symlink_to("elsewhere")
        elif damage == "hard link":
            name = next(name for name, one in entries if one.kind == "file" and one.first != name)
            content = (copy.parent / name).read_bytes()
            (copy.parent / name).unlink()
            (copy.parent / name).write_bytes(content)
        else:
            name = next(name for name, one in entries if one.kind == "file" and one.attributes)
            os.removexattr(copy.parent / name, "user.note")
        assert differences(wanted, seen(copy))

    @pytest.mark.parametrize("damage", ["short", "other", "foreign"])
    def test_an_incomplete_final_name_is_seen(self, tree: Path, damage: str) -> None:
        copy = copy_of(tree)
        wanted = seen(tree)
        path = copy.parent / next(name for name, one in wanted.entries.items() if one.kind == "file" and one.size > 100)
        with Watcher(copy, wanted) as watcher:
            watcher.look()
            assert watcher.incomplete == []
            assert watcher.looked
            if damage == "short":
                os.truncate(path, 10)
            elif damage == "other":
                path.write_bytes(bytes(path.stat().st_size))
            else:
                (copy / "foreign").touch()
            watcher.look()
            # It may be met while it is being written, too.
            assert len({one.partition(": ")[0] for one in watcher.incomplete}) == 1

    def test_part_files_are_no_final_names(self, tree: Path) -> None:
        copy = copy_of(tree)
        wanted = seen(tree)
        (copy / f"{PART_PREFIX}{'0' * 24}").touch()
        with Watcher(copy, wanted) as watcher:
            watcher.look()
        assert watcher.incomplete == []
        assert seen(copy).part_files == 1

    def test_bytes_are_missing_until_they_are_there(self, tree: Path, tmp_path: Path) -> None:
        copy = copy_of(tree)
        assert missing_bytes(tree, copy) == 0
        everything = missing_bytes(tree, tmp_path / "nothing")
        firsts = [one.size for name, one in seen(tree).entries.items() if one.first == name]
        assert 0 < everything < sum(firsts), "holes do not count"
        path = copy / "big"
        (tree / "big").write_bytes(random.Random(1).randbytes(9 << 20))
        assert missing_bytes(tree, copy) == 9 << 20
        # A part file that holds the first block and a half.
        (path.parent / f"{PART_PREFIX}{'1' * 24}").write_bytes((tree / "big").read_bytes()[: 6 << 20])
        assert missing_bytes(tree, copy) == 5 << 20

    def test_a_report_names_what_was_wrong(self) -> None:
        good = Outcome("cut", "upload", 0.5, 8, looked=7, missing=1000, again=1500)
        bad = Outcome(
            "agent", "download", 0.5, 0, incomplete=["tree/x: 1 bytes of 2"], wrong=["tree/y: gone"], beyond=70
        )
        text = document([good, bad], 1, {"download": 100, "upload": 100}, {"seed": "20"}, ["full: not here"])
        flat = " ".join(text.split())
        assert "| points tried | 2 |" in flat
        assert "| files wrong after one more run | 1 |" in flat
        assert "| bytes sent again, in all | 470 |" in flat
        assert "- agent, download: tree/x: 1 bytes of 2" in text
        assert "- full: not here" in text


class TestWire:
    def test_it_counts_and_cuts_and_mends(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            wire = Wire(server.getsockname()[1])
            try:
                self._talk(wire, server)
                assert (wire.up, wire.down) == (5, 6)
                near, far = self._connected(wire, server)
                wire.cut()
                for end in (near, far):
                    with end, pytest.raises(OSError, match="reset"):
                        end.settimeout(10)
                        assert end.recv(1) == b"", "it was not cut"
                        raise ConnectionResetError("connection reset by an orderly end")
                wire.mend()
                self._talk(wire, server)
            finally:
                wire.close()

    @staticmethod
    def _connected(wire: Wire, server: socket.socket) -> tuple[socket.socket, socket.socket]:
        taken: list[socket.socket] = []
        taking = threading.Thread(target=lambda: taken.append(server.accept()[0]))
        taking.start()
        near = socket.create_connection(("127.0.0.1", wire.port), 10)
        taking.join(10)
        near.sendall(b"x")
        assert taken[0].recv(1) == b"x"
        return near, taken[0]

    def _talk(self, wire: Wire, server: socket.socket) -> None:
        near, far = self._connected(wire, server)
        with near, far:
            near.sendall(b"four")
            assert far.recv(4, socket.MSG_WAITALL) == b"four"
            far.sendall(b"answer")
            assert near.recv(6, socket.MSG_WAITALL) == b"answer"
