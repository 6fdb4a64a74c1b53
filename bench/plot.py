"""The plots of docs/benchmarks.md, PNG and SVG, from the points that rows gave.

Both have a background of their own, so that they read alike on a light and on a dark page.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, PAPER, OURS = "#1f2933", "#cbd2d9", "#ffffff", "#c2410c"
_SERIES = {
    "gimmal": ("gimmal", "D", OURS, 70),
    "gimmal-relay": ("gimmal, relayed", "d", "#fb923c", 45),
    "gimmal-agent": ("gimmal, through the agent", "d", "#fdba74", 45),
    "scp": ("scp", "o", "#1d4ed8", 38),
    "sftp": ("sftp", "s", "#0891b2", 34),
    "rsync": ("rsync", "^", "#15803d", 42),
    "rsync-z": ("rsync, compressing", ">", "#65a30d", 36),
    "tar": ("tar over ssh", "v", "#7c3aed", 42),
    "rclone": ("rclone", "P", "#6b7280", 42),
    "sshfs": ("sshfs", "X", "#6b7280", 42),
    "wormhole": ("magic-wormhole", "*", "#6b7280", 60),
}
_LEAST, _MOST = 1 / 100, 30.0
"""Further out a point stands at the edge, with its figure beside it."""


def draw(points: Sequence[Point], folder: Path) -> list[str]:
    """Draw what there are points for, as ``benchmarks-NAME.png`` and ``.svg``; returns the names.

    Without matplotlib nothing is drawn, and plots that are there stay as they are.
    """
    try:
        import matplotlib
    except ModuleNotFoundError:
        warnings.warn("no plots: matplotlib is not installed (make bench installs it)", stacklevel=2)
        return [name for name in ("speed", "growth") if (folder / f"benchmarks-{name}.png").exists()]
    matplotlib.use("agg")
    # One file for one set of figures: no date, no random identifiers.
    matplotlib.rcParams |= {"svg.hashsalt": "gimmal", "font.size": 10, "svg.fonttype": "path"}
    for kind in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"):
        matplotlib.rcParams[kind] = INK
    drawn = []
    for name, plotted in (("speed", _speed), ("growth", _growth)):
        mine = [point for point in points if point.plot == name]
        if mine:
            figure = plotted(mine)
            for kind, more in (("png", {}), ("svg", {"metadata": {"Date": None}})):
                path = folder / f"benchmarks-{name}.{kind}"
                figure.savefig(path, dpi=150, facecolor=PAPER, bbox_inches="tight", pad_inches=0.2, **more)
            drawn.append(name)
    return drawn


def _speed(points: Sequence[Point]) -> Figure:
    """A line for each row; on it each way by how many times as quick as the best peer it is."""
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys(point.group for point in points))
    figure = Figure(figsize=(10, 1.6 + 0.42 * len(groups)))
    axes = figure.add_subplot()
    axes.axvspan(1, _MOST * 1.6, color="#fff4ec", zorder=0)
    axes.axvline(1, color=INK, linewidth=1, zorder=1)
    shown: dict[str, Any] = {}
    for height, group in enumerate(reversed(groups)):
        mine = {point.series: point.value for point in points if point.group == group}
        peers = [seconds for series, seconds in mine.items() if not series.startswith("gimmal")]
        if not peers:
            continue
        outside: list[float] = []
        for series, (label, marker, colour, size) in _SERIES.items():
            if series in mine:
                ratio = min(peers) / mine[series]
                at = min(max(ratio, _LEAST), _MOST)
                front = 5 if series == "gimmal" else 3
                shown[label] = axes.scatter(
                    at, height, s=size, marker=marker, color=colour, edgecolors=PAPER, linewidths=0.5, zorder=front
                )
                if series == "gimmal":
                    beside = {"textcoords": "offset points", "va": "center", "color": OURS, "fontweight": "bold"}
                    axes.annotate(_times(ratio), (_MOST * 1.6, height), (6, 0), annotation_clip=False, **beside)
                elif at != ratio:
                    outside.append(ratio)
        if outside:
            # Several stand in the same place.
            texts = ", ".join(_times(ratio) for ratio in sorted(set(outside)))
            axes.annotate(texts, (_LEAST, height), (7, 4), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(_LEAST / 1.3, _MOST * 1.6)
    axes.set_ylim(-0.6, len(groups) - 0.4)
    ticks = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]
    axes.set_xticks(ticks, [_times(tick) for tick in ticks])
    axes.set_yticks(range(len(groups)), list(reversed(groups)))
    axes.set_xlabel("speed against the best peer (logarithmic; figures: gimmal)")
    axes.minorticks_off()
    axes.grid(axis="both", color=FAINT, linewidth=0.6, zorder=0)
    _bare(axes)
    order = [label for label, *_rest in _SERIES.values() if label in shown]
    axes.legend(
        [shown[label] for label in order],
        order,
        loc="lower center",
        bbox_to_anchor=(0.4, 1.0),
        ncols=5,
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    return figure


def _growth(points: Sequence[Point]) -> Figure:
    """Time and memory, by count and by size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.2), layout="constrained")
    grid = figure.subplots(2, 2, sharex="col")
    for column, (unit, label) in enumerate((("files", "files of 4 KiB"), ("GiB", "GiB of one file"))):
        for row, (what, said) in enumerate((("value", "seconds"), ("memory", "MiB resident, larger side"))):
            axes = grid[row][column]
            for direction, marker, colour in (("download", "o", OURS), ("upload", "s", "#1d4ed8")):
                mine = sorted(
                    (point.at, getattr(point, what)) for point in points if point.group == f"{unit}, {direction}"
                )
                if not mine:
                    continue
                axes.plot(*zip(*mine, strict=True), marker=marker, color=colour, label=direction)
                if what == "value":
                    (at, value) = mine[-1]
                    line = [(x, value * x / at) for x, _ in mine]
                    axes.plot(*zip(*line, strict=True), color=FAINT, linestyle="--", zorder=0)
            axes.set_xscale("log")
            axes.minorticks_off()
            if what == "value":
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter("{x:g}")
                axes.minorticks_off()
            else:
                axes.set_ylim(0, 160)
                axes.axhline(150, color=INK, linewidth=1, linestyle=":")
                axes.annotate(
                    "goal: 150 MiB", (0.02, 150), (0, -11), ("axes fraction", "data"), "offset points", fontsize=8
                )
                axes.set_xlabel(label)
                reached = sorted({point.at for point in points if point.group.startswith(unit)})
                axes.set_xticks(reached, [f"{at:,g}" for at in reached])
            axes.set_ylabel(said)
            axes.grid(color=FAINT, linewidth=0.6)
            _bare(axes)
    grid[0][0].legend(frameon=False, title="dashed: in proportion")
    return figure


def _times(ratio: float) -> str:
    return f"{ratio:.0f} x" if ratio >= 10 else f"{ratio:.2g} x"


def _bare(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    axes.set_facecolor(PAPER)
