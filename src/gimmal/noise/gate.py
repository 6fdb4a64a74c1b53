"""The gate: what a listener checks before any Diffie-Hellman (docs/spec/channel.md, section 4).

The 89 bytes of wire message 1 have the same layout of version, pair id, key id and tag in every protocol
version, so that a listener can always tell a friend of another version from a stranger.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from gimmal.base.errors import AuthenticationFailed, ProtocolViolation
from gimmal.base.primitives import equal, hmac_sha256
from gimmal.noise.keys import KEY_ID_SIZE

PAIR_ID_SIZE = 16
GATE_TAG_SIZE = 16
NOISE_SIZE = 48
HELLO_SIZE = 89
NOTICE_SIZE = 17
EPHEMERAL_SIZE = 32

_TAG_AT = 1 + PAIR_ID_SIZE + KEY_ID_SIZE
_NOISE_AT = _TAG_AT + GATE_TAG_SIZE
_NOTICE_LABEL = b"gimmal version notice v1"


@dataclass(frozen=True)
class Hello:
    """Wire message 1, taken apart but not yet trusted.

    Attributes:
        version: protocol version of the initiator.
        pair_id: 16 bytes.
        key_id: 8 bytes, names the root whose keys the initiator used.
        tag: gate tag, 16 bytes.
        noise: Noise message 1, 48 bytes (in this version's layout).
    """

    version: int
    pair_id: bytes
    key_id: bytes
    tag: bytes = field(repr=False)
    noise: bytes = field(repr=False)

    @property
    def ephemeral(self) -> bytes:
        """The initiator's ephemeral public key, 32 bytes: what :class:`RecentHellos` remembers."""
        return self.noise[:EPHEMERAL_SIZE]

    def to_bytes(self) -> bytes:
        """The 89 bytes this was parsed from."""
        return bytes([self.version]) + self.pair_id + self.key_id + self.tag + self.noise


def build_hello(version: int, pair_id: bytes, key_id: bytes, gate_key: bytes, noise: bytes) -> bytes:
    """Return wire message 1, 89 bytes."""
    if len(pair_id) != PAIR_ID_SIZE or len(key_id) != KEY_ID_SIZE or len(noise) != NOISE_SIZE:
        raise ValueError("a part of message 1 has a wrong size")
    front = bytes([version]) + pair_id + key_id
    return front + hmac_sha256(gate_key, front, noise)[:GATE_TAG_SIZE] + noise


def parse_hello(message: bytes) -> Hello:
    """Take wire message 1 apart; raises ProtocolViolation unless it has exactly 89 bytes."""
    if len(message) != HELLO_SIZE:
        raise ProtocolViolation(
            f"a first message of {len(message)} bytes instead of {HELLO_SIZE}",
            "the caller is not gimmal; nothing was answered",
        )
    message = bytes(message)
    return Hello(
        version=message[0],
        pair_id=message[1 : 1 + PAIR_ID_SIZE],
        key_id=message[1 + PAIR_ID_SIZE : _TAG_AT],
        tag=message[_TAG_AT:_NOISE_AT],
        noise=message[_NOISE_AT:],
    )


def check_gate(hello: Hello, gate_key: bytes) -> None:
    """Raise AuthenticationFailed unless the gate tag is right; the caller then closes without a byte."""
    front = bytes([hello.version]) + hello.pair_id + hello.key_id
    if not equal(hmac_sha256(gate_key, front, hello.noise)[:GATE_TAG_SIZE], hello.tag):
        raise AuthenticationFailed("a caller does not know this pair's keys", "nothing was answered")


def version_notice(hello: Hello, gate_key: bytes, version: int) -> bytes:
    """Return the 17 bytes that answer a right gate tag of a version this side does not speak."""
    return bytes([version]) + _notice_tag(gate_key, version, hello.to_bytes())


def check_version_notice(notice: bytes, gate_key: bytes, hello: bytes) -> int:
    """Return the version a notice names; raises AuthenticationFailed if it answers no such hello."""
    if len(notice) != NOTICE_SIZE or not equal(_notice_tag(gate_key, notice[0], hello), notice[1:]):
        raise AuthenticationFailed(
            "the answer to the first message was altered", "someone may be tampering with the connection"
        )
    return notice[0]


def _notice_tag(gate_key: bytes, version: int, hello: bytes) -> bytes:
    return hmac_sha256(gate_key, _NOTICE_LABEL, bytes([version]), hello)[:GATE_TAG_SIZE]


class RecentHellos:
    """Ephemeral keys of the latest hellos that passed the gate.

    Args:
        limit: how many are remembered; the oldest gives way.

    Only hellos with a right gate tag may be entered, or strangers could wash the memory out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def admit(self, hello: Hello) -> bool:
        """Remember the hello; return False if it is a repeat, which is then dropped without a byte."""
        if hello.ephemeral in self._seen:
            return False
        self._seen[hello.ephemeral] = None
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return True
