"""Further peers: rclone over sftp, sshfs, and magic-wormhole with both of its ends."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Callable
from pathlib import Path

from bench.contenders import Contender, Ground
from bench.ssh_rig import CIPHER, Missing, install
from bench.wormhole_rig import new_code, wormhole

_RCLONE_TRANSFERS = 8


def more_contenders(ground: Ground) -> list[Contender]:
    """Those of the peers that can take part; the others are said to be missing."""
    found = []
    ways: list[Callable[[Ground], Contender]] = [_rclone, _sshfs, _wormhole]
    for way in ways:
        try:
            found.append(way(ground))
        except Missing as exc:
            ground.missing.append(str(exc))
    return found


def _rclone(ground: Ground) -> Contender:
    install("rclone", "rclone")
    ssh = ground.ssh
    user = pwd.getpwuid(os.getuid()).pw_name
    remote = ["--sftp-host", ssh.host, "--sftp-port", str(ssh.port), "--sftp-user", user, "--sftp-key-file", ssh.key]
    tuned = ["--transfers", str(_RCLONE_TRANSFERS), "--checkers", str(_RCLONE_TRANSFERS), "--sftp-chunk-size", "255k"]
    head = ["rclone", "copy", "-q", "--config", "/dev/null", *remote, *tuned, "--sftp-disable-hashcheck"]
    ground.missing.append(
        f"rclone runs with {' '.join(tuned)} and without the hashes that it would ask the other side for, and with "
        "the cipher of its own ssh, which this version does not let choose"
    )

    def download(source: Path, target: Path) -> list[str]:
        return [*head, f":sftp:{source}", str(target / source.name if source.is_dir() else target)]

    def upload(source: Path, target: Path) -> list[str]:
        return [*head, str(source), f":sftp:{target / source.name if source.is_dir() else target}"]

    return Contender("rclone copy, sftp", download, upload, ground.environment, ssh.id, kind="rclone")


def _sshfs(ground: Ground) -> Contender:
    install("sshfs", "sshfs")
    if not os.path.exists("/dev/fuse"):
        raise Missing("sshfs is not compared: this machine has no /dev/fuse")
    mount = shlex.join(["sshfs", "-F", ground.ssh.config, "-o", f"Ciphers={CIPHER}", "bench:/"])
    stop = next((name for name in ("fusermount3", "fusermount") if _there(name)), "umount")

    def line(copy: str) -> list[str]:
        unmount = f"{stop} -u" if stop != "umount" else stop
        return ["sh", "-c", f'd=$(mktemp -d) && {mount} "$d" && {copy}; r=$?; {unmount} "$d"; rmdir "$d"; exit $r']

    def download(source: Path, target: Path) -> list[str]:
        return line(f'cp -rp "$d"{shlex.quote(str(source))} {shlex.quote(str(target))}/')

    def upload(source: Path, target: Path) -> list[str]:
        return line(f'cp -rp {shlex.quote(str(source))} "$d"{shlex.quote(str(target))}/')

    return Contender("cp -r, sshfs, same cipher", download, upload, ground.environment, ground.ssh.id, kind="sshfs")


def _there(program: str) -> bool:
    return any(os.access(f"{folder}/{program}", os.X_OK) for folder in os.environ.get("PATH", "").split(":"))


def _wormhole(ground: Ground) -> Contender:
    made = ground.stack.enter_context(wormhole(ground.host, lambda command: ground.inside("a", command), ground.folder))

    def line(source: Path, target: Path, sender: str, receiver: str) -> list[str]:
        code = new_code()
        send = shlex.join(ground.inside(sender, made.send(source, code)))
        receive = shlex.join(ground.inside(receiver, made.receive(target, code)))
        # No ending of the sender is waited for but a good one: what counts is what came.
        return ["sh", "-c", f"{send} & {receive}; r=$?; [ $r = 0 ] || kill $!; wait $! ; exit $r"]

    def download(source: Path, target: Path) -> list[str]:
        return line(source, target, "a", "b")

    def upload(source: Path, target: Path) -> list[str]:
        return line(source, target, "b", "a")

    return Contender("magic-wormhole", download, upload, ground.environment, made.id, kind="wormhole")
