"""Two computers in one network: found without a relay, dialled past it, and nothing said to strangers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from gimmal.half.reading import open_half
from gimmal.protocol.lan_names import day_of, label, lan_key
from gimmal.protocol.lan_packets import read_answer, read_question, service_name
from gimmal.relay.ledger_sqlite import SqliteLedger
from tests.endtoend.processes import Relay
from tests.endtoend.world import digest, until, write_file
from tests.figures import figure
from tests.lab.lan_network import ADDRESSES, DEVICE, LanWorld, lan_world
from tests.patience import ALONE, within

SHARED_BYTES = 20_000_000
SESSIONS = 8
COPIES = 3

_LIAR = """
import socket, sys, threading
from gimmal.protocol.lan_packets import Place, encode_answer, host_name, read_question
from gimmal.transport.lan.interfaces import read_interfaces
from gimmal.transport.lan.sockets import group_address, listening_socket

import time
while not (found := [one for one in read_interfaces() if one.name == "br0"]):
    time.sleep(0.01)
(interface,) = found
server = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
port = server.getsockname()[1]

def count():
    while True:
        connection, _ = server.accept()
        print("dialled", flush=True)
        connection.close()

def lie(version):
    sock = listening_socket(interface, version)
    sock.setblocking(True)
    if interface.first(version) is None:
        return
    packed = interface.first(version).packed
    mapped = packed if version == 6 else bytes(10) + b"\\xff\\xff" + packed
    print("ready", flush=True)
    while True:
        packet, source = sock.recvfrom(2000)
        question = read_question(packet)
        for name in question.names if question else ():
            one = encode_answer(question.id, name, Place(host_name("a" * 26), mapped, port))
            record = one[-(34 + 10 + len(packed)):]
            many = one[:10] + (21).to_bytes(2, "big") + one[12:] + record * 20
            huge = one[:10] + (1000).to_bytes(2, "big") + one[12:] + record * 999
            lies = [one, many, huge[:9000], b"\\xff" * 1400, b""]
            for to, said in ((source, [packet, *lies, *[many] * 50]), (group_address(interface, version), lies)):
                for told in said:
                    try:
                        sock.sendto(told, to)
                    except OSError:
                        pass

threading.Thread(target=count, daemon=True).start()
threading.Thread(target=lie, args=(6,), daemon=True).start()
lie(4)
"""


@pytest.fixture
def network() -> Iterator[LanWorld]:
    """Two computers, whose halves are not joined yet."""
    with lan_world() as made:
        yield made


@pytest.fixture
def near(network: LanWorld) -> LanWorld:
    """A pair without a relay."""
    network.world.pair(relay=False, name="garden of anna")
    return network


def shared(near: LanWorld) -> str:
    return str(near.a.folder("shared"))


def key_of(near: LanWorld) -> bytes:
    return lan_key(open_half(near.a.half / "GIMMAL", None).discovery_secret)


def test_a_command_finds_the_other_side_without_a_relay(near: LanWorld) -> None:
    near.world.up(near.a, shared(near), listen=None)
    result = near.world.run(near.b, "ls")
    assert result.lines == ["shared/"]
    assert within(result.seconds, 2, "local network, no relay: seconds to the first listing")
    assert near.world.status(near.b)["other_side"]["path"] == "lan"
    assert near.world.run(near.b, "ls", "--path", "lan").lines == ["shared/"]


def test_agents_find_each_other_whoever_comes_last(near: LanWorld) -> None:
    mine = near.b.folder("mine")
    home = near.world.up(near.a, shared(near), listen=None)
    away = near.world.up(near.b, mine, listen=None)
    began = time.monotonic()
    assert away.wait_connected() == home.wait_connected() == "lan"
    assert within(time.monotonic() - began, 2, "local network, no relay: seconds until two agents are connected")
    assert near.world.run(near.b, "ls").lines == ["shared/"]
    assert near.world.run(near.a, "ls").lines == ["mine/"]
    home.stop()
    away.wait_line("disconnected: ")
    home = near.world.up(near.a, shared(near), listen=None)
    assert home.wait_connected() == away.wait_connected(after=1) == "lan"
    assert home.err == away.err == ""


def test_by_ipv6_alone(near: LanWorld) -> None:
    if not socket.has_ipv6:
        pytest.skip("this system has no IPv6")
    for side in ("a", "b"):
        near.run_in(side, "ip", "-4", "addr", "flush", "dev", DEVICE)
    near.world.up(near.a, shared(near), listen=None)
    assert near.world.run(near.b, "ls").lines == ["shared/"]
    assert near.world.status(near.b)["other_side"]["path"] == "lan"


def test_past_a_relay_that_is_there(network: LanWorld) -> None:
    near = network
    state = near.middle.base / "relay"
    address = f"{ADDRESSES['middle']}:7117"
    relay: Relay = near.world.start(near.middle, "relay", "--listen", address, "--state", state, kind=Relay)
    relay.wait_ready()
    near.world.relay = relay
    near.world.pair()
    pair_id = open_half(near.a.half / "GIMMAL", None).pair_id
    source = write_file(near.a.folder("shared") / "film", SHARED_BYTES)
    home = near.world.up(near.a, shared(near), listen=None)
    near.world.relay_sees(home, near.a)
    begun = [near.world.status(near.b)["other_side"]["path"] for _ in range(SESSIONS)]
    figure("local network: sessions of 8 that began there, beside a relay that is as near", begun.count("lan"), "8")
    # A busy machine may let the relay be quicker now and then.
    assert begun.count("lan") >= (SESSIONS if ALONE else 1)
    for number in range(COPIES):
        done = near.world.json(near.b, "cp", "--path", "lan", ":shared/film", f"film{number}")[-1]
        assert done["path"] == "lan"
        assert digest(near.b.disk / f"film{number}") == digest(source)
    result = near.world.run(near.b, "ls", "--path", "lan")
    assert within(result.seconds, 1.5, "local network, beside a relay: seconds to the first listing, by the LAN path")
    home.stop()
    relay.stop()
    passed = sum(entry.bytes for entry in SqliteLedger(state / "ledger.sqlite", 10).usage(pair_id))
    # Openings of links that another path won, at most.
    figure("local network: bytes through the relay while 60 MB were copied past it", passed, "<= 20,000")
    assert passed <= 20_000


def test_what_is_on_the_wire_says_nothing_to_a_stranger(near: LanWorld) -> None:
    capture = near.capture()
    near.world.up(near.a, shared(near), listen=None)
    assert near.world.run(near.b, "ls").lines == ["shared/"]
    key, today = key_of(near), day_of(time.time())
    names = {service_name(label(key, side, today)) for side in ("a", "b")}

    def answers() -> list[bytes]:
        return [said for _source, said in capture.datagrams() if any(read_answer(said, name) for name in names)]

    until(answers, "an answer on the wire")
    half = open_half(near.a.half / "GIMMAL", None)
    other_days = [label(key, side, today + days).encode() for side in ("a", "b") for days in (-1, 1)]
    secrets = [
        half.pair_id,
        half.pair_id.hex().encode(),
        half.pair_name.encode(),
        half.lineage_id,
        half.key_id,
        *([socket.gethostname().encode()] if len(socket.gethostname()) > 3 else []),
        b"shared",
        *other_days,
    ]
    said = [contents for _source, contents in capture.datagrams()]
    assert said
    for contents in said:
        for secret in secrets:
            assert secret.lower() not in contents.lower(), secret
        # Nothing but our own questions and answers: neither an announcement nor a list of services.
        question = read_question(contents)
        asked = set(question.names) if question is not None else set()
        assert (asked and asked <= names) or any(read_answer(contents, name) for name in names)


def test_who_is_told_to_be_silent_is(near: LanWorld) -> None:
    capture = near.capture()
    home = near.world.up(near.a, shared(near), listen=None, more=["--no-lan"])
    assert "with --at only" in home.out
    result = near.world.run(near.b, "ls", code=7)
    assert "not found in this network" in result.error
    assert "--at" in result.err
    assert near.world.run(near.b, "ls", "--at", home.address).lines == ["shared/"]
    refused = near.world.run(near.b, "ls", environment={"GIMMAL_NO_LAN": "1"}, code=2)
    assert "no relay" in refused.error
    own = socket.inet_aton(ADDRESSES["a"])
    until(capture.datagrams, "the question of the other side")
    assert all(source != own for source, _said in capture.datagrams())
    assert home.err == ""


def test_a_liar_on_the_network_does_no_harm(near: LanWorld) -> None:
    liar = near.python_in_the_middle(_LIAR)
    assert "not found in this network" in near.world.run(near.b, "ls", code=7).error
    near.world.up(near.a, shared(near), listen=None)
    assert near.world.run(near.b, "ls").lines == ["shared/"]
    assert near.world.status(near.b)["other_side"]["path"] == "lan"
    assert liar.running
    assert "dialled" not in liar.out


def test_without_a_network(near: LanWorld) -> None:
    near.run_in("b", "ip", "link", "set", DEVICE, "down")
    near.run_in("b", "ip", "addr", "flush", "dev", DEVICE)
    result = near.world.run(near.b, "ls", code=7)
    assert "not found in this network" in result.error
    away = near.world.up(near.b, near.b.folder("mine"), listen=None)
    near.world.up(near.a, shared(near), listen=None)
    near.run_in("b", "ip", "addr", "add", f"{ADDRESSES['b']}/24", "dev", DEVICE)
    near.run_in("b", "ip", "link", "set", DEVICE, "up")
    # The network has come: both look again by themselves.
    assert away.wait_connected() == "lan"
    assert away.err == ""
