"""Where a copy puts things is decided once, however often it has to begin again."""

from __future__ import annotations

from pathlib import Path

from gimmal.remote.copy import CopyJob, Placement, copy_once
from gimmal.remote.copy_plan import Named
from gimmal.remote.copy_tree import CopyOptions
from gimmal.remote.progress import Progress
from tests.remote.two_sides import Sides, TwoSides


def job_of(placement: Placement) -> CopyJob:
    return CopyJob(
        [Named("near/tree", "tree", "tree")], Named("far/new", "new", "new"), True, CopyOptions(), placement=placement
    )


def run(sides: TwoSides, job: CopyJob, progress: Progress) -> None:
    async def work(both: Sides) -> None:
        await copy_once(both.near, both.far, job, progress)

    sides.run(work)


def test_a_folder_that_the_copy_made_itself_is_gone_on_with(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    (sides.near / "tree" / "deep").mkdir(parents=True)
    for name in ("one", "deep/two"):
        (sides.near / "tree" / name).write_text(name)
    kept: list[bool] = []

    async def keep(into: bool) -> None:
        assert not (sides.far / "new").exists(), "before anything is written"
        kept.append(into)

    job, progress = job_of(Placement(keep=keep)), Progress()
    run(sides, job, progress)
    (sides.far / "new" / "deep" / "two").unlink()
    progress.restart()
    run(sides, job, progress)
    assert sorted(str(path.relative_to(sides.far)) for path in sides.far.rglob("*")) == [
        "new",
        "new/deep",
        "new/deep/two",
        "new/one",
    ]
    assert kept == [False]
    assert (progress.files, progress.failed) == (2, 0)


def test_a_decision_of_another_process_holds(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    (sides.near / "tree").mkdir()
    (sides.near / "tree" / "one").write_text("one")
    (sides.far / "new").mkdir()
    run(sides, job_of(Placement(into=False)), Progress())
    assert (sides.far / "new" / "one").exists()
    run(sides, job_of(Placement(into=True)), Progress())
    assert (sides.far / "new" / "tree" / "one").exists()
