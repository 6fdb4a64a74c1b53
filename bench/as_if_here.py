"""The other side's files as if they were here, against sshfs and rclone mount on the same line."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.copying import Wish
from bench.gimmal_rig import GIMMAL, Inside, here, rig
from bench.line import Line, line
from bench.material import many_files, random_file
from bench.mount_probe import CHANGED, DOCUMENT, LARGE, REPOSITORY, TREE
from bench.mounts import RCLONE_OPTIONS, Shower, showers
from bench.planning import RUNS
from bench.report import Goal, Report, Spread, Table, spread
from bench.rows import ROUND_TRIP_SECONDS
from bench.ssh_rig import Missing, Ssh, sshd

EDIT = "edit"
"""The one work that is not done in a mount."""

_SECONDS = 900
_RANDOM_READS = 50
_CHANGES = 2
_HEADERS = ["place", "what", "gimmal", "sshfs", "rclone", "sshfs / gimmal", "rclone / gimmal"]
_PEERS = ("sshfs", "rclone")
_PAYLOAD = 1448 / 1500
"""What TCP carries of a full packet."""


@dataclass(frozen=True)
class _Work:
    """What one process does in a folder that was just mounted.

    Attributes:
        probe: as bench.mount_probe has it.
        words: further arguments.
        peer_runs: how often the others do it, where the goal is no comparison with them.
        make: puts into the home folder what it needs and is not there; takes the part of the work.
    """

    probe: str
    make: Callable[[Path, float], None]
    words: tuple[str, ...] = ()
    peer_runs: int = RUNS


def _large(size: int) -> Callable[[Path, float], None]:
    def make(home: Path, part: float) -> None:
        if not (home / LARGE).exists():
            random_file(size)(home / "made", part).path.rename(home / LARGE)
            (home / "made").rmdir()

    return make


def _tree(home: Path, part: float) -> None:
    """10,000 entries below it, a hundred to a folder."""
    if not (home / TREE).exists():
        many_files(9_900, 100)(home / "made", part).path.rename(home / TREE)
        (home / "made").rmdir()


def _repository(home: Path, part: float) -> None:
    if (home / REPOSITORY).exists():
        return
    made = many_files(5_000, 200)(home / "made", part).path.rename(home / REPOSITORY)
    (home / "made").rmdir()
    # Neither sees the inodes and times of change that the other one does, and sshfs whole seconds only: git looks at
    # size and second. It would read all files otherwise, whoever shows them.
    for words in (
        ["init", "-q"],
        ["config", "core.checkStat", "minimal"],
        ["config", "core.trustctime", "false"],
        ["config", "core.fileMode", "false"],
        ["add", "."],
        ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "-q", "-m", "all"],
    ):
        subprocess.run(["git", *words], cwd=made, check=True, timeout=_SECONDS)
    # An index written in the same second as the files makes git read them, too.
    for path in made.rglob("*.bin"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    subprocess.run(["git", "update-index", "-q", "--refresh"], cwd=made, check=True, timeout=_SECONDS)


def _document(home: Path, part: float) -> None:
    """Anew each time: who is ended while they send leaves half of one."""
    random_file(100 << 20)(home / "made", part).path.rename(home / DOCUMENT)
    (home / "made").rmdir()


@dataclass(frozen=True)
class _Place:
    name: str
    works: tuple[_Work, ...]
    rate_bits: float = 0.0


_PLACES = (
    _Place("loopback", (_Work("read", _large(1 << 30)),)),
    _Place(
        "50 ms, 200 Mbit/s",
        (
            _Work("read", _large(256 << 20), peer_runs=2),
            _Work("random", _large(256 << 20), (str(_RANDOM_READS),)),
            _Work("find", _tree),
            _Work("late", _tree, (str(_CHANGES),), 1),
            _Work("git", _repository),
        ),
        200e6,
    ),
    _Place(
        "50 ms, 20 Mbit/s",
        (
            _Work("patch", _document, peer_runs=2),
            _Work("replace", _document, peer_runs=1),
            _Work(EDIT, _document, peer_runs=0),
        ),
        20e6,
    ),
)

Found = dict[tuple[str, str], list[float]]
"""By figure and kind of who shows."""


def measure(wish: Wish) -> Report:
    """Do each work in each place, by everyone in turn, ``wish.runs`` times."""
    report, rows, remarks = Report(), [], list[str]()
    for place in _PLACES:
        try:
            with _laid(place) as laid:
                found = _measure_place(place, laid, wish, remarks)
        except Missing as exc:
            remarks.append(f"{place.name} was not measured: {exc}")
            continue
        rows += _rows(place, found)
        if wish.percent == 100:
            report.goals += _goals(place, found)
    report.tables.append(Table("As if the files were here", _note(wish, remarks), _HEADERS, rows))
    return report


def _note(wish: Wish, remarks: Sequence[str]) -> str:
    note = (
        f"Everything is mounted anew for each of {wish.runs} runs of each work, everyone in turn, so that nothing is "
        "cold but what is called so; connections and gimmal's agents are there before. Medians, and least to "
        "most; where the goal is no comparison the others do it once or twice. "
        "`again` is the same command in the same mount, 3 times, after the first one. git compares sizes and seconds "
        "(core.checkStat=minimal), as sshfs shows no more of a time. Bytes are those of IP packets on the line, both "
        f"ways. {CHANGED // 1024} KiB in the middle of a document are written over in place, or by a program that "
        "writes the whole to a new file and renames it; `at home` is when they are in the file there. `gimmal edit` "
        "runs such a program too, which has the document in memory by then. sshfs runs as it is, rclone with "
        f"{' '.join(RCLONE_OPTIONS)}, both over an sshd of the bench's own. The line's queue holds "
        "what it carries in one round trip. A change that is not seen counts as 30 s, one that is not saved as 150 s."
    )
    return note + (" Remarks: " + "; ".join(dict.fromkeys(remarks)) + "." if remarks else "")


@contextlib.contextmanager
def _laid(place: _Place) -> Iterator[Line | None]:
    if not place.rate_bits:
        yield None
        return
    queue = max(int(place.rate_bits * ROUND_TRIP_SECONDS / 8), 128 << 10)
    with line(ROUND_TRIP_SECONDS / 2, place.rate_bits, 0.0, queue) as laid:
        yield laid


def _measure_place(place: _Place, laid: Line | None, wish: Wish, remarks: list[str]) -> Found:
    host, inside = (laid.address("a"), laid.in_network) if laid else ("127.0.0.1", here)
    found: Found = defaultdict(list)
    with rig(wish.folder, host, inside) as made, contextlib.ExitStack() as stack:
        home, away = made.folder / "home", made.folder / "away"
        home.mkdir()
        away.mkdir()
        running: list[Ssh] = []

        def ssh() -> Ssh:
            if not running:
                running.append(stack.enter_context(sshd(host, inside) if laid else sshd()))
            return running[0]

        everyone = showers(made, ssh, home, f"{laid.address('b') if laid else host}:0", wish.kinds, remarks)
        for work in place.works:
            left = list(everyone)
            for run in range(wish.runs):
                for one in [one for one in left if run < (work.peer_runs if one.kind in _PEERS else wish.runs)]:
                    work.make(home, wish.percent / 100)
                    try:
                        figures = _do(work, one, inside, laid, home, away)
                    except (Missing, subprocess.SubprocessError) as exc:
                        remarks.append(f"{one.name}, {work.probe}, {place.name}: {_said(exc)}")
                        left.remove(one)
                        continue
                    for figure, value in figures.items():
                        found[figure, one.kind].append(value)
    return found


def _do(work: _Work, one: Shower, inside: Inside, laid: Line | None, home: Path, away: Path) -> dict[str, float]:
    if work.probe == EDIT:
        return _edit(one, inside, away, home)
    with one.mounted(inside, away) as shown:
        before = _bytes(laid)
        command = [sys.executable, "-m", "bench.mount_probe", work.probe, str(shown), str(home), *work.words]
        tree = str(Path(__file__).resolve().parent.parent)
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=_SECONDS, check=True)
        figures: dict[str, float] = json.loads(done.stdout)
        if laid and work.probe == "random":
            figures["bytes that came for each"] = (_bytes(laid) - before) / int(work.words[0])
    return figures


def _edit(one: Shower, inside: Inside, away: Path, home: Path) -> dict[str, float]:
    """A save of a program that ``gimmal edit`` runs, which has all of the document by then."""
    figures = away / "figures"
    script = Path(__file__).with_name("mount_probe.py")
    program = shlex.join([sys.executable, str(script), "editor", str(figures), str(home)])
    command = [GIMMAL, "edit", *one.half, "--program", program, f":home/{DOCUMENT}"]
    subprocess.run(
        inside("b", command), env=one.environment, capture_output=True, text=True, timeout=_SECONDS, check=True
    )
    found: dict[str, float] = json.loads(figures.read_text(encoding="utf-8"))
    return found


def _bytes(laid: Line | None) -> int:
    return sum(counters.wire_bytes for counters in laid.counters().values()) if laid else 0


def _said(exc: Exception) -> str:
    if isinstance(exc, subprocess.CalledProcessError):
        return str(exc.stderr).strip().rpartition("\n")[2][:200]
    return str(exc)[:300]


# What is shown ------------------------------------------------------------------------------------------------------


def _rows(place: _Place, found: Found) -> list[list[str]]:
    rows = []
    for figure in dict.fromkeys(figure for figure, _kind in found):
        spreads = {kind: spread(found[figure, kind]) if found.get((figure, kind)) else None for kind in _KINDS}
        cells = ["" if one is None else _text(figure, one) for one in spreads.values()]
        rows.append([place.name, figure, *cells, *(_ratio(figure, spreads, peer) for peer in _PEERS)])
    return rows


_KINDS = ("gimmal", *_PEERS)


def _text(figure: str, one: Spread) -> str:
    scaled = {"read in order": (1e6, "MB/s", 1), "bytes that came for each": (1, "bytes", 0)}
    unit, name, digits = scaled.get(figure, (1, "s", 3))
    return f"{Spread(one.median / unit, one.least / unit, one.most / unit, one.runs).text(digits)} {name}"


def _ratio(figure: str, spreads: dict[str, Spread | None], peer: str) -> str:
    value = _times(figure, spreads["gimmal"], spreads[peer])
    return "" if value is None else f"{value:.2f}"


def _times(figure: str, ours: Spread | None, theirs: Spread | None) -> float | None:
    """How many times as good as a peer; more is better."""
    if ours is None or theirs is None or not ours.median or not theirs.median:
        return None
    return ours.median / theirs.median if figure == "read in order" else theirs.median / ours.median


def _goals(place: _Place, found: Found) -> list[Goal]:
    def median(figure: str, kind: str = "gimmal") -> float | None:
        values = found.get((figure, kind))
        return statistics.median(values) if values else None

    goals = []

    def times(figure: str, least: float) -> None:
        ours, theirs = (found.get((figure, kind)) for kind in ("gimmal", "sshfs"))
        if ours and theirs and (value := _times(figure, spread(ours), spread(theirs))) is not None:
            goals.append(Goal(f"{figure}, {place.name}", f"{value:.1f} x sshfs", f">= {least:g}", value >= least))

    def most(figure: str, value: float | None, limit: float, unit: str, digits: int = 2) -> None:
        if value is not None:
            told = f"{value:,.{digits}f} {unit}"
            goals.append(Goal(f"{figure}, {place.name}", told, f"<= {limit:,g} {unit}", value <= limit))

    if not place.rate_bits:
        times("read in order", 2)
        return goals
    if (rate := median("read in order")) is not None:
        part = 8 * rate / (place.rate_bits * _PAYLOAD)
        told = f"{part:.2f} of what the line carries"
        goals.append(Goal(f"read in order, {place.name}", told, ">= 0.9", part >= 0.9))
    times("find, cold", 10)
    if (again := median("find, again")) is not None and (local := median("find at home")) is not None:
        most("find, again", again / local, 1.5, "x the same at home")
    late_most = ROUND_TRIP_SECONDS + 0.2
    for figure in ("a new name is seen after", "a new size is seen after"):
        most(figure, median(figure), late_most, "s", 3)
    times("git status, again", 10)
    random = median("4 KiB here and there")
    most("4 KiB here and there", random and random / ROUND_TRIP_SECONDS, 1.1, "round trips")
    most("bytes that came for each", median("bytes that came for each"), 16_384, "bytes", 0)
    for figure in ("10 KiB written over, at home", "saved by rename, at home", "saved in gimmal edit, at home"):
        most(figure, median(figure), 1.0, "s")
    return goals
