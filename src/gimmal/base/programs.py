"""Running a small program of the system to its end."""

from __future__ import annotations

import shutil
import subprocess

from gimmal.base.display import displayable


def run_program(*command: str, seconds: float) -> str:
    """Run a program without input, and wait for it.

    Args:
        command: its name, which is looked for in PATH, and its arguments.
        seconds: after which it is killed.

    Returns:
        What went wrong, displayable; nothing where it ended with 0.
    """
    name = command[0]
    program = shutil.which(name)
    if program is None:
        return f"{name} is not here"
    try:
        done = subprocess.run(  # noqa: S603 - words of the caller, no shell
            [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{name} did not end within {seconds:g} s"
    except OSError as error:
        return f"{name} cannot be run: {(error.strerror or '').lower()}"
    if done.returncode == 0:
        return ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return displayable(said[-1] if said else f"{name} ended with {done.returncode}")
