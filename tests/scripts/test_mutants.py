"""Mutants of the modules that security rests on are noticed by those modules' tests (scripts/mutants.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.figures import figure
from tests.patience import PATIENCE

PROJECT = Path(__file__).resolve().parents[2]
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
BARS = {"crypto": 90, "record": 90, "disable": 90, "paths": 100, "display": 90}


def run(into: Path, *arguments: str | Path, seconds: float) -> tuple[int, dict[str, Any], str]:
    """Run the script; its exit code, its counts by group, and what it said."""
    command = [sys.executable, PROJECT / "scripts" / "mutants.py", "--json", into, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=into.parent) as process:
        try:
            said, _nothing = process.communicate(timeout=seconds)
        except BaseException:
            process.terminate()
            raise
    return process.returncode, json.loads(into.read_text()) if into.exists() else {}, said.decode()


@pytest.mark.campaign
@pytest.mark.skipif(not FULL, reason="some 1,700 mutants take a quarter of an hour; the sample is the test below")
@pytest.mark.parametrize("group", BARS)
def test_all_mutants(tmp_path: Path, group: str) -> None:
    code, counts, said = run(tmp_path / "counts.json", "--group", group, seconds=1500)
    print(said)
    assert group in counts, said
    count = counts[group]
    figure(f"mutants killed: {group}, of {count['mutants']} in all, percent", count["percent"], f">= {BARS[group]}")
    assert count["mutants"] > 50
    assert count["percent"] >= BARS[group], said
    assert code == 0, said


def test_a_sample(tmp_path: Path) -> None:
    words = ("--module", "base/paths.py", "--sample", "10")
    code, counts, said = run(tmp_path / "counts.json", *words, seconds=PATIENCE)
    assert code == 0, said
    assert counts["paths"]["killed"] == counts["paths"]["mutants"] == 10


class TestTheScriptItself:
    """It must not call killed what no test notices, nor count what it did not run."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        """A project whose tests of paths look at one thing only."""
        made = tmp_path / "project"
        shutil.copytree(PROJECT / "src", made / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "pyproject.toml", made)
        (made / "tests" / "base").mkdir(parents=True)
        for folder in ("tests", "tests/base"):
            (made / folder / "__init__.py").touch()
        self.write_test(made, "is_mapped(chr(0xEE41))")
        return made

    @staticmethod
    def write_test(project: Path, claim: str) -> None:
        text = f"from gimmal.base.paths import is_mapped\n\n\ndef test_it() -> None:\n    assert {claim}\n"
        (project / "tests" / "base" / "test_paths.py").write_text(text)

    def run(self, project: Path) -> tuple[int, dict[str, Any], str]:
        words = ("--module", "base/paths.py", "--sample", "4", "--project", project)
        return run(project.parent / "counts.json", *words, seconds=PATIENCE)

    def test_what_no_test_notices_survives(self, project: Path) -> None:
        code, counts, said = self.run(project)
        assert code == 1, said
        assert counts["paths"]["mutants"] == 4
        assert len(counts["paths"]["survivors"]) == 4 - counts["paths"]["killed"] >= 2

    def test_tests_that_fail_anyway_kill_nothing(self, project: Path) -> None:
        self.write_test(project, "not is_mapped(chr(0xEE41))")
        code, counts, said = self.run(project)
        assert (code, counts) == (2, {}), said
        assert "without a change" in said

    def test_an_entry_of_the_list_that_fits_no_mutant_is_an_error(self, project: Path) -> None:
        (project / "tests" / "scripts").mkdir()
        entry = "[[mutant]]\nmodule = 'base/paths.py'\nline = 'return 1'\nchange = '0: dropped'\nreason = 'none'\n"
        (project / "tests" / "scripts" / "mutants_equivalent.toml").write_text(entry)
        code, counts, said = self.run(project)
        assert (code, counts) == (2, {}), said
        assert "return 1" in said

    def test_the_tree_itself_stays_as_it_is(self, project: Path) -> None:
        before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
        self.run(project)
        assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
