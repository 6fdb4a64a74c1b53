"""The handshake that opens a link (docs/spec/channel.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gimmal.base.errors import AuthenticationFailed, ProtocolViolation, VersionMismatch
from gimmal.base.primitives import equal
from gimmal.noise.gate import (
    HELLO_SIZE,
    NOISE_SIZE,
    NOTICE_SIZE,
    Hello,
    RecentHellos,
    build_hello,
    check_gate,
    check_version_notice,
    parse_hello,
    version_notice,
)
from gimmal.noise.handshake_state import HandshakeState
from gimmal.noise.keys import RootKeys, session_root
from gimmal.noise.patterns import handshake_pattern

__all__ = [
    "ANSWER_SIZE",
    "HELLO_SIZE",
    "NOTICE_SIZE",
    "ChannelInitiator",
    "ChannelSecrets",
    "Hello",
    "RecentHellos",
    "RootKeys",
    "check_gate",
    "parse_hello",
    "respond",
    "session_root",
    "version_notice",
]

ANSWER_SIZE = 1 + NOISE_SIZE
KKPSK0 = handshake_pattern("KKpsk0")
_PROLOGUE_LABEL = b"gimmal channel"


@dataclass(frozen=True)
class ChannelSecrets:
    """What a finished handshake yields.

    Attributes:
        send_key: key of this side's sending direction, 32 bytes.
        receive_key: key of the other direction.
        handshake_hash: `h` of the handshake, 32 bytes, the same on both sides.
    """

    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    handshake_hash: bytes = field(repr=False)

    @classmethod
    def of(cls, handshake: HandshakeState) -> ChannelSecrets:
        """Take them from a finished handshake."""
        send_key, receive_key = handshake.split()
        return cls(send_key, receive_key, handshake.get_handshake_hash())


class ChannelInitiator:
    """The dialling side of one handshake.

    Args:
        version: protocol version this program speaks.
        pair_id: 16 bytes.
        side: ``a`` or ``b``, this side's.
        static_private: this half's X25519 private key.
        peer_static_public: the other half's X25519 public key.
        keys: of the half's root for a session's first link, of the session root for every further one.
        ephemeral_private: 32 fresh random bytes, used for nothing else.

    Send :attr:`hello`, read one byte, read up to :meth:`answer_size` bytes in all, pass them to
    :meth:`receive`.
    """

    def __init__(
        self,
        version: int,
        pair_id: bytes,
        side: str,
        static_private: bytes,
        peer_static_public: bytes,
        keys: RootKeys,
        ephemeral_private: bytes,
    ) -> None:
        self._version = version
        self._gate_key = keys.gate_key
        self._handshake = HandshakeState(
            KKPSK0,
            initiator=True,
            prologue=_prologue(version, pair_id, side, keys.key_id),
            s=static_private,
            e=ephemeral_private,
            rs=peer_static_public,
            psks=(keys.psk,),
        )
        noise = self._handshake.write_message(b"")
        self.hello = build_hello(version, pair_id, keys.key_id, keys.gate_key, noise)
        """Wire message 1, 89 bytes."""

    def answer_size(self, first: int) -> int:
        """Return the length of the answer that begins with the byte `first`."""
        return ANSWER_SIZE if first == self._version else NOTICE_SIZE

    def receive(self, answer: bytes) -> ChannelSecrets:
        """Finish with the whole answer.

        Raises:
            VersionMismatch: the other side proved that it speaks another version.
            AuthenticationFailed: altered, or not the peer.
            ProtocolViolation: a length that cannot be.
        """
        if not answer or len(answer) != self.answer_size(answer[0]):
            raise ProtocolViolation(
                "the answer to the first message has an impossible length", "the other side is not gimmal"
            )
        if answer[0] != self._version:
            theirs = check_version_notice(bytes(answer), self._gate_key, self.hello)
            raise VersionMismatch(self._version, theirs)
        self._handshake.read_message(bytes(answer[1:]))
        return ChannelSecrets.of(self._handshake)


def respond(
    hello: Hello,
    version: int,
    pair_id: bytes,
    side: str,
    static_private: bytes,
    peer_static_public: bytes,
    keys: RootKeys,
    ephemeral_private: bytes,
) -> tuple[bytes, ChannelSecrets]:
    """Answer a hello: return wire message 2 (49 bytes) and the secrets of the link.

    Args:
        hello: what :func:`parse_hello` returned.
        version: protocol version this program speaks.
        pair_id: this half's; side: ``a`` or ``b``, this side's (the responder's).
        static_private, peer_static_public: as for :class:`ChannelInitiator`.
        keys: those whose key id the hello names.
        ephemeral_private: 32 fresh random bytes, used for nothing else.

    Raises:
        AuthenticationFailed: wrong pair, key id, tag or handshake; close without a byte.
        VersionMismatch: a friend of another version; send :func:`version_notice`, then close.

    The hello may be a replay: act on nothing until the initiator's first record has been opened.
    """
    if hello.pair_id != pair_id or not equal(hello.key_id, keys.key_id):
        raise AuthenticationFailed("a caller names another pair or unknown keys", "nothing was answered")
    check_gate(hello, keys.gate_key)
    if hello.version != version:
        raise VersionMismatch(version, hello.version)
    handshake = HandshakeState(
        KKPSK0,
        initiator=False,
        prologue=_prologue(version, pair_id, _other(side), keys.key_id),
        s=static_private,
        e=ephemeral_private,
        rs=peer_static_public,
        psks=(keys.psk,),
    )
    handshake.read_message(hello.noise)
    answer = bytes([version]) + handshake.write_message(b"")
    return answer, ChannelSecrets.of(handshake)


def _prologue(version: int, pair_id: bytes, initiator_side: str, key_id: bytes) -> bytes:
    return _PROLOGUE_LABEL + bytes([version]) + pair_id + side_byte(initiator_side) + key_id


def side_byte(side: str) -> bytes:
    """Return the byte that stands for a side in a prologue: 0x61 or 0x62."""
    if side not in ("a", "b"):
        raise ValueError(f"a side is a or b, not {side!r}")
    return side.encode("ascii")


def _other(side: str) -> str:
    return "b" if side_byte(side) == b"a" else "a"
