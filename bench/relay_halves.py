"""Halves for the benches of the relay: an identity without a stick."""

from __future__ import annotations

from gimmal.base.primitives import random_bytes, sign_public
from gimmal.base.side import Side
from gimmal.protocol.relay.proof import RelayIdentity, pair_id_of


def new_identities() -> tuple[RelayIdentity, RelayIdentity]:
    """Both sides of a fresh pair."""
    private_a, private_b, lock = random_bytes(32), random_bytes(32), random_bytes(32)
    sign_a, sign_b = sign_public(private_a), sign_public(private_b)
    pair_id = pair_id_of(lock, sign_a, sign_b)
    return (
        RelayIdentity(pair_id, Side.A, lock, sign_a, sign_b, private_a),
        RelayIdentity(pair_id, Side.B, lock, sign_a, sign_b, private_b),
    )
