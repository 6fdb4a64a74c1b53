"""As `faulty`, for the trash: fails call i of an operation, for every i, and looks for the old file.

Run as a program: ``python -m tests.share.faulty_trash SCENARIO FAULT FOLDER``. After each case the old file must be
under its old name or in the trash, listed with that name; and a new one never without the old one kept.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from gimmal.protocol.messages import (
    Copy,
    EmptyTrash,
    Found,
    ListTrash,
    Replace,
    RestoreTrash,
    Results,
    Trash,
    TrashPage,
)
from tests.share.faulty import KILLED, LIMIT, NEW, OLD, Fault, install
from tests.share.rig import Rig

PATHS = ("file", "folder/inside")


def _trash(rig: Rig) -> bool:
    return rig.session.answer(Trash(["rw/file", "rw/folder"])) == Results([0, 0])


def _upload(rig: Rig) -> bool:
    return isinstance(rig.upload("rw/file", NEW, replace=Replace.ALWAYS, keep=True), Found)


def _bundle(rig: Rig) -> bool:
    return rig.bundle("rw", {"file": NEW, "folder/inside": NEW}, Replace.ALWAYS, keep=True) == [0, 0]


def _copy(rig: Rig) -> bool:
    return isinstance(rig.session.answer(Copy("rw/source", "rw/file", Replace.ALWAYS, keep=True)), Found)


def _names(rig: Rig) -> list[str]:
    page = rig.session.answer(ListTrash("rw"))
    assert isinstance(page, TrashPage), page
    return [entry.name for entry in page.entries]


def _restore(rig: Rig) -> bool:
    answer = rig.session.answer(RestoreTrash("rw", _names(rig)))
    return isinstance(answer, Results) and not any(answer.codes)


def _empty(rig: Rig) -> bool:
    answer = rig.session.answer(EmptyTrash("rw", _names(rig)))
    return isinstance(answer, Results) and not any(answer.codes)


def _before(rig: Rig) -> None:
    """What the same session put there just before, in the batch that will be filled further."""
    assert rig.session.answer(Trash(["rw/before"])) == Results([0])


ACTS = {
    "trash": _trash,
    "twice": _trash,
    "upload": _upload,
    "bundle": _bundle,
    "copy": _copy,
    "restore": _restore,
    "empty": _empty,
}


def _prepare(base: Path, act: str) -> None:
    shutil.rmtree(base, ignore_errors=True)
    (base / "rw" / "folder").mkdir(parents=True)
    for path in PATHS:
        (base / "rw" / path).write_bytes(OLD)
    (base / "rw" / "source").write_bytes(NEW)
    if act == "twice":
        (base / "rw" / "before").write_bytes(OLD)
    if act in ("restore", "empty"):
        rig = Rig(base)
        assert _trash(rig)
        rig.close()


def kept(base: Path) -> dict[str, list[bytes]]:
    """What the trash lists: contents of the files in it, by their old paths."""
    rig = Rig(base)
    page = rig.session.answer(ListTrash("rw"))
    assert isinstance(page, TrashPage), page
    found: dict[str, list[bytes]] = {}
    for entry in page.entries:
        batch, _dot, index = entry.name.partition(".")
        path = base / "rw" / ".gimmal-trash" / batch / index
        if path.is_dir():
            for below in path.iterdir():
                found.setdefault(f"{entry.path}/{below.name}", []).append(below.read_bytes())
        else:
            found.setdefault(entry.path, []).append(path.read_bytes())
    rig.close()
    return found


def _judge(base: Path, act: str, done: bool) -> list[str]:
    there = {path: (base / "rw" / path).read_bytes() for path in PATHS if (base / "rw" / path).exists()}
    trashed = kept(base)
    bad = []
    if act == "twice" and trashed.pop("before", None) != [OLD]:
        bad.append("what was in the batch before is lost")
    for path in PATHS:
        if there.get(path) not in (None, OLD, NEW):
            bad.append(f"{path} is neither old nor new")
        if act != "empty" and OLD not in (there.get(path), *trashed.get(path, [])):
            bad.append(f"{path} is lost")
        if act == "empty" and set(trashed.get(path, [OLD])) != {OLD}:
            bad.append(f"{path} is listed and not whole")
    if set(trashed) - set(PATHS):
        bad.append(f"listed: {sorted(trashed)}")
    if done and act in ("trash", "twice", "empty") and there:
        bad.append("it said done, and it is not")
    if done and act in ("restore", "empty") and trashed:
        bad.append("it said done, and the trash still lists it")
    return bad


def _child(base: Path, act: str, fault: Fault) -> int:
    install(fault)
    rig = Rig(base)
    if act == "twice":
        _before(rig)
    fault.armed = True
    done = ACTS[act](rig) if act not in ("restore", "empty") else _armed_later(rig, act, fault)
    fault.armed = False
    rig.close()
    return (1 if done else 0) + (0 if fault.struck else 10)


def _armed_later(rig: Rig, act: str, fault: Fault) -> bool:
    fault.armed = False
    names = _names(rig)
    fault.armed = True
    request = RestoreTrash("rw", names) if act == "restore" else EmptyTrash("rw", names)
    answer = rig.session.answer(request)
    return isinstance(answer, Results) and not any(answer.codes)


def run(act: str, kind: str, base: Path) -> dict[str, Any]:
    """All cases of one scenario and fault."""
    bad: list[str] = []
    index = -1
    for index in range(LIMIT):
        _prepare(base, act)
        child = os.fork()
        if child == 0:
            status = 99
            try:
                status = _child(base, act, Fault(kind, index))
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status not in (0, 1, 10, 11, KILLED):
            bad.append(f"call {index}: status {status}")
        bad += [f"call {index}: {what}" for what in _judge(base, act, status in (1, 11))]
        if status in (10, 11):
            break
        # The person runs it again.
        rig = Rig(base)
        ACTS[act](rig)
        rig.close()
        bad += [f"call {index}, again: {what}" for what in _judge(base, act, False)]
    return {"cases": index, "bad": bad}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
