"""Who shows the folder of another computer as one of this: gimmal, sshfs and rclone, mounted anew for each measurement.

Nothing is left in any cache of the kernel then, nor in one of theirs; the connection is made before time is taken.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gimmal_rig import GIMMAL, Inside, Rig
from bench.ssh_rig import CIPHER, Missing, Ssh, install

_SECONDS = 30.0

Command = Callable[[Path], list[str]]
"""Given the folder to mount on, the command line that shows the home folder there until it is ended."""


@dataclass(frozen=True)
class Shower:
    """One way to show a folder of the other side.

    Attributes:
        kind: one word.
        name: as tables show it.
        command: see Command.
        inner: where, in what it mounts, the home folder is.
        environment: of the command.
        half: of gimmal, the words that name it.
    """

    kind: str
    name: str
    command: Command
    inner: str
    environment: dict[str, str]
    half: Sequence[str] = ()

    @contextlib.contextmanager
    def mounted(self, inside: Inside, folder: Path) -> Iterator[Path]:
        """While the context lasts, the home folder is shown.

        Args:
            inside: where side ``b`` is; a network of its own, but no view of its own of what is mounted.
            folder: for the mount point and what the program says.

        Yields:
            the home folder as it is shown.

        Raises:
            Missing: it does not come to be.
        """
        with tempfile.TemporaryDirectory(prefix=f"{self.kind}-", dir=folder) as name:
            place, log = Path(name) / "shown", Path(name) / "log"
            place.mkdir()
            with open(log, "wb") as said:
                process = subprocess.Popen(
                    inside("b", self.command(place)),
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                )
            try:
                _wait(process, place / self.inner, self.name, log)
                yield place / self.inner
            finally:
                _end(process, place)


def _wait(process: subprocess.Popen[bytes], home: Path, name: str, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    outer = home.parent if home.name == "home" else home
    while time.monotonic() < deadline and process.poll() is None:
        if os.path.ismount(outer) and home.is_dir():
            return
        time.sleep(0.02)
    raise Missing(f"{name} shows nothing: {log.read_text(encoding='utf-8', errors='replace').strip()[-500:]}")


def _end(process: subprocess.Popen[bytes], place: Path) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Who was killed, or does not do so itself, leaves the mount.
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False, timeout=_SECONDS)


def showers(
    made: Rig, ssh: Callable[[], Ssh], home: Path, listen: str, kinds: Sequence[str], missing: list[str]
) -> list[Shower]:
    """All that can take part, gimmal first, whose agents are started.

    Args:
        made: pair and relay.
        ssh: starts an sshd where the files are; called where it is needed.
        home: their folder.
        listen: address and port of the asking side's agent.
        kinds: only these, where there are any.
        missing: what cannot take part, and why, is added.
    """
    ways: dict[str, Callable[[], Shower]] = {
        "gimmal": lambda: _gimmal(made, home, listen),
        "sshfs": lambda: _sshfs(made, ssh(), home),
        "rclone": lambda: _rclone(made, ssh(), home),
    }
    found = []
    for kind, way in ways.items():
        if kinds and kind not in kinds:
            continue
        try:
            _check_system()
            found.append(way())
        except Missing as exc:
            missing.append(str(exc))
    return found


def _check_system() -> None:
    if not os.path.exists("/dev/fuse"):
        raise Missing("this machine has no /dev/fuse: nothing can be mounted")
    if os.getuid():
        raise Missing("only root mounts and unmounts here")


def _gimmal(made: Rig, home: Path, listen: str) -> Shower:
    made.agent("a", f"home={home}")
    local, _address = made.agent("b", listen=listen)
    local.wait_for("connected: ")
    half = ["--half", made.half("b")]
    command = [GIMMAL, "mount", *half]
    return Shower("gimmal", "gimmal mount", lambda place: [*command, str(place)], "home", made.environment("b"), half)


def _sshfs(made: Rig, ssh: Ssh, home: Path) -> Shower:
    install("sshfs", "sshfs")
    head = ["sshfs", "-f", "-F", ssh.config, "-o", f"Ciphers={CIPHER}", f"bench:{home}"]
    return Shower("sshfs", "sshfs, same cipher", lambda place: [*head, str(place)], "", made.environment("b"))


RCLONE_OPTIONS = ["--vfs-cache-mode", "writes", "--vfs-write-back", "0s"]


def _rclone(made: Rig, ssh: Ssh, home: Path) -> Shower:
    install("rclone", "rclone")
    if shutil.which("fusermount3") is None and shutil.which("fusermount") is None:
        raise Missing("rclone cannot mount without fusermount: apt-get install fuse3")
    user = pwd.getpwuid(os.getuid()).pw_name
    remote = ["--sftp-host", ssh.host, "--sftp-port", str(ssh.port), "--sftp-user", user, "--sftp-key-file", ssh.key]

    def command(place: Path) -> list[str]:
        cache = ["--cache-dir", str(place.parent / "cache")]
        return [
            "rclone",
            "mount",
            "--config",
            "/dev/null",
            *cache,
            *remote,
            *RCLONE_OPTIONS,
            f":sftp:{home}",
            str(place),
        ]

    return Shower("rclone", "rclone mount, sftp", command, "", made.environment("b"))
