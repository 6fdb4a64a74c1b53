"""Names the machine and the programs that a figure belongs to.

``python -m bench.machine`` prints it as JSON.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess

import psutil


def machine() -> list[tuple[str, str]]:
    """What a reader needs to know of this machine."""
    memory = psutil.virtual_memory().total / 2**30
    return [
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{memory:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("OpenSSH", _first_line(["ssh", "-V"])),
    ]


def load() -> float:
    """How busy this machine was over the last minute: processes that ran or wanted to."""
    return os.getloadavg()[0]


def commit() -> str:
    """The commit that was measured, and whether files differ from it."""
    name = _first_line(["git", "rev-parse", "--short", "HEAD"])
    changed = _first_line(["git", "status", "--porcelain", "--untracked-files=no", "--", "src"])
    return f"{name}, with changes" if changed else name


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "absent"
    return (done.stdout + done.stderr).strip().partition("\n")[0]


if __name__ == "__main__":
    about = [*machine(), ("load at the start", f"{load():.2f} (1 minute)")]
    print(json.dumps({"machine": about, "commit": commit()}))
