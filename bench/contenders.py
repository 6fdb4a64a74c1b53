"""Who is compared: each way to copy, by the same user, on the same disk, in the same run."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from bench.gimmal_rig import GIMMAL, Inside, Rig, here, rig
from bench.line import Line
from bench.processes import Measured, cpu_seconds, forget_peak, peak_mib, run_measured
from bench.ssh_rig import CIPHER, Missing, Ssh, install, sshd

DIRECTIONS = ("download", "upload")
COMPRESSING = "rsync-z"
"""The kind that takes part only where files shrink and the line is slow enough for that to help."""
_REAPED_SECONDS = 3.0

_SFTP_PUT_BUFFER = 261_120
"""The most that an OpenSSH server takes in one write."""


@dataclass(frozen=True)
class Run:
    """One copy: the command's figures, and what the processes behind it used meanwhile."""

    command: Measured
    answerer_cpu: float
    answerer_peak: float
    relay_cpu: float
    agent_cpu: float


@dataclass(frozen=True)
class Contender:
    """One way to copy.

    Attributes:
        name: as tables show it.
        download, upload: the command line that copies a path into a folder of the other side, given both.
        environment: of the command.
        answerer, relay, agent: process ids: who answers, who joins, and the agent on the asking computer; 0 for none.
        ours: it is gimmal.
        yardstick: no peer, for it does less: it shows what this machine can do at all.
        kind: one word for the way, as rows, goals and the command line name it.
    """

    name: str
    download: Callable[[Path, Path], list[str]]
    upload: Callable[[Path, Path], list[str]]
    environment: Mapping[str, str]
    answerer: int
    relay: int = 0
    agent: int = 0
    ours: bool = False
    yardstick: bool = False
    kind: str = ""

    def copy(self, direction: str, source: Path, target: Path) -> Run:
        """Copy ``source`` into the folder ``target`` once."""
        line = (self.download if direction == "download" else self.upload)(source, target)
        before = [cpu_seconds(number) if number else 0.0 for number in (self.answerer, self.relay, self.agent)]
        if self.ours:
            forget_peak(self.answerer)
        measured = run_measured(line, self.environment)
        if self.answerer and not self.ours:
            _wait_for_children(self.answerer)
        after = [cpu_seconds(number) if number else 0.0 for number in (self.answerer, self.relay, self.agent)]
        used = [later - earlier for earlier, later in zip(before, after, strict=True)]
        return Run(measured, used[0], peak_mib(self.answerer) if self.ours else 0.0, used[1], used[2])


def _wait_for_children(process_id: int) -> None:
    deadline = time.monotonic() + _REAPED_SECONDS
    while psutil.Process(process_id).children() and time.monotonic() < deadline:
        time.sleep(0.01)


@dataclass
class Field:
    """Both sides' folders, and those who run.

    Attributes:
        home: folder whose files the answering side shares, all rights.
        away: folder of the asking side.
        contenders: ssh's first, where there are any.
        missing: what could not be compared as wished, and why.
    """

    home: Path
    away: Path
    rig: Rig
    contenders: list[Contender]
    missing: list[str]


@dataclass(frozen=True)
class Ground:
    """What more peers need to know to take part.

    Attributes:
        stack: what they start is stopped with it.
        ssh: the running sshd.
        folder: for what they keep.
        host: address of side ``a``.
        inside: where each side's programs run.
        environment: of commands.
        missing: what could not be compared is added.
    """

    stack: contextlib.ExitStack
    ssh: Ssh
    folder: Path
    host: str
    inside: Inside
    environment: Mapping[str, str]
    missing: list[str]


@contextlib.contextmanager
def field_of(
    parent: Path,
    *,
    sftp: bool,
    tar: bool,
    ssh: bool = True,
    line: Line | None = None,
    more: Callable[[Ground], list[Contender]] | None = None,
) -> Iterator[Field]:
    """Start everything below ``parent``; everything is stopped and removed at the end.

    Args:
        sftp: sftp takes part (one file).
        tar: tar over ssh, and rsync where it is installed, take part (many files).
        ssh: anybody over ssh takes part at all; without it nobody of ``more`` does.
        line: between both sides; they share this machine's loopback where there is none.
        more: adds further peers, as ``peers.more_contenders`` does.
    """
    host, inside = (line.address("a"), line.in_namespace) if line else ("127.0.0.1", here)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(rig(parent, host, inside))
        home, away = made.folder / "home", made.folder / "away"
        home.mkdir()
        away.mkdir()
        contenders: list[Contender] = []
        missing: list[str] = []
        if ssh:
            contenders += _peers(stack, made, missing, sftp=sftp, tar=tar, line=line, more=more)
        ours = gimmal_contenders(made, home, line=line is not None)
        contenders = [_placed(contender, inside) for contender in [*contenders, *ours]]
        yield Field(home, away, made, contenders, missing)


def _peers(
    stack: contextlib.ExitStack,
    made: Rig,
    missing: list[str],
    *,
    sftp: bool,
    tar: bool,
    line: Line | None,
    more: Callable[[Ground], list[Contender]] | None,
) -> list[Contender]:
    """Those who are not gimmal; what cannot be compared is added to ``missing``."""
    try:
        ssh = stack.enter_context(sshd(made.host, made.inside) if line else sshd())
    except Missing as exc:
        missing.append(str(exc))
        return []
    found = _ssh_contenders(ssh, made.environment("b"), sftp=sftp, tar=tar, missing=missing)
    if more:
        (made.folder / "more").mkdir()
        ground = Ground(stack, ssh, made.folder / "more", made.host, made.inside, made.environment("b"), missing)
        found += more(ground)
    return found


def _placed(contender: Contender, inside: Inside) -> Contender:
    """The contender with its commands where side ``b`` is."""

    def download(source: Path, target: Path) -> list[str]:
        return inside("b", contender.download(source, target))

    def upload(source: Path, target: Path) -> list[str]:
        return inside("b", contender.upload(source, target))

    return replace(contender, download=download, upload=upload)


def gimmal_contenders(made: Rig, home: Path, *, line: bool) -> list[Contender]:
    """gimmal over an agent of side ``a`` that shares ``home``; only dialled directly where there is a line."""
    agent, address = made.agent("a", f"home={home}")
    half = ["--half", made.half("b"), "-q"]
    environment = made.environment("b")

    def contender(name: str, way: list[str], kind: str, relay: int = 0, local: int = 0) -> Contender:
        def download(source: Path, target: Path) -> list[str]:
            return [GIMMAL, "cp", "-r", *half, *way, f":home/{source.relative_to(home)}", f"{target}/"]

        def upload(source: Path, target: Path) -> list[str]:
            return [GIMMAL, "cp", "-r", *half, *way, str(source), f":home/{target.relative_to(home)}/"]

        return Contender(name, download, upload, environment, agent.id, relay, local, ours=True, kind=kind)

    if line:
        return [contender("gimmal direct", ["--at", address], "gimmal")]
    found = [
        contender("gimmal direct", ["--at", address], "gimmal"),
        contender("gimmal through the relay", ["--path", "relayed"], "gimmal-relay", relay=made.relay.id),
    ]
    local, _address = made.agent("b")
    local.wait_for("connected: ")
    found.append(contender("gimmal direct, through the agent here", [], "gimmal-agent", local=local.id))
    return found


def _ssh_contenders(
    ssh: Ssh, environment: Mapping[str, str], *, sftp: bool, tar: bool, missing: list[str]
) -> list[Contender]:
    options = ssh.options()
    shell = shlex.join(["ssh", *options, "bench"])

    def scp_download(source: Path, target: Path) -> list[str]:
        return ["scp", "-r", "-p", "-q", *options, ssh.remote(source), str(target)]

    def scp_upload(source: Path, target: Path) -> list[str]:
        return ["scp", "-r", "-p", "-q", *options, str(source), ssh.remote(target)]

    def sftp_line(verb: str, buffer: int) -> Callable[[Path, Path], list[str]]:
        def line(source: Path, target: Path) -> list[str]:
            batch = shlex.quote(f"{verb} -p {source} {target}/")
            rest = shlex.join(["sftp", "-q", "-B", str(buffer), "-R", "256", *options, "-b", "-", "bench"])
            return ["sh", "-c", f"echo {batch} | {rest}"]

        return line

    def tar_download(source: Path, target: Path) -> list[str]:
        pack = shlex.quote(f"tar -C {source.parent} -cf - {source.name}")
        return ["sh", "-c", f"{shell} {pack} | tar -C {target} -xpf -"]

    def tar_upload(source: Path, target: Path) -> list[str]:
        unpack = shlex.quote(f"tar -C {target} -xpf -")
        return ["sh", "-c", f"tar -C {source.parent} -cf - {source.name} | {shell} {unpack}"]

    def rsync(how: str) -> tuple[Callable[[Path, Path], list[str]], Callable[[Path, Path], list[str]]]:
        start = ["rsync", how, "-e", shlex.join(["ssh", *options])]

        def download(source: Path, target: Path) -> list[str]:
            return [*start, ssh.remote(source), f"{target}/"]

        def upload(source: Path, target: Path) -> list[str]:
            return [*start, str(source), ssh.remote(target) + "/"]

        return download, upload

    found = [Contender(f"scp -c {CIPHER}", scp_download, scp_upload, environment, ssh.id, kind="scp")]
    if sftp:
        get, put = sftp_line("get", 262_144), sftp_line("put", _SFTP_PUT_BUFFER)
        found.append(Contender("sftp -B 262144 -R 256, same cipher", get, put, environment, ssh.id, kind="sftp"))
        missing.append(f"sftp uploads with -B {_SFTP_PUT_BUFFER}: with 262144 it ends with 'message too long'")
    if tar:
        found.append(Contender("tar over ssh, same cipher", tar_download, tar_upload, environment, ssh.id, kind="tar"))
        try:
            install("rsync", "rsync")
        except Missing as exc:
            missing.append(str(exc))
        else:
            found.append(Contender("rsync -a, same cipher", *rsync("-a"), environment, ssh.id, kind="rsync"))
            found.append(Contender("rsync -az, same cipher", *rsync("-az"), environment, ssh.id, kind=COMPRESSING))
    return found
