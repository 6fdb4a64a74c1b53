"""The audit of a release claims nothing that no service said."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(name="audit")
def _audit() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts/audit.py"
    spec = importlib.util.spec_from_file_location("audit_of_releases", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REQUIREMENTS = "click==8.1.8 \\\n    --hash=sha256:00\nmarkdown-it-py==3.0.0 \\\n    --hash=sha256:00\n"
CLEAN = {"dependencies": [{"name": "click", "vulns": []}, {"name": "markdown_it_py", "vulns": []}]}
SKIPPED = {"dependencies": [{"name": "click", "vulns": []}, {"name": "markdown-it-py", "skip_reason": "not found"}]}
FOUND = {"dependencies": [{"name": "click", "vulns": [{"id": "PYSEC-1"}]}, {"name": "markdown-it-py", "vulns": []}]}
NOTHING: dict[str, Any] = {"dependencies": []}


@pytest.mark.parametrize(
    ("answers", "code", "asked", "said"),
    [
        ([CLEAN], 0, 1, "2 packages looked up at pypi, 0 with"),
        ([FOUND], 1, 1, "click: PYSEC-1"),
        ([SKIPPED, CLEAN], 0, 2, "2 packages looked up at osv, 0 with"),
        ([NOTHING, SKIPPED], 3, 2, "NOT DONE"),
        ([NOTHING, NOTHING], 3, 2, "NOT DONE"),
    ],
)
def test_the_verdict_is_what_the_services_said(
    audit: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: list[dict[str, Any]],
    code: int,
    asked: int,
    said: str,
) -> None:
    requirements, report = tmp_path / "requirements.txt", tmp_path / "report.json"
    requirements.write_text(REQUIREMENTS)
    waiting = list(answers)
    monkeypatch.setattr(audit, "ask", lambda _service, _requirements: waiting.pop(0))
    assert audit.main(requirements, report) == code
    assert len(answers) - len(waiting) == asked
    assert report.exists() is (code != 3)
    printed = capsys.readouterr()
    assert said in printed.out + printed.err


def test_a_service_that_is_not_there_counts_as_no_answer(audit: ModuleType, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("this is no requirement\n")
    assert audit.ask("pypi", requirements) == {"dependencies": []}
