"""Asks a vulnerability service about every runtime dependency, and says plainly when it could not.

Usage: python scripts/audit.py REQUIREMENTS REPORT

REQUIREMENTS is an exported lock with hashes; REPORT is written as JSON. Exit code 0: every package was looked up and
none has a known vulnerability. 1: some have. 3: the question could not be answered for every package, by any service.
pip-audit alone is not enough: it skips a package that the service does not know, and then reports no vulnerability.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

SERVICES = ("pypi", "osv")
CLEAN, VULNERABLE, UNANSWERED = 0, 1, 3


def main(requirements: Path, report: Path) -> int:
    """Audit; returns the exit code."""
    wanted = set(re.findall(r"^([A-Za-z0-9._-]+)==", requirements.read_text(encoding="utf-8"), re.MULTILINE))
    found: dict[str, list[str]] = {}
    for service in SERVICES:
        answer = ask(service, requirements)
        found, missing = judge(answer, wanted)
        if not missing:
            report.write_text(json.dumps({"service": service, **answer}, indent=1, sort_keys=True) + "\n")
            break
        print(f"audit: {service} could not be asked about {', '.join(sorted(missing))}", file=sys.stderr)
    else:
        print("audit: NOT DONE; nothing is known about vulnerabilities of the dependencies", file=sys.stderr)
        return UNANSWERED
    for name, vulnerabilities in sorted(found.items()):
        print(f"audit: {name}: {', '.join(vulnerabilities)}", file=sys.stderr)
    print(f"audit: {len(wanted)} packages looked up at {service}, {len(found)} with known vulnerabilities")
    return VULNERABLE if found else CLEAN


def ask(service: str, requirements: Path) -> dict[str, list[dict[str, object]]]:
    """pip-audit's answer as JSON; empty where it gave none."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    command += ["--vulnerability-service", service, "--format", "json", "--requirement", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - our own arguments
        answer = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {"dependencies": []}
    return answer if isinstance(answer, dict) and isinstance(answer.get("dependencies"), list) else {"dependencies": []}


def judge(answer: dict[str, list[dict[str, object]]], wanted: set[str]) -> tuple[dict[str, list[str]], set[str]]:
    """Vulnerabilities by package, and the packages about which nothing was said."""
    vulnerable: dict[str, list[str]] = {}
    missing = {plain(name) for name in wanted}
    for dependency in answer["dependencies"]:
        name, vulnerabilities = plain(str(dependency.get("name"))), dependency.get("vulns")
        if "skip_reason" in dependency or not isinstance(vulnerabilities, list):
            continue
        missing.discard(name)
        if vulnerabilities:
            vulnerable[name] = [str(one["id"]) for one in vulnerabilities]
    return vulnerable, missing


def plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
