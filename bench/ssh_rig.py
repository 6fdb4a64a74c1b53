"""An sshd of the bench's own: own port, own keys, own folder, so that nothing of this machine's is touched."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CIPHER = "aes256-gcm@openssh.com"
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")
_START_SECONDS = 10.0


class Missing(Exception):
    """A program to compare with is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Ssh:
    """A running sshd.

    Attributes:
        id: process id of the daemon; what its children used is counted to it when they have ended.
        config: file for ``-F``; the host in it is called ``bench`` and uses the cipher CIPHER.
        host, port, key: for programs that read no such file; the user is the one who runs this.
    """

    id: int
    config: str
    host: str
    port: int
    key: str

    def options(self) -> list[str]:
        """For ssh, scp and sftp."""
        return ["-F", self.config, "-c", CIPHER]

    def remote(self, path: Path) -> str:
        """A path on the other side, for scp and sftp."""
        return f"bench:{path}"


@contextlib.contextmanager
def sshd(host: str = "127.0.0.1", inside: Callable[[str, Sequence[str]], list[str]] | None = None) -> Iterator[Ssh]:
    """Start sshd on a free port of this machine, or of the place where side ``a`` is.

    Args:
        host: address to listen on.
        inside: where each side's programs run; this machine, where there is none.

    Raises:
        Missing: there is no sshd, and this is not root, who could install it.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="gimmal-ssh-") as name:
        folder = Path(name)
        for key in ("host", "user"):
            _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)])
        port = _free_port()
        _write_server_config(folder, host, port)
        _write_client_config(folder, host, port)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with open(folder / "log", "wb") as log:
            command = [program, "-D", "-e", "-f", str(folder / "sshd_config")]
            process = subprocess.Popen(inside("a", command) if inside else command, stderr=log)
        try:
            made = Ssh(process.pid, str(folder / "config"), host, port, str(folder / "user"))
            if inside:
                _wait_inside(made, inside, folder / "log")
            else:
                _wait(port, process, folder / "log")
            yield made
        finally:
            process.terminate()
            process.wait(10)


def install(program: str, package: str) -> None:
    """Have a program that is compared.

    Raises:
        Missing: it is not there, and cannot be installed by whoever runs this.
    """
    if shutil.which(program) is None and os.getuid() == 0 and shutil.which("apt-get"):
        with contextlib.suppress(subprocess.SubprocessError):
            _run(["apt-get", "update", "-q"])
            _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", package])
    if shutil.which(program) is None:
        raise Missing(f"{program} is not installed and not compared: apt-get install {package}")


def _program() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = shutil.which("sshd", path=path)
    if (found is None or shutil.which("scp") is None) and os.getuid() == 0 and shutil.which("apt-get"):
        _run(["apt-get", "update", "-q"])
        _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "openssh-server", "openssh-client"])
        found = shutil.which("sshd", path=path)
    if found is None or shutil.which("scp") is None:
        raise Missing("scp and sshd are missing: apt-get install openssh-server openssh-client")
    return found


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)


def _write_server_config(folder: Path, host: str, port: int) -> None:
    sftp = next((path for path in _SFTP_SERVERS if os.path.exists(path)), "internal-sftp")
    (folder / "sshd_config").write_text(
        f"""Port {port}
ListenAddress {host}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile {folder}/pid
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PrintMotd no
LogLevel ERROR
Compression no
MaxStartups 100
Subsystem sftp {sftp}
""",
        encoding="utf-8",
    )


def _write_client_config(folder: Path, host: str, port: int) -> None:
    (folder / "config").write_text(
        f"""Host bench
HostName {host}
Port {port}
User {pwd.getpwuid(os.getuid()).pw_name}
IdentityFile {folder}/user
IdentitiesOnly yes
UserKnownHostsFile /dev/null
StrictHostKeyChecking no
Compression no
LogLevel ERROR
BatchMode yes
""",
        encoding="utf-8",
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(2)
            if connection.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    raise Missing(f"sshd does not start: {log.read_text(encoding='utf-8', errors='replace').strip()}")


def _wait_inside(made: Ssh, inside: Callable[[str, Sequence[str]], list[str]], log: Path) -> None:
    command = inside("b", ["ssh", *made.options(), "bench", "true"])
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if subprocess.run(command, capture_output=True, timeout=_START_SECONDS).returncode == 0:
            return
        time.sleep(0.1)
    raise Missing(f"sshd does not start: {log.read_text(encoding='utf-8', errors='replace').strip()}")
