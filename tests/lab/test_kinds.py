"""The networks are what their kinds say: what gets out, from which port, what gets in, how long a round trip takes."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.kinds import DIRECT_MS, DUAL, KINDS, NAT, PROXY, PUBLIC, PUNCHES, RELAY_MS, SAMPLE, Kind, expected
from tests.lab.kinds_network import Internet, internet
from tests.lab.kinds_routers import (
    LAN,
    PROXY_NAME,
    PROXY_PASSWORD,
    PROXY_PORT,
    RELAY_NAME,
    address4,
    address6,
)
from tests.lab.namespaces import Namespace

OWN_PORT, PORTS = 40_000, (50_001, 50_002)

SERVE = """
import selectors, socket, sys
waiting = selectors.DefaultSelector()
for port in sys.argv[1:]:
    listener = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    waiting.register(listener, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in waiting.select():
        connection, (host, port, *_) = key.fileobj.accept()
        connection.sendall(f"{host.removeprefix('::ffff:')} {port}\\n".encode())
        connection.close()
"""
"""Tells whoever connects where it came from."""

ASK = """
import json, socket, sys, time
host, own, patience, *ports = sys.argv[1:]
told = []
for port in map(int, ports):
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(float(patience))
    try:
        sock.bind(("", int(own)))
        began = time.monotonic()
        sock.connect(address)
        took = time.monotonic() - began
        said = sock.makefile().readline().split()
        told.append({"host": said[0], "port": int(said[1]), "seconds": took})
    except OSError as exc:
        told.append({"failure": str(exc)})
    sock.close()
print(json.dumps(told))
"""

CONNECT = """
import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
sock.sendall(sys.argv[3].encode().decode("unicode_escape").encode())
print(sock.makefile().readline())
"""


@contextmanager
def served(namespace: Namespace, *ports: int) -> Iterator[None]:
    process = namespace.start("python3", "-c", SERVE, *map(str, ports), stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        yield


def ask(namespace: Namespace, host: str, *ports: int, own: int = OWN_PORT, seconds: float = 10.0) -> Any:
    return json.loads(namespace.run("python3", "-c", ASK, host, str(own), str(seconds), *map(str, ports)))


def outside(kind: Kind) -> list[str]:
    """Addresses by which the internet knows a computer at home."""
    if kind.name == "firewall":
        return ["7.7.11.2", "2a07:7777:11::2"]
    address = "2a07:7777:11::2" if kind.name == "dual" else address6("home")
    return ([address4("home")] if kind.ipv4 else []) + ([address] if kind.ipv6 else [])


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Kind, Internet]]:
    with internet(request.param, PUBLIC, tmp_path) as networks:
        yield request.param, networks


def test_a_kind_lets_out_and_in_what_it_says(made: tuple[Kind, Internet]) -> None:
    kind, networks = made
    home, guest = networks.home.computer, networks.guest.computer
    with served(guest, *PORTS):
        for host, there in ((address4("guest"), kind.ipv4), (address6("guest"), kind.ipv6)):
            # Where there is no way there is no answer to wait for: a second says that nothing came.
            told = ask(home, host, *PORTS, seconds=10.0 if there and not kind.blocked else 1.0)
            if not there or kind.blocked:
                assert all("failure" in one for one in told)
                continue
            assert {one["host"] for one in told} <= set(outside(kind))
            ports = [one["port"] for one in told]
            assert (ports == [OWN_PORT, OWN_PORT]) == kind.keeps_ports
            assert kind.keeps_ports or len({OWN_PORT, *ports}) == 3
            assert all(one["seconds"] >= DIRECT_MS / 1000 for one in told)
    with served(home, OWN_PORT):
        for host in outside(kind):
            open_ones = {6: kind.lets_in6, 4: kind.lets_in4 and not kind.programs}
            lets_in = open_ones[6 if ":" in host else 4]
            (told,) = ask(guest, host, OWN_PORT, own=0, seconds=10.0 if lets_in else 1.0)
            assert ("failure" not in told) == lets_in, told


def test_the_relay_is_as_far_as_said_by_both_versions(tmp_path: Path) -> None:
    with internet(PUBLIC, NAT, tmp_path) as networks, served(networks.relay, *PORTS):
        for computer, hosts in (
            (networks.home.computer, (address4("relay"), address6("relay"))),
            (networks.guest.computer, (address4("relay"),)),
        ):
            for host in hosts:
                (told,) = ask(computer, host, PORTS[0])
                assert told["seconds"] >= RELAY_MS / 1000
        before = networks.relay_bytes()
        ask(networks.home.computer, address4("relay"), PORTS[1])
        assert networks.relay_bytes() >= before + 8 * 40  # packets of a connection that begins and ends


def test_the_proxy_wants_a_password_and_lets_one_port_through(tmp_path: Path) -> None:
    password = b64encode(f"{PROXY_NAME}:{PROXY_PASSWORD}".encode()).decode()
    given = f"Proxy-Authorization: Basic {password}\\r\\n"
    with internet(PROXY, PUBLIC, tmp_path) as networks, served(networks.relay, 443, 8443):
        for port, more, wanted in ((443, given, " 200 "), (443, "", " 401 "), (8443, given, " 403 ")):
            said = f"CONNECT {RELAY_NAME}:{port} HTTP/1.1\\r\\n{more}\\r\\n"
            answer = networks.home.computer.run("python3", "-c", CONNECT, f"{LAN}.1", str(PROXY_PORT), said)
            assert wanted in answer or (wanted == " 401 " and " 407 " in answer), answer


def test_what_is_expected_does_not_depend_on_who_is_at_home() -> None:
    for home in KINDS:
        for guest in KINDS:
            assert expected(home, guest) == expected(guest, home)
            assert expected(home, guest).path in ("direct", "punched", "relayed")
    assert expected(NAT, NAT).path == ("punched" if PUNCHES else "relayed")
    assert expected(NAT, PUBLIC).path == "direct"
    assert expected(DUAL, DUAL).path == expected(NAT, NAT).path
    assert expected(DUAL, NAT).path == expected(NAT, NAT).path


def test_the_sample_has_each_kind_and_each_expected_path() -> None:
    assert {kind for pair in SAMPLE for kind in pair} == set(KINDS)
    assert {expected(*pair).path for pair in SAMPLE} == {expected(one, other).path for one in KINDS for other in KINDS}
