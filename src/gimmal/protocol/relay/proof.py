"""What a half signs to show a relay that it is one side of a pair (docs/spec/relay.md, section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gimmal.base.errors import AuthenticationFailed
from gimmal.base.primitives import equal, sha256, sign, verify
from gimmal.base.side import Side
from gimmal.protocol.relay.messages import RELAY_VERSION, Prove, Role

_LABEL = b"gimmal relay proof v1"
_PAIR_LABEL = b"gimmal pair v1"
_ROLE_BYTES = {Role.ANSWERS: b"\x01", Role.ASKS: b"\x02"}


@dataclass(frozen=True, slots=True)
class RelayIdentity:
    """What a half shows and signs with.

    Args:
        pair_id: 16 bytes.
        side: ``a`` or ``b``.
        lock: 32 bytes, hash of the disable code.
        sign_a: Ed25519 public key of side a.
        sign_b: Ed25519 public key of side b.
        sign_private: Ed25519 private key of this side.
    """

    pair_id: bytes
    side: Side
    lock: bytes = field(repr=False)
    sign_a: bytes = field(repr=False)
    sign_b: bytes = field(repr=False)
    sign_private: bytes = field(repr=False)


def pair_id_of(lock: bytes, sign_a: bytes, sign_b: bytes) -> bytes:
    """The 16-byte pair id that belongs to a lock and the two public signing keys."""
    return sha256(_PAIR_LABEL, lock, sign_a, sign_b)[:16]


def signed_bytes(pin: bytes, nonce: bytes, pair_id: bytes, side: Side, role: Role, instance: bytes) -> bytes:
    """The message under the proof's signature; every part has a fixed size."""
    return b"".join((_LABEL, pin, nonce, pair_id, side.value.encode(), _ROLE_BYTES[role], instance))


def make_proof(
    identity: RelayIdentity,
    pin: bytes,
    nonce: bytes,
    role: Role,
    instance: bytes,
    program: str,
    candidates: bytes,
) -> Prove:
    """Sign a relay's challenge.

    Args:
        identity: this half.
        pin: SHA-256 of the key of the certificate that this TLS connection showed.
        nonce: of the challenge.
        role: what the connection is for.
        instance: 16 random bytes of this program run.
        program: version of this program.
        candidates: sealed, may be empty.
    """
    side = Side(identity.side)
    message = signed_bytes(pin, nonce, identity.pair_id, side, role, instance)
    return Prove(
        version=RELAY_VERSION,
        pair_id=identity.pair_id,
        side=side,
        role=role,
        instance=instance,
        lock=identity.lock,
        sign_a=identity.sign_a,
        sign_b=identity.sign_b,
        signature=sign(identity.sign_private, message),
        program=program,
        candidates=candidates,
    )


def check_proof(proof: Prove, pin: bytes, nonce: bytes) -> None:
    """Verify a proof against the relay's own pin and the nonce it sent.

    Raises:
        AuthenticationFailed: the ids or the signature do not fit.
    """
    if not equal(pair_id_of(proof.lock, proof.sign_a, proof.sign_b), proof.pair_id):
        raise AuthenticationFailed("the pair id does not belong to these keys")
    message = signed_bytes(pin, nonce, proof.pair_id, proof.side, proof.role, proof.instance)
    verify(proof.sign_a if proof.side is Side.A else proof.sign_b, message, proof.signature)
