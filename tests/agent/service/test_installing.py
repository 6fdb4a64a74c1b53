"""The definition is written where the manager looks, and the manager is told; its failure is said, not hidden."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gimmal.agent.service import installing
from gimmal.base.errors import UsageError

COMMAND = [sys.executable, "-c", "pass"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and a systemctl that notes what it is told: no manager of a user runs in tests."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n[ ! -e {tmp_path}/fail ] || {{ echo "no bus" >&2; exit 1; }}\n'
    )
    systemctl.chmod(0o755)
    return tmp_path


def told(home: Path) -> list[str]:
    path = home / "told"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_installed_started_and_removed(home: Path) -> None:
    unit = home / "config/systemd/user/gimmal.service"
    assert not installing.is_installed()
    done = installing.install(COMMAND, start=True)
    assert (done.path, done.started, done.trouble) == (unit, True, "")
    assert installing.is_installed()
    assert f'ExecStart="{sys.executable}"' in unit.read_text()
    assert told(home) == ["--user daemon-reload", "--user enable gimmal.service", "--user restart gimmal.service"]
    # Again, with other words: written anew.
    installing.install([*COMMAND, "more"], start=False)
    assert '"more"' in unit.read_text()
    assert told(home) == []
    done = installing.remove()
    assert done.trouble == ""
    assert not unit.exists()
    assert told(home) == ["--user disable --now gimmal.service", "--user daemon-reload"]
    assert installing.remove().trouble == ""
    assert told(home) == []


def test_a_manager_that_fails_is_quoted(home: Path) -> None:
    (home / "fail").touch()
    done = installing.install(COMMAND, start=True)
    assert (done.started, done.trouble) == (False, "no bus")
    assert done.path.exists()
    assert told(home) == ["--user daemon-reload"]
    assert installing.remove().trouble == "no bus"
    assert not done.path.exists()


def test_a_manager_that_is_not_here_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home / "config"))
    assert installing.install(COMMAND, start=True).trouble == "systemctl is not here"


@pytest.mark.parametrize("odd", ["/m/\x1b[31m", "/m/\n", "/m/\udcff", "/m/\uffff"])
def test_a_path_that_a_definition_cannot_hold_is_refused(odd: str) -> None:
    for manager in (installing.Manager.LAUNCHD, installing.Manager.WINDOWS):
        with pytest.raises(UsageError, match="cannot be written into a definition") as caught:
            installing.definition(manager, [*COMMAND, odd])
        assert odd not in caught.value.message
    assert "ExecStart=" in installing.definition(installing.Manager.SYSTEMD, [*COMMAND, odd])


def test_each_manager_has_a_definition() -> None:
    for manager in installing.Manager:
        assert sys.executable in installing.definition(manager, COMMAND)
