"""``gimmal relay`` as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gimmal.base.errors import LocalError, UsageError
from gimmal.protocol.relay.messages import Code
from gimmal.protocol.relay.url import RelayUrl
from gimmal.relay.certificate import load_or_make_certificate, server_context
from gimmal.relay.ledger_sqlite import SqliteLedger
from gimmal.relay.run import RelayOptions, run_relay
from tests.patience import within
from tests.relay.halves import DEADLINE, LinkQueue, answering, asking, new_pair, read_exactly

COMMAND = [sys.executable, "-c", "from gimmal.frontends.cli.relay import command; command()"]


def start(state: Path, *more: str) -> tuple[subprocess.Popen[str], RelayUrl]:
    process = subprocess.Popen(
        [*COMMAND, "--listen", "127.0.0.1:0", "--state", str(state), "--json", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("relay: ")
    return process, RelayUrl.parse(line.removeprefix("relay: ").rstrip("\n"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly_and_keeps_key_and_counts(tmp_path: Path, number: signal.Signals) -> None:
    state = tmp_path / "deep" / "state"
    process, url = start(state, "--log-level", "debug")
    pair = new_pair()

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        links = LinkQueue()
        agent, command = answering(url, pair.a, links), asking(url, pair.b)
        await agent.connect(DEADLINE)
        near = await command.dial_link(DEADLINE)
        far = await links.next()
        await loop.sock_sendall(near, b"GIMMAL-CANARY" + bytes(12_000))
        await read_exactly(far, 12_013)
        started = time.monotonic()
        process.send_signal(number)
        async with asyncio.timeout(DEADLINE):
            assert (await agent.closed).code == Code.STOPPING
        await loop.run_in_executor(None, process.wait, DEADLINE)
        took = time.monotonic() - started
        for sock in (near, far):
            sock.close()
        await command.close()
        await agent.close()
        return took

    took = asyncio.run(scenario())
    out, err = process.communicate()
    assert process.returncode == 0 and out == ""
    assert within(took, 3, f"relay process: seconds from {number.name} to its end")
    for line in err.splitlines():
        assert {"time", "level", "event"} <= json.loads(line).keys()
    secrets = [pair.a.lock.hex(), pair.a.sign_private.hex(), "CANARY", "127.0.0.1"]
    assert not [secret for secret in secrets if secret in err]
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "relay-key.pem").stat().st_mode) == 0o600
    ledger = SqliteLedger(state / "ledger.sqlite", 10)
    assert [entry.bytes for entry in ledger.usage(pair.pair_id)] == [12_013]
    ledger.close()
    again, same = start(state)
    assert same.pin == url.pin
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=DEADLINE)
    assert again.returncode == 0


def test_killed_relay_starts_again_with_the_same_key(tmp_path: Path) -> None:
    process, url = start(tmp_path)
    process.kill()
    process.communicate()
    process, same = start(tmp_path)
    assert same.pin == url.pin
    process.terminate()
    process.communicate(timeout=DEADLINE)


def test_name_stands_in_the_url(tmp_path: Path) -> None:
    process, url = start(tmp_path, "--name", "Relay.example.org")
    assert url.host == "relay.example.org" and url.pin is not None
    process.terminate()
    process.communicate(timeout=DEADLINE)


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [("relay.example.org:443", "relay.example.org", 443), ("[2001:db8::1]:443", "2001:db8::1", 443)],
)
def test_a_port_of_a_reverse_proxy_stands_in_the_url(tmp_path: Path, name: str, host: str, port: int) -> None:
    process, url = start(tmp_path, "--name", name, "--behind", "127.0.0.1", "--behind", "2001:db8::7")
    assert (url.host, url.port) == (host, port) and url.pin is not None
    process.terminate()
    process.communicate(timeout=DEADLINE)


def test_taken_port_and_busy_or_unwritable_state_are_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            run_relay(RelayOptions(f"127.0.0.1:{port}", tmp_path / "one"))
        assert caught.value.exit_code == 9 and caught.value.hint
    process, _ = start(tmp_path / "two")
    with pytest.raises(LocalError, match="another relay"):
        run_relay(RelayOptions("127.0.0.1:0", tmp_path / "two"))
    process.terminate()
    process.communicate(timeout=DEADLINE)
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError) as caught:
        run_relay(RelayOptions("127.0.0.1:0", tmp_path / "file" / "state"))
    assert caught.value.exit_code == 9


@pytest.mark.parametrize(
    ("listen", "name"),
    [
        ("nonsense", None),
        ("127.0.0.1:0", "bad name"),
        ("127.0.0.1:0", "a/b"),
        ("127.0.0.1:0", "a:0"),
        ("127.0.0.1:0", "a:65536"),
    ],
)
def test_senseless_options_make_nothing(tmp_path: Path, listen: str, name: str | None) -> None:
    with pytest.raises(UsageError):
        run_relay(RelayOptions(listen, tmp_path / "state", name))
    assert not (tmp_path / "state").exists()


def test_a_reverse_proxy_is_named_by_its_address(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"proxy\.example is no address"):
        run_relay(RelayOptions("127.0.0.1:0", tmp_path / "state", behind=("proxy.example",)))
    assert not (tmp_path / "state").exists()


def test_damaged_key_is_never_replaced_silently(tmp_path: Path) -> None:
    certificate, key = load_or_make_certificate(tmp_path)
    _, pin = server_context(certificate, key)
    certificate.unlink()
    # A lost certificate is made anew over the same key.
    assert server_context(*load_or_make_certificate(tmp_path))[1] == pin
    key.write_bytes(key.read_bytes()[:100])
    with pytest.raises(LocalError):
        server_context(*load_or_make_certificate(tmp_path))
    assert os.path.getsize(key) == 100
