"""What systemd, launchd and Windows are given: checked by systemd itself where it is here, and as documents."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gimmal.agent.service.launchd import launchd_list
from gimmal.agent.service.systemd import systemd_unit
from gimmal.agent.service.windows_task import windows_task
from tests.figures import figure
from tests.patience import PATIENCE

COMMAND = [sys.executable, "-P", "-m", "gimmal.frontends.cli.main", "service", "run"]
ODD = '/home/a b/100%/$HOME "x" \\n'


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder)}
    return subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment
    )


def written(tmp_path: Path, command: list[str]) -> Path:
    path = tmp_path / "gimmal.service"
    path.write_text(systemd_unit(command))
    return path


@pytest.mark.parametrize("more", [[], ["--half", ODD]])
def test_systemd_finds_nothing_wrong(tmp_path: Path, more: list[str]) -> None:
    done = analyze(tmp_path, "verify", "--user", "--man=no", str(written(tmp_path, COMMAND + more)))
    said = [line for line in done.stderr.splitlines() if "gimmal" in line]
    assert done.returncode == 0, done.stderr
    assert said == []


def test_systemd_would_find_something_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, COMMAND)
    path.write_text(path.read_text().replace("NoNewPrivileges=yes", "NoNewPrivilegs=yes"))
    assert "NoNewPrivilegs" in analyze(tmp_path, "verify", "--user", "--man=no", str(path)).stderr


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--user", "--offline=true", "--threshold=70", str(written(tmp_path, COMMAND)))
    exposure = re.search(r"exposure level for gimmal\.service: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    figure("exposure of the user unit by systemd-analyze security", float(exposure[1]), "<= 7.0")
    assert float(exposure[1]) <= 7.0, done.stdout  # what is left: rights that no process of a user has, and namespaces


def test_no_setting_needs_a_mount_namespace_which_would_hide_sticks() -> None:
    settings = {line.partition("=")[0] for line in systemd_unit(COMMAND).splitlines() if "=" in line}
    assert {"NoNewPrivileges", "RestrictNamespaces", "MemoryMax", "MemorySwapMax", "LimitCORE"} <= settings
    assert not settings & {
        "PrivateTmp",
        "PrivateMounts",
        "PrivateDevices",
        "ProtectHome",
        "ProtectSystem",
        "PrivateUsers",
    }


def test_words_of_systemd_mean_what_they_say(tmp_path: Path) -> None:
    (line,) = [line for line in systemd_unit(["/bin/x", ODD]).splitlines() if line.startswith("ExecStart=")]
    assert line == 'ExecStart="/bin/x" "/home/a b/100%%/$$HOME \\"x\\" \\\\n"'
    assert "\n" not in systemd_unit(["/bin/x", "a\nb"]).partition("ExecStart=")[2].partition("Restart=")[0].rstrip("\n")


def test_launchd_reads_the_words_back() -> None:
    value = plistlib.loads(launchd_list([*COMMAND, ODD]).encode())
    assert value["ProgramArguments"] == [*COMMAND, ODD]
    assert value["RunAtLoad"] is True
    assert value["KeepAlive"] == {"SuccessfulExit": False}


def test_windows_reads_the_words_back() -> None:
    root = ElementTree.fromstring(windows_task(["C:\\Program Files\\py & co\\python.exe", "-m", "x y", "<z>"]))
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    (command,) = root.iter(f"{space}Command")
    (arguments,) = root.iter(f"{space}Arguments")
    assert command.text == "C:\\Program Files\\py & co\\python.exe"
    assert arguments.text == '-m "x y" <z>'
