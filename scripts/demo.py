"""The main job of gimmal on real files: join, plug in, list, copy both ways by both paths, unplug.

    python scripts/demo.py [--small] [--size BYTES] [--scratch DIR]

Ends with ``demo: ok`` and exit code 0, or says what failed and exits with 1. Needs no root and no network, starts
real processes of the installed command, checks every byte with SHA-256, and stops and removes all that it made.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from demo_computers import Computer
from demo_material import Contents, contents_of, copy_library, library_size, write_film
from demo_output import Output, size_text
from demo_process import SIGNALS, DemoFailure, Finished, Running, Stopped

FILM_SIZE = 1 << 30
SMALL_FILM_SIZE = 24 << 20
START_SECONDS = 30.0
UNPLUG_GOAL_SECONDS = 1.0
UNPLUG_MOST_SECONDS = 3.0
ROOM_TO_SPARE = 128 << 20


@dataclass(frozen=True)
class Copied:
    """One copy, measured from the start of its command to the end."""

    what: str
    direction: str
    path: str
    contents: Contents
    seconds: float

    def cells(self) -> list[str]:
        """A row of the table."""
        size = self.contents.size
        return [
            self.what,
            self.direction,
            self.path,
            f"{self.contents.files:,}",
            size_text(size),
            f"{self.seconds:.2f} s",
            f"{size / self.seconds / 1e6:,.0f}",
            f"{self.contents.files / self.seconds:,.0f}" if self.contents.files > 1 else "",
            "identical",
        ]


class Demo:
    """The steps, in order.

    Args:
        scratch: folder for the files; emptied by the caller.
        private: folder with a short path for what the programs keep.
        film_size: bytes of the one large file.
        small: share a part of the standard library only.
    """

    def __init__(self, scratch: Path, private: Path, film_size: int, small: bool, output: Output) -> None:
        self._output = output
        self._film_size = film_size
        self._small = small
        self._running: list[Running] = []
        self._scratch = scratch
        self._home = Computer("home", scratch / "home", private / "h", output, self._running)
        self._away = Computer("away", scratch / "away", private / "a", output, self._running)
        self._somewhere = Computer("server", scratch / "server", private / "s", output, self._running)
        self._material: dict[str, Contents] = {}
        self._copies: list[Copied] = []

    def run(self) -> None:
        """Show everything; raises DemoFailure with what does not work."""
        self._make_material()
        url = self._start_relay()
        self._join(url)
        home_agent, away_agent = self._plug_in()
        self._list()
        for path, title in (("relayed", "through the relay"), ("direct", "directly")):
            self._copy_both_ways(path, title)
        self._unplug(home_agent, away_agent)
        self._output.heading("All copies")
        titles = ["what", "direction", "path", " files", " size", " time", " MB/s", " files/s", "SHA-256"]
        self._output.table(titles, [copied.cells() for copied in self._copies])

    def stop(self) -> None:
        """Stop every program that still runs."""
        while self._running:
            self._running.pop().stop()

    # Steps -----------------------------------------------------------------------------------------------------------

    def _make_material(self) -> None:
        self._output.heading("Real files")
        self._require_room()
        library, film = self._home.folder / "library", self._home.folder / "films"
        library.mkdir()
        film.mkdir()
        copy_library(library / "python", self._small)
        write_film(film / "film.bin", self._film_size)
        for name, path in (("python", library / "python"), ("film.bin", film / "film.bin")):
            self._material[name] = contents_of(path)
        tree, one = self._material["python"], self._material["film.bin"]
        version = platform.python_version()
        self._output.line(
            f"library/python   the standard library of Python {version}: "
            f"{tree.files:,} files in {tree.folders:,} folders, {size_text(tree.size)}"
        )
        self._output.line(f"films/film.bin   one file of pseudo-random bytes, {size_text(one.size)}")

    def _require_room(self) -> None:
        needed = 3 * (self._film_size + library_size()) + ROOM_TO_SPARE
        free = shutil.disk_usage(self._scratch).free
        if free < needed:
            raise DemoFailure(
                f"the disk of {self._scratch} has {size_text(free)} free and the demo needs {size_text(needed)}: "
                "make room, or use --scratch DIR on another disk, or --size BYTES"
            )

    def _start_relay(self) -> str:
        self._output.heading("A relay, on some server")
        relay = self._somewhere.start("relay", "--listen", "127.0.0.1:0", "--state", "relay-state")
        line = relay.wait_for("relay: ", START_SECONDS)[1]
        self._output.said(line)
        return line.removeprefix("relay: ")

    def _join(self, url: str) -> None:
        self._output.heading("Join two halves, once, on one computer; carry one of them to the other computer")
        for name in ("half", "stick"):
            (self._home.folder / name).mkdir()
        joined = self._home.run("pair", "half", "stick", "--name", "demo", "--relay", url, "--no-password")
        self._output.said(joined.printed)
        (self._home.folder / "stick").rename(self._away.folder / "stick")

    def _plug_in(self) -> tuple[Running, Running]:
        self._output.heading('Plug in, on two "computers"')
        for folder in (self._home.folder / "returned", self._away.folder / "desk"):
            folder.mkdir()
        here = ("--listen", "127.0.0.1:0")
        shares = ("--share", "library:ro", "--share", "films:ro", "--share", "returned:rw")
        home = self._home.start("up", "--half", "half", *shares, *here)
        home.wait_for("ready: ", START_SECONDS)
        self._output.said(home.output())
        away = self._away.start("up", "--half", "stick", "--share", "desk", *here)
        away.wait_for("connected: ", START_SECONDS)
        self._output.said(away.output())
        home.wait_for("connected: ", START_SECONDS)
        return home, away

    def _list(self) -> None:
        self._output.heading("List the other side")
        shares = self._away.run("ls", "--half", "stick", ":")
        self._output.said(shares.printed)
        self._output.line(f"from the start of the command to the first line: {shares.first_seconds * 1000:.0f} ms")
        self._expect("the shares of home", set(shares.printed.split()), {"library/", "films/", "returned/"})
        film = self._away.run("ls", "-l", "--half", "stick", ":films")
        self._output.said(film.printed)
        tree = self._away.run("tree", "--half", "stick", ":library/python")
        lines = tree.printed.splitlines()
        self._output.said("\n".join(lines[:3]))
        self._output.said(f"... {len(lines):,} entries in {tree.seconds:.2f} s")
        entries = self._material["python"].entries.items()
        names = {path + ("/" if entry.kind == "folder" else "") for path, entry in entries if path}
        self._expect("the names of library/python", set(lines), names)
        other = self._home.run("ls", "--half", "half", ":")
        self._output.said(other.printed)
        self._expect("the shares of away", set(other.printed.split()), {"desk/"})
        self._output.good("every name is there, and home sees the shares of away too")

    def _expect(self, what: str, got: set[str], wanted: set[str]) -> None:
        if got != wanted:
            raise DemoFailure(
                f"{what} are wrong: missing {sorted(wanted - got)[:5]}, too much {sorted(got - wanted)[:5]}"
            )

    def _copy_both_ways(self, path: str, title: str) -> None:
        self._output.heading(f"Copy to the other computer and back, {title}")
        desk, returned = self._away.folder / "desk", self._home.folder / "returned"
        way = ("--half", "stick", "--path", path)
        for name, source in (("python", ":library/python"), ("film.bin", ":films/film.bin")):
            finished = self._away.copy("-r", *way, source, "desk/")
            self._check(name, "home to away", path, finished, desk / name)
        for name in ("python", "film.bin"):
            finished = self._away.copy("-r", *way, f"desk/{name}", ":returned/")
            self._check(name, "and back", path, finished, returned / name)
        for folder in (desk, returned):
            shutil.rmtree(folder / "python")
            (folder / "film.bin").unlink()

    def _check(self, name: str, direction: str, path: str, finished: Finished, copy: Path) -> None:
        if f", {path}" not in finished.said:
            raise DemoFailure(f"the copy did not go {path}: {finished.said.strip()}")
        wanted, got = self._material[name], contents_of(copy)
        differences = wanted.differences(got)
        if differences:
            shown = "\n".join(differences[:10])
            raise DemoFailure(f"{name} was not copied exactly ({len(differences):,} differences):\n{shown}")
        copied = Copied(name, direction, path, wanted, finished.seconds)
        self._copies.append(copied)
        kind = f"all {wanted.files:,} files are" if wanted.files > 1 else "every byte is"
        self._output.good(f"{kind} the same, names, modes and times too (SHA-256 {got.digest[:16]}...)")

    def _unplug(self, home: Running, away: Running) -> None:
        self._output.heading("Unplug")
        self._output.command("away", ["rm", "-r", "stick/GIMMAL"])
        pulled = time.monotonic()
        shutil.rmtree(self._away.folder / "stick" / "GIMMAL")
        gone, line = away.wait_for("unplugged: ", UNPLUG_MOST_SECONDS)
        heard, other = home.wait_for("disconnected: ", UNPLUG_MOST_SECONDS)
        ended, code = away.wait_end(UNPLUG_MOST_SECONDS)
        rows = [
            ["away", f"{gone - pulled:.2f} s", line],
            ["away", f"{ended - pulled:.2f} s", f"the program has ended, exit code {code}"],
            ["home", f"{heard - pulled:.2f} s", other],
        ]
        self._output.table(["computer", " after", "what happened"], rows)
        latest = max(gone, heard) - pulled
        if latest > UNPLUG_GOAL_SECONDS:
            raise DemoFailure(f"the session ended after {latest:.2f} s, not within {UNPLUG_GOAL_SECONDS:g} s")
        for computer, half in ((self._home, "half"), (self._away, "stick")):
            asked = computer.run("ls", "--half", half, ":", expect=None)
            self._output.said(asked.said)
            if asked.code == 0 or "error: " not in asked.said:
                raise DemoFailure(f"{computer.name} still reaches the other side after it was unplugged")
        self._output.good(f"the session ended on both sides within {latest:.2f} s, nothing can be reached any more")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few hundred files and one of 24 MiB")
    parser.add_argument("--size", type=int, metavar="BYTES", help="size of the one large file (1 GiB)")
    parser.add_argument("--scratch", type=Path, default=Path(), metavar="DIR", help="where to work (this folder)")
    return parser.parse_args()


def main() -> int:
    """Run the demo; returns its exit code."""
    arguments = _arguments()
    SIGNALS.watch()
    os.umask(0o022)
    size = arguments.size if arguments.size is not None else SMALL_FILM_SIZE if arguments.small else FILM_SIZE
    output = Output()
    started = time.monotonic()
    output.write("gimmal: two halves, two computers, one relay, all of them processes on this machine")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="gimmal-demo-", dir=arguments.scratch.resolve()) as scratch,
            tempfile.TemporaryDirectory(prefix="gimmal-") as private,
        ):
            output.write(f"scratch folder {scratch}, removed at the end")
            demo = Demo(Path(scratch), Path(private), size, arguments.small, output)
            try:
                demo.run()
            finally:
                demo.stop()
    except DemoFailure as failure:
        output.write()
        output.bad(str(failure))
        output.write("demo: failed")
        return 1
    except Stopped as stopped:
        output.write()
        output.write("demo: stopped; everything it started has ended, the scratch folder is gone")
        return 128 + stopped.number
    except OSError as error:
        output.bad(f"this computer: {error}")
        output.write("demo: failed")
        return 1
    output.write()
    output.line(
        f"{time.monotonic() - started:.0f} s in all; every program has been stopped, the scratch folder is gone"
    )
    output.write("demo: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
