"""docs/faults.md, made from what came of the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.contenders import DIRECTIONS
from bench.faults.outcomes import KINDS, Outcome
from bench.report import table_text

_ABOUT = (
    "Written by `make faults`; do not edit. Copies of a tree (small, middling, large, sparse and empty files, symbolic "
    "and hard links, modes, times, attributes) are hit at random points, in both directions; then the same command is "
    "run once more. While it all runs, another program looks at the target again and again: a final name that ever has "
    "other contents than the source's counts as incomplete. In the end both trees are compared: bytes, modes, times, "
    "links and attributes of every name."
)
_MEANINGS = {
    "command": "`gimmal cp` is killed (kill -9)",
    "agent": "the other side's agent is killed (kill -9) and started again",
    "cut": "every connection is reset, and new ones for a while",
    "relay": "the relay that carries the copy is killed (kill -9) and started again",
    "full": "the target's disk is full",
}
_COUNTING = (
    "Half of the copies whose agent, connection or relay is hit wait for the other side and have to go on by "
    "themselves until they are done; the others end, as those do that are killed or find the disk full. Missing are "
    "the bytes of contents that the one more run had to send: of files that had no final name yet, without holes and "
    "without the blocks that a part file already held. Sent is what then passed on the wire towards the target, all "
    "of it: contents, names, handshake. Sent again is the difference, less what a run costs that finds everything "
    "there; of a copy that went on by itself it is what passed, both ways, beyond the bytes of a copy that is not "
    "hit. A part file that is left behind has no final name, and gimmal removes it after 30 days."
)


def document(
    outcomes: Sequence[Outcome], late: int, idle: Mapping[str, int], head: Mapping[str, str], missing: Sequence[str]
) -> str:
    """The whole document.

    Args:
        outcomes: of all points.
        late: points that could not be hit before the copy had ended, and do not count.
        idle: bytes of a run with nothing to do, by direction.
        head: what is to be said of the run: date, commit, seed, machine.
        missing: kinds that could not be tried, and why.
    """
    wrong, incomplete = sum(len(one.wrong) for one in outcomes), sum(len(one.incomplete) for one in outcomes)
    remarks = [f"{one.kind}, {one.direction}: {text}" for one in outcomes for text in one.remarks]
    total = [
        ["points tried", f"{len(outcomes)}"],
        ["files wrong after one more run", f"{wrong}"],
        ["incomplete contents ever seen under a final name", f"{incomplete}"],
        ["contents looked at under final names", f"{sum(one.looked for one in outcomes):,}"],
        ["bytes sent again, in all", f"{sum(_again(one, idle) for one in outcomes):,}"],
        ["bytes sent again, most at one point", f"{max((_again(one, idle) for one in outcomes), default=0):,}"],
        ["commands that did not end as they should", f"{len(remarks)}"],
        ["part files left behind", f"{sum(one.part_files for one in outcomes)}"],
        ["points drawn too late in the copy, not counted", f"{late}"],
    ]
    parts = ["# Faults", _ABOUT, table_text(["run", ""], list(head.items())), table_text(["figure", ""], total)]
    if missing:
        parts += ["## Not tried", "\n".join(f"- {text}" for text in missing)]
    bad = [f"- {one.kind}, {one.direction}: {text}" for one in outcomes for text in [*one.incomplete, *one.wrong]]
    if bad or remarks:
        parts += ["## Wrong", "\n".join([*bad[:50], *(f"- {text}" for text in remarks[:50])])]
    parts += ["## By kind", _COUNTING, table_text(_HEADERS, _rows(outcomes, idle))]
    parts.append(table_text(["kind", "what happens"], list(_MEANINGS.items())))
    costs = ", ".join(f"{direction} {count:,}" for direction, count in idle.items())
    parts.append(f"Bytes towards the target of a run that finds everything there: {costs}.")
    return "\n\n".join(parts) + "\n"


_HEADERS = [
    "kind",
    "direction",
    "points",
    "went on",
    "wrong",
    "incomplete",
    "left",
    "MB missing",
    "MB sent",
    "MB sent again",
]


def _rows(outcomes: Sequence[Outcome], idle: Mapping[str, int]) -> list[list[str]]:
    rows = []
    for kind in KINDS:
        for direction in DIRECTIONS:
            mine = [one for one in outcomes if (one.kind, one.direction) == (kind, direction)]
            if mine:
                missing, sent = sum(one.missing for one in mine), sum(one.again for one in mine)
                again = sum(_again(one, idle) for one in mine)
                counts = [
                    len(mine),
                    sum(one.first == 0 for one in mine),
                    sum(len(one.wrong) for one in mine),
                    sum(len(one.incomplete) for one in mine),
                    sum(one.part_files for one in mine),
                ]
                figures = [f"{count / 1e6:,.1f}" for count in (missing, sent, again)]
                rows.append([kind, direction, *map(str, counts), *figures])
    return rows


def _again(outcome: Outcome, idle: Mapping[str, int]) -> int:
    return max(0, outcome.again - outcome.missing - idle[outcome.direction]) + max(0, outcome.beyond)
