"""Programs of the system are run within bounds, and what they say is quoted safely."""

from __future__ import annotations

import sys

from gimmal.base.programs import run_program


def python(script: str, seconds: float = 60.0) -> str:
    return run_program(sys.executable, "-c", script, seconds=seconds)


def test_success_says_nothing() -> None:
    assert python("print('a lot'); import sys; sys.stdin.read()") == ""


def test_failure_is_its_last_line() -> None:
    assert python("import sys; print('out'); sys.stderr.write('one\\ntwo\\x1b[31m\\n'); sys.exit(3)") == "two\\x1b[31m"
    assert python("import sys; print('out'); sys.exit(3)") == "out"
    assert python("import sys; sys.exit(3)") == f"{sys.executable} ended with 3"


def test_one_that_does_not_end_is_killed() -> None:
    assert "did not end" in python("import time; time.sleep(1000)", 0.5)


def test_one_that_is_not_here_is_named() -> None:
    assert run_program("no-such-program-here", seconds=1.0) == "no-such-program-here is not here"
