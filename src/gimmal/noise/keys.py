"""Keys derived from a root (docs/spec/channel.md, section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gimmal.base.primitives import hkdf_sha256

ROOT_SIZE = 32
KEY_ID_SIZE = 8
SESSION_RANDOM_SIZE = 32

_PSK_INFO = b"noise psk"
_GATE_INFO = b"gate"
_KEY_ID_INFO = b"key id"
_SESSION_INFO = b"gimmal session v1"


@dataclass(frozen=True)
class RootKeys:
    """What a handshake needs of a root.

    Attributes:
        psk: pre-shared key of the Noise handshake, 32 bytes.
        gate_key: key of the gate tag, 32 bytes.
        key_id: names the root on the wire, 8 bytes, not secret.
    """

    psk: bytes = field(repr=False)
    gate_key: bytes = field(repr=False)
    key_id: bytes

    @classmethod
    def from_root(cls, root: bytes) -> RootKeys:
        """Derive the keys of a 32-byte root: a half's root or a session root."""
        _require(root, ROOT_SIZE)
        return cls(
            psk=hkdf_sha256(b"", root, _PSK_INFO, 32),
            gate_key=hkdf_sha256(b"", root, _GATE_INFO, 32),
            key_id=hkdf_sha256(b"", root, _KEY_ID_INFO, KEY_ID_SIZE),
        )


def session_root(handshake_hash: bytes, root: bytes, random_initiator: bytes, random_responder: bytes) -> bytes:
    """Return the 32-byte root of a session.

    Args:
        handshake_hash: `h` of the handshake that opened the session.
        root: the half's root that this handshake used.
        random_initiator: the 32 random bytes of the HELLO record of that handshake's initiator.
        random_responder: those of the responder.
    """
    _require(handshake_hash, 32)
    _require(root, ROOT_SIZE)
    _require(random_initiator, SESSION_RANDOM_SIZE)
    _require(random_responder, SESSION_RANDOM_SIZE)
    return hkdf_sha256(handshake_hash, root + random_initiator + random_responder, _SESSION_INFO, 32)


def _require(value: bytes, size: int) -> None:
    # Parts are joined without lengths, so a part of another size could move into its neighbour.
    if len(value) != size:
        raise ValueError(f"expected {size} bytes, not {len(value)}")
