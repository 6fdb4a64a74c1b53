"""How entries of the log of use look: lines for a person, an object for a program."""

from __future__ import annotations

import datetime
import re
from typing import Any

from gimmal.agent.use_log.reading import Unreadable
from gimmal.agent.use_log.records import Began, Crowded, Did, Ended, Record, Served
from gimmal.base.display import displayable, displayable_path
from gimmal.base.errors import UsageError
from gimmal.frontends.cli.output import counted, human_size
from gimmal.share.using import Act

NAMES_SHOWN = 8

_AGO = re.compile("([0-9]{1,6})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 24 * 3600}
_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")

_PHRASES: dict[Act, str] = {
    Act.LOOKED: "looked at",
    Act.LISTED: "listed",
    Act.WALKED: "listed with all below",
    Act.READ: "read",
    Act.COMPARED: "compared contents of",
    Act.WROTE: "wrote",
    Act.MADE: "made folders",
    Act.LINKED: "made links",
    Act.MOVED: "moved",
    Act.COPIED: "copied",
    Act.SET: "set times or modes of",
    Act.REMOVED: "removed",
    Act.TRASHED: "moved to the trash",
    Act.RESTORED: "restored from the trash",
    Act.DESTROYED: "destroyed in the trash",
    Act.REFUSED: "was refused",
}

_REASONS = {
    "done": "it was done",
    "unplugged": "a half was pulled out",
    "stopped": "stopped",
    "duplicate": "another session took its place",
    "limit": "too many sessions",
    "violation": "a rule was broken",
    "lost": "the connection was lost",
}


def moment(text: str) -> int:
    """Milliseconds since 1970 of what ``--since`` names.

    Raises:
        UsageError: it names no time.
    """
    now = datetime.datetime.now(datetime.UTC)
    found = _AGO.fullmatch(text)
    if found is not None:
        seconds = int(found[1]) * _SECONDS[found[2]]
        return max(0, int((now.timestamp() - seconds) * 1000))
    for form in _FORMATS:
        try:
            return max(0, int(datetime.datetime.strptime(text, form).astimezone().timestamp() * 1000))
        except (ValueError, OverflowError):
            continue
    raise UsageError(
        f"{displayable(text)} is no time", "for example --since 12h, --since 2026-11-26 or --since '2026-11-26 09:30'"
    )


def says_since(record: Record | Unreadable, first: int) -> bool:
    """Whether an entry tells of something at or after ``first``; clocks may jump, so each is asked for itself."""
    return isinstance(record, Unreadable) or _last(record) >= first


def lines_of(record: Record | Unreadable, *, all_names: bool, own: bool = False) -> list[str]:
    """One line or, with many names, several; ``own``: of what was done from here on the other side."""
    if isinstance(record, Unreadable):
        return [f"warning: {_unreadable(record)}"]
    when = _local(_last(record))
    if isinstance(record, Served):
        return [f"{when}  this half: {_stopped(record.reason) if record.reason else 'plugged in here'}"]
    if isinstance(record, Crowded):
        where = "from here: " if own else ""
        lines = [f"{when}  {where}more was done than is kept in detail since {_local(record.first)}:"]
        lines += [
            f"    {_PHRASES[one.act]}: {counted(one.count, 'time')}, {human_size(one.size)}, in {_place(one.share)}"
            for one in record.acts
        ]
        if record.sessions:
            lines.append(f"    {counted(record.sessions, 'session')} began")
        return lines
    front = f"{when}  {_who(record, own=own)}"
    if isinstance(record, Began):
        kind = "an agent" if record.who.agent else "a command"
        return [f"{front}: connected, {displayable(record.path)}, {kind}, {displayable(record.who.program)}"]
    if isinstance(record, Ended):
        return [f"{front}: disconnected, {_REASONS.get(record.reason, displayable(record.reason))}"]
    return _did(front, record, all_names=all_names)


def _did(front: str, record: Did, *, all_names: bool) -> list[str]:
    size = f", {human_size(record.size)}" if record.size else ""
    text = f"{front}: {_PHRASES[record.act]} {record.count:,} in {_place(record.folder)}{size}"
    targets = record.targets or [""] * len(record.names)
    shown = [
        (displayable_path(name) or "the shares") + (f" -> :{displayable_path(target)}" if target else "")
        for name, target in zip(record.names, targets, strict=False)
    ]
    if all_names and len(shown) > 1:
        return [f"{text}:", *(f"    {name}" for name in shown), *_more(record.count - len(shown), "    ")]
    kept = shown[:NAMES_SHOWN]
    return [f"{text}: {', '.join([*kept, *_more(record.count - len(kept), '')])}"]


def json_of(record: Record | Unreadable, *, own: bool = False) -> dict[str, Any]:
    """All of it; names are exact."""
    return _json_of(record) | {"from_here": own}


def _json_of(record: Record | Unreadable) -> dict[str, Any]:
    if isinstance(record, Unreadable):
        return {"event": "unreadable", "newer_records": record.newer, "torn": record.torn}
    if isinstance(record, Served):
        if record.reason:
            return {"event": "unplugged" if record.reason == "unplugged" else "stopped", "at": _exact(record.at)}
        return {"event": "plugged", "at": _exact(record.at)}
    if isinstance(record, Crowded):
        return {
            "event": "crowded",
            "from": _exact(record.first),
            "until": _exact(record.last),
            "sessions": record.sessions,
            "acts": [
                {"act": one.act.value, "share": one.share, "count": one.count, "bytes": one.size} for one in record.acts
            ],
        }
    value: dict[str, Any]
    if isinstance(record, Began):
        who = record.who
        value = {
            "event": "connected",
            "at": _exact(record.at),
            "program": who.program,
            "agent": who.agent,
            "computer_id": who.computer_id.hex(),
            "path": record.path,
        }
        side, computer = who.side, who.computer
    elif isinstance(record, Ended):
        value = {"event": "disconnected", "at": _exact(record.at), "reason": record.reason}
        side, computer = record.side, record.computer
    else:
        value = {
            "event": record.act.value,
            "from": _exact(record.first),
            "until": _exact(record.last),
            "folder": record.folder,
            "names": record.names,
            "count": record.count,
            "bytes": record.size,
        }
        if record.targets:
            value["targets"] = record.targets
        side, computer = record.side, record.computer
    return value | {"session": record.session.hex(), "side": side, "computer": computer}


def _more(count: int, indent: str) -> list[str]:
    return [f"{indent}and {count:,} more"] if count > 0 else []


def _who(record: Began | Did | Ended, *, own: bool) -> str:
    side, computer = (
        (record.who.side, record.who.computer) if isinstance(record, Began) else (record.side, record.computer)
    )
    if own:
        return "from here" + (f" on {displayable(computer)}" if computer else f" on side {displayable(side or '?')}")
    return f"side {displayable(side or '?')}" + (f" on {displayable(computer)}" if computer else "")


def _place(folder: str) -> str:
    return displayable_path(":" + folder)


def _stopped(reason: str) -> str:
    return "pulled out" if reason == "unplugged" else "`gimmal up` stopped"


def _unreadable(record: Unreadable) -> str:
    said = []
    if record.torn:
        said.append("a file of the log ends in something that is no entry: a crash cut it, or it was altered")
    if record.newer:
        said.append(f"{counted(record.newer, 'entry', 'entries')} of a later version of gimmal left out")
    return "; ".join(said)


def _last(record: Record) -> int:
    return record.last if isinstance(record, Did | Crowded) else record.at


def _local(milliseconds: int) -> str:
    try:
        found = datetime.datetime.fromtimestamp(milliseconds / 1000).astimezone()
    except (OverflowError, OSError, ValueError):
        return "?"
    return found.strftime("%Y-%m-%d %H:%M:%S")


def _exact(milliseconds: int) -> str | None:
    """In UTC, as RFC 3339 writes it; None for a time beyond all calendars."""
    try:
        found = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return found.isoformat(timespec="milliseconds")
