"""Whether this system can confine a process; where it cannot, gimmal makes nothing of films and pictures."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest


@cache
def can_confine() -> bool:
    """Tried in a process of its own, for it cannot be undone."""
    code = "from gimmal.base.confinement import confine; confine()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


needs_confinement = pytest.mark.skipif(not can_confine(), reason="needs Landlock and seccomp of Linux 5.13")
