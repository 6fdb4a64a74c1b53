"""Roots and their key ids, as the half stores them (docs/spec/half.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gimmal.base.primitives import hkdf_sha256


def key_id_of(root: bytes) -> bytes:
    """The 8-byte key id of a 32-byte root; the same as the channel's."""
    return hkdf_sha256(b"", root, b"key id", 32)[:8]


@dataclass(frozen=True, slots=True)
class RootSlot:
    """A root and its key id.

    Args:
        root: 32 bytes.
    """

    root: bytes = field(repr=False)
    key_id: bytes = b""

    def __post_init__(self) -> None:
        if len(self.root) != 32:
            raise ValueError("a root has 32 bytes")
        expected = key_id_of(self.root)
        if self.key_id not in (b"", expected):
            raise ValueError("the key id is not the root's")
        object.__setattr__(self, "key_id", expected)


@dataclass(frozen=True, slots=True)
class RetiredGate:
    """The gate key of a root that was erased, kept to recognise a copied half (8 and 32 bytes)."""

    key_id: bytes
    gate_key: bytes = field(repr=False)
