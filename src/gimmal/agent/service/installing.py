"""Puts the supervisor among what the system starts at log-in, and takes it out again."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from gimmal.agent.service.launchd import LABEL, launchd_list
from gimmal.agent.service.systemd import UNIT, systemd_unit
from gimmal.agent.service.windows_task import windows_task
from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError
from gimmal.base.home import home_folder
from gimmal.base.persistence import exists, local_errors, remove_durably, write_atomic
from gimmal.base.programs import run_program

MANAGER_SECONDS = 30.0


class Manager(Enum):
    """What starts programs for a person."""

    SYSTEMD = "systemd"
    LAUNCHD = "launchd"
    WINDOWS = "windows"


@dataclass(frozen=True)
class Installed:
    """Where the definition lies, and whether the manager runs it; ``trouble`` says why it does not."""

    path: Path
    started: bool
    trouble: str = ""


def manager_here() -> Manager:
    """The manager of this system.

    Raises:
        LocalError: none that is known.
    """
    if sys.platform == "darwin":
        return Manager.LAUNCHD
    if sys.platform.startswith("linux"):
        return Manager.SYSTEMD
    raise LocalError("gimmal cannot install itself on this system", "gimmal service install --print shows a definition")


def definition(manager: Manager, command: Sequence[str]) -> str:
    """What the manager is given, as text.

    Args:
        command: words that run the supervisor.

    Raises:
        UsageError: a word cannot be written into one of this kind.
    """
    if manager is not Manager.SYSTEMD:
        for word in command:
            if not _fits_xml(word):
                raise UsageError(
                    f"{displayable(word)} cannot be written into a definition for {manager.value}",
                    "name a folder without control characters in its path",
                )
    makers = {
        Manager.SYSTEMD: systemd_unit,
        Manager.LAUNCHD: launchd_list,
        Manager.WINDOWS: windows_task,
    }
    return makers[manager](command)


def _fits_xml(word: str) -> bool:
    return not any(letter < " " or "\ud800" <= letter <= "\udfff" or letter in "\ufffe\uffff" for letter in word)


def definition_path(manager: Manager) -> Path:
    """Where the definition of this user lies."""
    if manager is Manager.LAUNCHD:
        return home_folder() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    given = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if given.startswith("/") else home_folder() / ".config"
    return base / "systemd" / "user" / UNIT


def is_installed() -> bool:
    """Whether there is a definition of this user."""
    return exists(definition_path(manager_here()))


def install(command: Sequence[str], *, start: bool) -> Installed:
    """Write the definition, and have it started now and at each log-in.

    Args:
        command: words that run the supervisor.
        start: False to write only.

    Raises:
        LocalError: it cannot be written.
    """
    manager = manager_here()
    path = definition_path(manager)
    with local_errors("make the folder", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, os.fsencode(definition(manager, command)), 0o644)
    if not start:
        return Installed(path, started=False)
    if manager is Manager.LAUNCHD:
        trouble = _run("launchctl", "bootstrap", f"gui/{os.getuid()}", str(path))
    else:
        trouble = (
            _run("systemctl", "--user", "daemon-reload")
            or _run("systemctl", "--user", "enable", UNIT)
            or _run("systemctl", "--user", "restart", UNIT)
        )
    return Installed(path, started=not trouble, trouble=trouble)


def remove() -> Installed:
    """Stop the supervisor and remove the definition; no error where there is none.

    Raises:
        LocalError: it cannot be removed.
    """
    manager = manager_here()
    path = definition_path(manager)
    trouble = ""
    if exists(path):
        if manager is Manager.LAUNCHD:
            trouble = _run("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}")
        else:
            trouble = _run("systemctl", "--user", "disable", "--now", UNIT)
        remove_durably(path)
        if manager is Manager.SYSTEMD:
            trouble = _run("systemctl", "--user", "daemon-reload") or trouble
    return Installed(path, started=False, trouble=trouble)


def _run(*command: str) -> str:
    return run_program(*command, seconds=MANAGER_SECONDS)
