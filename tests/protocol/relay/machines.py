"""A half's machine and a relay's machine, with bytes shuttled between them."""

from __future__ import annotations

from gimmal.base.primitives import sha256, sign_public
from gimmal.base.side import Side
from gimmal.protocol.relay.client import RelayClientMachine
from gimmal.protocol.relay.messages import Role
from gimmal.protocol.relay.proof import RelayIdentity, pair_id_of
from gimmal.protocol.relay.server import Pace, RelayServerMachine

PIN, NONCE = sha256(b"pin"), sha256(b"nonce")
PRIVATE_A, PRIVATE_B, LOCK = sha256(b"a"), sha256(b"b"), sha256(b"lock")
SIGN_A, SIGN_B = sign_public(PRIVATE_A), sign_public(PRIVATE_B)
IDENTITY = RelayIdentity(pair_id_of(LOCK, SIGN_A, SIGN_B), Side.A, LOCK, SIGN_A, SIGN_B, PRIVATE_A)


def new_server(pin: bytes = PIN, nonce: bytes = NONCE, pace: Pace | None = None) -> RelayServerMachine:
    return RelayServerMachine(pin, nonce, 5.0, pace or Pace(), 0.0)


def new_client(identity: RelayIdentity = IDENTITY, pin: bytes = PIN) -> RelayClientMachine:
    return RelayClientMachine(identity, pin, Role.ANSWERS, bytes(16), "test", b"sealed", 0.0)


def shuttle(client: RelayClientMachine, server: RelayServerMachine, now: float = 0.0) -> None:
    """Carry bytes both ways until both are quiet."""
    while True:
        down, up = server.data_to_send(), client.data_to_send()
        if not down and not up:
            return
        client.receive_data(down, now)
        server.receive_data(up, now)


def opened() -> tuple[RelayClientMachine, RelayServerMachine]:
    """Two machines past the welcome, their events taken."""
    client, server = new_client(), new_server()
    shuttle(client, server)
    server.welcome(False, 0, b"", 0.0)
    shuttle(client, server)
    client.events()
    server.events()
    return client, server
