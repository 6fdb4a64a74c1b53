"""Completion as bash asks for it, with and without bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

RUN = "from gimmal.frontends.cli.main import run; run()"


def completions(*words: str, shell: str = "bash") -> list[str]:
    """What follows the words typed, the last of which is not complete."""
    environment = os.environ | {
        "_GIMMAL_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(("gimmal", *words)),
        "COMP_CWORD": str(len(words)),
    }
    output = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, check=True, timeout=PATIENCE
    )
    return [line for line in output.stdout.decode().splitlines() if line]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["sta"], ["plain,stat", "plain,status"]),
        (["nosuch"], []),
        (["cp", "--ov"], ["plain,--overwrite"]),
        (["cp", "--nosuch"], []),
        (["cp", "repo"], ["file,repo"]),
        (["cp", "-r", "pho"], ["file,pho"]),
        (["cp", ":", "Doc"], []),
        (["ls", ":Doc"], []),
        (["up", "--share", "~/D"], ["file,~/D"]),
        (["ls", "--path", "d"], ["plain,direct"]),
        (["pair", "/media"], ["file,/media"]),
    ],
)
def test_what_can_follow(words: list[str], answer: list[str]) -> None:
    assert completions(*words) == answer


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_bash_completes_a_file_name(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gimmal"
    program.write_text(f"#!{sys.executable}\n{RUN}\n")
    program.chmod(0o755)
    script = """
        eval "$(_GIMMAL_COMPLETE=bash_source gimmal)"
        compopt() { echo "compopt $1 $2"; }
        COMP_WORDS=(gimmal cp repo) COMP_CWORD=2
        _gimmal_completion gimmal
        echo "reply ${#COMPREPLY[@]}"
    """
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    output = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=True, timeout=PATIENCE)
    assert output.stdout.decode().splitlines() == ["compopt -o default", "reply 0"]
