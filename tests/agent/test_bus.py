"""A bus that lets one in and says nothing more holds nobody up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gimmal.agent.awake import logind
from gimmal.agent.awake.logind import LogindHold
from gimmal.agent.service import notices
from gimmal.agent.service.notices import notify
from gimmal.base.errors import LocalError
from tests.patience import PATIENCE


def hold_off() -> str:
    try:
        LogindHold()
    except LocalError as exc:
        return exc.message
    return "held off"


def show() -> str:
    return "shown" if notify("a", "b") else "not shown"


@pytest.mark.parametrize(
    ("bus", "ask", "outcome"),
    [("SESSION", show, "not shown"), ("SYSTEM", hold_off, "the system bus cannot be reached")],
    ids=["notices", "logind"],
)
def test_a_silent_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bus: str, ask: Callable[[], str], outcome: str
) -> None:
    for module in (notices, logind):
        monkeypatch.setattr(module, "REPLY_SECONDS", 0.3)
    said = bytearray()

    def sit() -> None:
        connection, _address = listener.accept()
        with connection:
            while more := connection.recv(4096):
                said.extend(more)
                if b"NEGOTIATE" in more:
                    connection.sendall(b"AGREE_UNIX_FD\r\n")
                elif more.endswith(b"\r\n") and more != b"BEGIN\r\n":
                    connection.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "bus"))
        listener.listen()
        monkeypatch.setenv(f"DBUS_{bus}_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
        sitting = threading.Thread(target=sit, daemon=True)
        sitting.start()
        outcomes: list[str] = []
        asking = threading.Thread(target=lambda: outcomes.append(ask()), daemon=True)
        asking.start()
        asking.join(PATIENCE)
        sitting.join(PATIENCE)
    assert outcomes == [outcome]
    assert b"BEGIN" in said, "it was let in"
    assert b"Hello" in said, "and asked something"
