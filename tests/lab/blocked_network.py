"""A network behind a gate that lets little out: three namespaces of the tests' own, a firewall, a real proxy.

``inside`` is a computer whose only way out is ``gate``; ``outside`` is everything else, with the relay at
``OUTSIDE``. A namespace lives as long as a small process that ends when its stdin does, so nothing is left also where
the tests are killed; no name of it is written anywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.patience import PATIENCE

OUTSIDE = "10.77.2.2"
"""Where the relay is."""

PROXY = "10.77.1.1"
PROXY_PORT = 3128
NAME, PASSWORD = "anna", "tram-violet-kettle"

_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Namespace:
    """A network with a loopback and what is plugged into it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        self.made = self._holder.stdout.readline() == b"ready\n"
        self.started: list[subprocess.Popen[bytes]] = []

    @property
    def pid(self) -> int:
        return self._holder.pid

    def run(self, *command: str, given: str = "") -> str:
        """A command to its end; what it printed."""
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command],
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "PATH": _SBIN},
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A program that runs until the namespace ends."""
        process = subprocess.Popen(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PATH": _SBIN},
        )
        self.started.append(process)
        return process

    def driver(self, run: str) -> str:
        """Python that goes into the namespace before it does ``run``; for commands of a ``World``."""
        return (
            "import ctypes, os\n"
            f"network = os.open('/proc/{self.pid}/ns/net', os.O_RDONLY)\n"
            "assert ctypes.CDLL(None).setns(network, 0) == 0\n"
            "os.close(network)\n" + run
        )

    def close(self) -> None:
        for process in self.started:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait(PATIENCE)
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait(PATIENCE)
        self._holder.stdout.close()


@dataclass
class BlockedNetwork:
    """The three, connected, with nothing blocked yet."""

    inside: Namespace = field(default_factory=Namespace)
    gate: Namespace = field(default_factory=Namespace)
    outside: Namespace = field(default_factory=Namespace)

    def connect(self) -> None:
        for namespace in (self.inside, self.gate, self.outside):
            namespace.run("ip", "link", "set", "lo", "up")
        _plug(self.inside, "10.77.1.2", self.gate, PROXY)
        _plug(self.outside, OUTSIDE, self.gate, "10.77.2.1")
        self.inside.run("ip", "route", "add", "default", "via", PROXY)
        self.outside.run("ip", "route", "add", "default", "via", "10.77.2.1")
        self.gate.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def only_the_proxy(self, directory: Path) -> None:
        """Nothing is forwarded; the gate's proxy wants a name and a password, and lets port 443 through."""
        self.gate.run(
            "nft",
            "-f",
            "-",
            given="table inet t {\n chain f { type filter hook forward priority 0; policy drop; }\n}\n",
        )
        settings = directory / "tinyproxy.conf"
        settings.write_text(
            f"Port {PROXY_PORT}\nListen {PROXY}\nTimeout 600\nMaxClients 100\nLogLevel Critical\n"
            f"BasicAuth {NAME} {PASSWORD}\nConnectPort 443\n"
        )
        self.gate.start("tinyproxy", "-d", "-c", str(settings))
        self._wait_for(self.inside, PROXY, PROXY_PORT)

    def only_tls(self, verdict: str) -> None:
        """Only port 443 is forwarded, and of that no connection that begins as a raw leg does.

        Args:
            verdict: what is done with its packets from then on: ``drop`` or ``reject with tcp reset``.
        """
        # The first packet of a raw leg, and no other, has 33 bytes that begin with "g" (behind 32 bytes of TCP header).
        # Its connection is marked, for it is sent again together with what follows.
        rules = f"""
            table inet t {{
                chain f {{
                    type filter hook forward priority 0; policy drop;
                    ip length 85 @th,96,4 8 @th,256,8 0x67 ct mark set 1 counter
                    ct mark 1 {verdict}
                    tcp dport 443 accept
                    tcp sport 443 accept
                }}
            }}
        """
        self.gate.run("nft", "-f", "-", given=rules)

    def raw_legs_blocked(self) -> int:
        """Packets by which a raw leg was known."""
        return int(self.gate.run("nft", "list", "ruleset").partition("counter packets ")[2].split(" ")[0])

    def reverse_proxy(self, directory: Path, chain: Path, key: Path, relay_port: int) -> None:
        """nginx outside, as in the how-to: TLS on 443 ends at it, WebSocket goes on to a relay on the loopback."""
        settings = directory / "nginx.conf"
        settings.write_text(
            f"""
            daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; worker_processes 1;
            events {{ worker_connections 256; }}
            http {{
                access_log off;
                client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
                uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
                server {{
                    listen {OUTSIDE}:443 ssl;
                    ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
                    location /gimmal/ {{
                        proxy_pass http://127.0.0.1:{relay_port};
                        proxy_http_version 1.1;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection "upgrade";
                        proxy_set_header X-Forwarded-For $remote_addr;
                        proxy_buffering off;
                    }}
                }}
            }}
            """
        )
        self.outside.start("nginx", "-c", str(settings), "-e", str(directory / "error.log"))
        self._wait_for(self.inside, OUTSIDE, 443)

    def _wait_for(self, here: Namespace, host: str, port: int) -> None:
        """Until somebody listens there."""
        here.run(
            "sh",
            "-c",
            f"for try in $(seq 600); do python3 -c 'import socket; socket.create_connection((\"{host}\", {port}), 5)'"
            " 2>/dev/null && exit 0; sleep 0.1; done; exit 1",
        )

    def close(self) -> None:
        for namespace in (self.inside, self.gate, self.outside):
            namespace.close()


def _plug(one: Namespace, one_address: str, other: Namespace, other_address: str) -> None:
    """A cable between two namespaces."""
    name = f"gb{one.pid % 10_000_000}"
    _ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
    for namespace, device, address in ((one, f"{name}a", one_address), (other, f"{name}b", other_address)):
        _ip("link", "set", device, "netns", str(namespace.pid))
        namespace.run("ip", "address", "add", f"{address}/24", "dev", device)
        namespace.run("ip", "link", "set", device, "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, env={**os.environ, "PATH": _SBIN})


@contextmanager
def blocked_network(*programs: str) -> Iterator[BlockedNetwork]:
    """Skips, with the reason, where there can be none.

    Args:
        programs: that are needed besides.
    """
    if os.geteuid() != 0:
        pytest.skip("networks of its own need root")
    missing = [name for name in ("ip", "nft", "unshare", "nsenter", *programs) if not shutil.which(name, path=_SBIN)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (scripts/lab.sh installs it)")
    network = BlockedNetwork()
    try:
        if not all(namespace.made for namespace in (network.inside, network.gate, network.outside)):
            pytest.skip("no network namespace can be made here")
        network.connect()
        yield network
    finally:
        network.close()
