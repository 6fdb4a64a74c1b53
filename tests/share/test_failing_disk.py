"""Whatever call fails, a final name holds the old file or the new one."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    CommitEdit,
    Copy,
    EditOpened,
    Failed,
    Found,
    OpenEdit,
    OpenPart,
    PartOpened,
    QuickEdit,
    Replace,
)
from gimmal.share import flushing
from tests.figures import figure
from tests.patience import PATIENCE
from tests.share.rig import SOURCE, Rig

SCENARIOS = ["upload-new", "upload-replace", "bundle-new", "bundle-replace", "copy-new", "copy-replace", "rename-new",
             "rename-replace", "edit-new", "edit-replace", "quick-new", "quick-replace",
             "resave-replace"]  # fmt: skip
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
FAULTS = ["kill before", "kill after", "EIO", "ENOSPC", "EACCES", "short"]


CASES = [
    (scenario, fault)
    for scenario in SCENARIOS
    for fault in FAULTS
    if FULL or scenario == "upload-replace" or fault in ("kill after", "EIO")
]


@pytest.mark.campaign
@pytest.mark.parametrize(("scenario", "fault"), CASES)
def test_every_call_fails_once(scenario: str, fault: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.share.faulty", scenario, fault, str(tmp_path / "side")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    figure(
        f"{scenario}, {fault} at each of {result['cases']} calls: states other than old or new", len(result["bad"]), "0"
    )
    assert result["bad"] == [], done.stderr
    assert 5 <= result["cases"] < 400


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("upload", ["fsync file", "rename", "fsync folder"]),
        ("copy", ["fsync file", "rename", "fsync folder"]),
        ("edit", ["fsync file", "rename", "fsync folder"]),
        ("quick edit", ["fsync file", "rename", "fsync folder"]),
        ("bundle", ["syncfs", "rename", "rename", "fsync folder"]),
    ],
)
def test_contents_are_durable_before_the_name_and_the_name_before_the_answer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, act: str, expected: list[str]
) -> None:
    (rig.rw / "source").write_bytes(b"content")
    (rig.rw / "a").write_bytes(b"old")
    (rig.rw / "b").write_bytes(b"old")
    trace: list[str] = []
    fsync, rename, sync = os.fsync, os.rename, flushing.sync_file_system

    def tracing_fsync(descriptor: int) -> None:
        trace.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def tracing_rename(*arguments: object, **options: object) -> None:
        trace.append("rename")
        rename(*arguments, **options)

    def tracing_sync(descriptor: int) -> bool:
        trace.append("syncfs")
        return sync(descriptor)

    monkeypatch.setattr(os, "fsync", tracing_fsync)
    monkeypatch.setattr(os, "rename", tracing_rename)
    monkeypatch.setattr(flushing, "sync_file_system", tracing_sync)
    if act == "upload":
        assert isinstance(rig.upload("rw/a", b"new", replace=Replace.ALWAYS), Found)
    elif act == "copy":
        assert isinstance(rig.session.answer(Copy("rw/source", "rw/a", Replace.ALWAYS)), Found)
    elif act == "edit":
        opened = rig.session.answer(OpenEdit("rw/a", None, 0, 0, Replace.ALWAYS))
        assert isinstance(opened, EditOpened)
        assert isinstance(rig.session.answer(CommitEdit(opened.edit)), Found)
    elif act == "quick edit":
        quick = QuickEdit("rw/a", None, 0, 3, Replace.ALWAYS, ((0, 3),), b"new", blake3_digest(b"new"))
        assert isinstance(rig.session.answer(quick), Found)
    else:
        assert rig.bundle("rw", {"a": b"1", "b": b"2"}, Replace.ALWAYS) == [0, 0]
    assert trace == expected


def test_an_upload_whose_flush_failed_is_not_gone_on_with(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(5, "input/output error")

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", failing)
    assert rig.upload("rw/file", b"content") == Failed(Code.INPUT_OUTPUT)
    assert os.listdir(rig.rw) == []
    monkeypatch.setattr(os, "fsync", fsync)
    opened = rig.session.answer(OpenPart("rw/file", 7, SOURCE))
    assert isinstance(opened, PartOpened)
    assert opened.blocks == []
