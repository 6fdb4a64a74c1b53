"""Two sides of one channel with fixed or random keys."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from hashlib import sha256

from gimmal.base.primitives import x25519_public
from gimmal.noise.channel import ChannelInitiator, ChannelSecrets, parse_hello, respond
from gimmal.noise.keys import RootKeys
from gimmal.noise.link_cipher import LinkCipher
from gimmal.noise.renewal import RenewalMaterial

VERSION = 1


@dataclass(frozen=True)
class Party:
    """All that one half brings to a handshake."""

    side: str
    pair_id: bytes
    static_private: bytes
    peer_static_public: bytes
    keys: RootKeys
    version: int = VERSION

    def dial(self, ephemeral: bytes | None = None) -> ChannelInitiator:
        return ChannelInitiator(
            self.version,
            self.pair_id,
            self.side,
            self.static_private,
            self.peer_static_public,
            self.keys,
            ephemeral or os.urandom(32),
        )

    def respond(self, hello: bytes, ephemeral: bytes | None = None) -> tuple[bytes, ChannelSecrets]:
        return respond(
            parse_hello(hello),
            self.version,
            self.pair_id,
            self.side,
            self.static_private,
            self.peer_static_public,
            self.keys,
            ephemeral or os.urandom(32),
        )

    def material(self) -> RenewalMaterial:
        return RenewalMaterial(self.static_private, self.peer_static_public, os.urandom(32))

    def but(self, **changes: object) -> Party:
        return replace(self, **changes)


def fixed(label: str) -> bytes:
    """Return 32 bytes that are the same in every run."""
    return sha256(label.encode()).digest()


def parties(seed: str | None = None) -> tuple[Party, Party]:
    """Return sides a and b of one pair, random unless a seed is given."""
    name = seed or os.urandom(8).hex()
    static_a, static_b = fixed(name + " static a"), fixed(name + " static b")
    pair_id, keys = fixed(name + " pair")[:16], RootKeys.from_root(fixed(name + " root"))
    return (
        Party("a", pair_id, static_a, x25519_public(static_b), keys),
        Party("b", pair_id, static_b, x25519_public(static_a), keys),
    )


def connected(dialler: Party, listener: Party) -> tuple[ChannelSecrets, ChannelSecrets]:
    """Return the secrets of both sides after a handshake."""
    initiator = dialler.dial()
    answer, theirs = listener.respond(initiator.hello)
    return initiator.receive(answer), theirs


def open_record(cipher: LinkCipher, record: bytes) -> tuple[int, int, int, bytes]:
    """Open one whole record and return kind, stream, offset and body."""
    view = memoryview(record)
    length = cipher.check_length(view[:4])
    assert length == len(record) - 4
    out = bytearray(length - 16)
    kind, stream, offset, size = cipher.open_into(view[:4], view[4:], memoryview(out))
    return kind, stream, offset, bytes(out[13 : 13 + size])


def flipped(message: bytes, bit: int) -> bytes:
    bad = bytearray(message)
    bad[bit // 8] ^= 1 << bit % 8
    return bytes(bad)
