"""Plugs a pair in at every two kinds of networks (tests/lab/test_paths.py), and writes docs/paths.md.

    python scripts/paths.py

Needs root and the packages of scripts/lab.sh. Exits with 0 if every pair was measured and reached what it must.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from paths_document import document

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT / "docs" / "paths.md"


def main() -> int:
    """Run, write, and return the exit code."""
    about = json.loads(
        subprocess.run([sys.executable, "-m", "bench.machine"], cwd=PROJECT, capture_output=True, check=True).stdout
    )
    with tempfile.TemporaryDirectory(prefix="gimmal-paths-") as folder:
        kept = Path(folder) / "measured"
        environment = os.environ | {"GIMMAL_CAMPAIGN": "full", "GIMMAL_PATHS": str(kept)}
        command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:randomly", "-rs", "tests/lab/test_paths.py"]
        code = subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode  # noqa: S603 - our tests
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    if not lines:
        print("paths: nothing was measured; docs/paths.md is left as it is", file=sys.stderr)
        return 1
    measured: list[dict[str, Any]] = [json.loads(line) for line in lines]
    machine = [("ended", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"), ("commit", about["commit"])]
    machine += [(key, value) for key, value in about["machine"] if key != "OpenSSH"]
    DOCUMENT.write_text(document(measured, machine), encoding="utf-8")
    print(f"paths: {DOCUMENT.relative_to(PROJECT)} written, pytest ended with {code}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
