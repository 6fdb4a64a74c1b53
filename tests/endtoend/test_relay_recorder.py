"""All that a relay sees of listings and copies: no name, no content, no key."""

from __future__ import annotations

import base64
import os
import sqlite3
from pathlib import Path

import msgspec

from gimmal.half.opened import OpenedHalf
from gimmal.half.reading import open_half
from tests.endtoend.wire import Wire
from tests.endtoend.world import FULL, World, until
from tests.figures import figure

CANARIES = 1000 if FULL else 100

# The relay as it is, but everything that it reads and writes inside TLS is written down too.
RECORDING = """
import os
from gimmal.base import tls_stream
from gimmal.relay import control
record = os.open(os.environ["RECORD"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
reading, writing = control.ControlConnection.stream_data, tls_stream.TlsStream.write
def stream_data(self, data):
    os.write(record, data)
    return reading(self, data)
def write(self, data):
    os.write(record, data)
    return writing(self, data)
control.ControlConnection.stream_data = stream_data
tls_stream.TlsStream.write = write
from gimmal.frontends.cli.main import run; run()
"""


def secrets_of(half: OpenedHalf) -> dict[str, bytes]:
    """Everything in a half that a relay must never see."""
    return {
        "root": half.root,
        "static private": half.static_private,
        "signing private": half.sign_private,
        "storage key": half.storage_key,
        "discovery secret": half.discovery_secret,
        "lineage": half.lineage_id,
        "peer static public": half.peer_static_public,
    }


def forms(secret: bytes) -> list[bytes]:
    """How bytes may be written down."""
    return [secret, secret.hex().encode(), base64.b64encode(secret)[:-4], base64.urlsafe_b64encode(secret)[:-4]]


def test_the_relay_sees_neither_names_nor_contents_nor_keys(world: World) -> None:
    record = world.base / "record"
    relay = world.start(
        world.a,
        "relay",
        "--listen",
        "127.0.0.1:0",
        "--state",
        world.base / "relay",
        "--log-level",
        "debug",
        "--json",
        driver=RECORDING,
        environment={"RECORD": str(record)},
    )
    url = relay.wait_line("relay: ")
    port = int(url.partition("#")[0].rstrip("/").rpartition(":")[2])
    wire = Wire(port, record=True)
    try:
        code = world.run(
            world.a,
            "pair",
            world.a.half,
            world.b.half,
            "--name",
            "canary-pair-name",
            "--no-password",
            "--relay",
            url.replace(f":{port}/", f":{wire.port}/"),
        )
        disable_code = next(line for line in code.lines if line.startswith("disable code: ")).split()[-1]
        names = [f"canary-name-{index:04}-ö-{index * 7919:08x}" for index in range(CANARIES)]
        contents = [f"canary-content-{index:04}-{index * 104729:010x}".encode() for index in range(CANARIES)]
        shared = world.a.folder("canary-share")
        for name, content in zip(names, contents, strict=True):
            (shared / f"folder-{name[:13]}").mkdir(exist_ok=True)
            (shared / f"folder-{name[:13]}" / name).write_bytes(content * 20)
        (shared / "large").write_bytes(b"".join(contents) * ((6 << 20) // len(b"".join(contents))))
        agent = world.up(world.a, shared, listen=None)
        relayed = ["--path", "relayed"]
        plain = [*relayed, "--no-compress"]  # all of it is to pass the wire
        listed = world.run(world.b, "tree", *relayed, ":canary-share").out
        assert all(name in listed for name in names)
        world.run(world.b, "cp", "-r", *plain, ":canary-share", "down")
        world.run(world.b, "cp", "-r", *plain, "down", ":canary-share/up")
        assert len(list(world.b.disk.rglob("canary-name-*"))) == CANARIES
        assert len(list((shared / "up").rglob("canary-name-*"))) == CANARIES
        world.run(world.b, "rm", "-r", *relayed, ":canary-share/up")
        agent.stop()
        assert relay.stop().code == 0
    finally:
        wire.close()
    control = record.read_bytes()
    state = b"".join(path.read_bytes() for path in sorted((world.base / "relay").rglob("*")) if path.is_file())
    said = (relay.out + relay.err).encode()
    everything = bytes(wire.seen) + control + state + said
    assert len(wire.seen) > 12 << 20, "both copies went through the relay"
    assert b"gimmal" in control, "the record holds what the halves say to the relay"

    canaries = [name.encode() for name in names] + contents
    canaries += [b"canary-share", b"canary-pair-name", b"canary-name", b"canary-content", b"folder-"]
    seen = [canary for canary in canaries if canary in everything]
    keys: dict[str, bytes] = {"disable code": disable_code.encode()}
    for computer in (world.a, world.b):
        half = open_half(computer.half, None)
        keys |= {f"{name} of {computer.side}": secret for name, secret in secrets_of(half).items()}
    keys_seen = [name for name, secret in keys.items() if any(form in everything for form in forms(secret))]
    figure(f"canaries (of {len(canaries)}) in {len(everything):,} bytes that a relay saw", len(seen), "0")
    figure(f"keys (of {len(keys)}) in what a relay saw", len(keys_seen), "0")
    assert seen == []
    assert keys_seen == []


def test_the_search_itself_finds_what_is_there(world: World) -> None:
    """The control of the test above: the same search over what a half holds finds every key."""
    world.pair(relay=False)
    half = open_half(world.a.half, None)
    stick = b"".join(path.read_bytes() for path in sorted((world.a.half).rglob("*")) if path.is_file())
    assert msgspec.json.decode((world.a.half / "GIMMAL" / "half.json").read_bytes())
    for secret in secrets_of(half).values():
        assert len(secret) >= 16
        # Sealed on the stick even without a password.
        assert not any(form in stick for form in forms(secret))
        assert any(form in stick + secret for form in forms(secret))


def test_the_ledger_counts_bytes_and_nothing_else(world: World) -> None:
    relay = world.start_relay("--json")
    world.pair()
    shared = world.a.folder("shared")
    (shared / "x").write_bytes(os.urandom(3 << 20))
    world.up(world.a, shared, listen=None)
    world.run(world.b, "cp", "--path", "relayed", ":shared/x", ".")
    assert relay.stop().code == 0

    def counted(path: Path) -> int:
        with sqlite3.connect(path) as ledger:
            tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type='table'")]
            assert tables
            total = 0
            for table in tables:
                columns = [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")]
                if "bytes" in columns:
                    total += ledger.execute(f"SELECT sum(bytes) FROM {table}").fetchone()[0] or 0
            return total

    ledger = world.base / "relay" / "ledger.sqlite"
    until(ledger.exists, "the ledger")
    assert 3 << 20 <= counted(ledger) <= 5 << 20
