"""The home folder of whoever runs this."""

from __future__ import annotations

from pathlib import Path

from gimmal.base.errors import LocalError


def home_folder() -> Path:
    """Where this user's own files lie.

    Raises:
        LocalError: neither the environment nor the system's list of users says, as in some containers.
    """
    try:
        return Path.home()
    except RuntimeError:
        raise LocalError("this computer does not say where this user's home folder is", "set HOME to it") from None
