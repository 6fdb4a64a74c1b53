"""A half that was opened: its keys in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gimmal.base.errors import HalfDamaged
from gimmal.base.primitives import sign_public, x25519_public
from gimmal.base.side import Side
from gimmal.half.canonical import DAMAGED_HINT
from gimmal.half.disable_code import pair_id_of
from gimmal.half.format import Header, Payload, WithPassword
from gimmal.half.roots import RetiredGate, RootSlot
from gimmal.half.state import State


@dataclass(frozen=True, slots=True)
class OpenedHalf:
    """Everything a program needs to serve or use a half. Nothing secret is in its repr.

    Args:
        location: the folder ``GIMMAL``.
        root, key_id: the root in use and its 8-byte id; ``pending`` and ``retired`` are for the ratchet.
        relays, relay_tokens: URLs with pins, and the token of each (same order, empty where there is none).
        lock: hash of the disable code.
        storage_key: seals what gimmal keeps on this computer.
        lineage_id: shares, settings and journals hang on it; never sent to a relay or portal.
    """

    location: Path
    pair_id: bytes
    pair_name: str
    side: Side
    generation: int
    has_password: bool
    static_private: bytes = field(repr=False)
    static_public: bytes
    peer_static_public: bytes
    root: bytes = field(repr=False)
    key_id: bytes
    pending: RootSlot | None
    retired: tuple[RetiredGate, ...]
    sign_private: bytes = field(repr=False)
    sign_public: bytes
    peer_sign_public: bytes
    lock: bytes
    relays: tuple[str, ...]
    relay_tokens: tuple[str, ...] = field(repr=False)
    discovery_secret: bytes = field(repr=False)
    storage_key: bytes = field(repr=False)
    state_key: bytes = field(repr=False)
    lineage_id: bytes = field(repr=False)
    read_only_allowed: bool

    @property
    def sign_a(self) -> bytes:
        """Ed25519 public key of side a."""
        return self.sign_public if self.side is Side.A else self.peer_sign_public

    @property
    def sign_b(self) -> bytes:
        """Ed25519 public key of side b."""
        return self.sign_public if self.side is Side.B else self.peer_sign_public


def check_payload(header: Header, payload: Payload) -> None:
    """Check that the keys belong together (spec section 4).

    Raises:
        HalfDamaged: the pair id does not follow from lock and signing keys, or peer and own keys are one.
    """
    sign_own = sign_public(bytes.fromhex(payload.sign_private))
    static_own = x25519_public(bytes.fromhex(payload.static_private))
    sign_peer = bytes.fromhex(payload.peer_sign_public)
    signs = (sign_own, sign_peer) if header.side is Side.A else (sign_peer, sign_own)
    same = sign_own == sign_peer or static_own == bytes.fromhex(payload.peer_static_public)
    if same or pair_id_of(bytes.fromhex(payload.lock), *signs).hex() != header.pair_id:
        raise HalfDamaged("the keys of this half do not belong together", DAMAGED_HINT)


def opened_half(location: Path, header: Header, payload: Payload, state: State) -> OpenedHalf:
    """Put together what `check_payload` and `choose_state` accepted."""
    sign_private = bytes.fromhex(payload.sign_private)
    static_private = bytes.fromhex(payload.static_private)
    return OpenedHalf(
        location=location,
        pair_id=bytes.fromhex(header.pair_id),
        pair_name=header.pair_name,
        side=header.side,
        generation=header.generation,
        has_password=isinstance(header.protection, WithPassword),
        static_private=static_private,
        static_public=x25519_public(static_private),
        peer_static_public=bytes.fromhex(payload.peer_static_public),
        root=state.current.root,
        key_id=state.current.key_id,
        pending=state.pending,
        retired=state.retired,
        sign_private=sign_private,
        sign_public=sign_public(sign_private),
        peer_sign_public=bytes.fromhex(payload.peer_sign_public),
        lock=bytes.fromhex(payload.lock),
        relays=tuple(entry.url for entry in payload.relays),
        relay_tokens=tuple(entry.token for entry in payload.relays),
        discovery_secret=bytes.fromhex(payload.discovery_secret),
        storage_key=bytes.fromhex(payload.storage_key),
        state_key=bytes.fromhex(payload.state_key),
        lineage_id=bytes.fromhex(payload.lineage_id),
        read_only_allowed=payload.read_only_allowed,
    )
