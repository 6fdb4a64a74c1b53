"""Other people's programs as clients of a network drive."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from tests.figures import figure
from tests.frontends.dav.drive import Drive, driving
from tests.patience import PATIENCE
from tests.remote.two_sides import Sides, TwoSides

SUITES = ("basic", "copymove", "props", "locks", "http")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed (scripts/dav.sh)")


async def run(*words: str, cwd: Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    """A program's exit status and all it says."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            said, _none = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, said.decode(errors="replace")


@needs("litmus")
def test_litmus(tmp_path: Path) -> None:
    two = TwoSides(tmp_path)

    async def work(drive: Drive) -> str:
        url = f"{drive.server.url}far/"
        _code, said = await run("litmus", "-k", url, drive.login.user, drive.login.password, cwd=tmp_path)
        return said

    async def main(sides: Sides) -> str:
        async with driving(sides) as drive:
            return await work(drive)

    said = two.run(main)
    print(said)
    counts = re.findall(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed. ([\d.]+)%", said)
    assert [suite for suite, *_ in counts] == list(SUITES)
    assert {percent for *_, percent in counts} == {"100.0"}
    assert "WARNING" not in said
    passed, ran = (sum(int(count[index]) for count in counts) for index in (2, 1))
    figure("litmus against gimmal dav: tests passed", f"{passed} of {ran}", "all")
