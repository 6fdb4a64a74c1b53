"""Renewal of a link's keys by a fresh handshake inside it (docs/spec/channel.md, section 7).

The machine decides what is due and derives the new keys; :class:`gimmal.noise.link_cipher.LinkCipher`
owns the ciphers and switches them. Times are seconds of any clock that never runs backwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from gimmal.base.errors import InternalError, ProtocolViolation
from gimmal.noise.channel import KKPSK0, ChannelSecrets, side_byte
from gimmal.noise.gate import NOISE_SIZE
from gimmal.noise.handshake_state import HandshakeState
from gimmal.noise.keys import RootKeys

RENEW_AFTER = 900.0
"""Seconds after which the next sender starts a renewal."""

HOLD_AFTER = 960.0
"""Seconds after which nothing but a renewal may be sent under the old keys."""

_LABEL = b"gimmal renewal"


@dataclass(frozen=True)
class RenewalMaterial:
    """What a renewal needs of the half, which must be present then; kept no longer than the renewal.

    Attributes:
        static_private: this half's X25519 private key.
        peer_static_public: the other half's X25519 public key.
        ephemeral_private: 32 fresh random bytes, used for nothing else.
    """

    static_private: bytes = field(repr=False)
    peer_static_public: bytes = field(repr=False)
    ephemeral_private: bytes = field(repr=False)


class RenewalState(Enum):
    """Where this side of a link stands."""

    IDLE = auto()
    STARTED = auto()
    """We sent RENEW and wait for RENEW_ANSWER."""
    OWES_ANSWER = auto()
    """We have the other side's RENEW and must send RENEW_ANSWER."""
    ANSWERED = auto()
    """We sent RENEW_ANSWER, send under new keys, and wait for RENEW_DONE."""
    OWES_DONE = auto()
    """We have RENEW_ANSWER, receive under new keys, and must send RENEW_DONE."""


class Renewal:
    """One side of the renewals of one link.

    Args:
        version: protocol version of the link.
        pair_id: 16 bytes.
        side: ``a`` or ``b``, this side's.
        keys: of the session root.
        handshake_hash: `h` of the handshake that opened the link.
        now: time at which that handshake ended.
    """

    def __init__(
        self, version: int, pair_id: bytes, side: str, keys: RootKeys, handshake_hash: bytes, now: float
    ) -> None:
        self._front = _LABEL + bytes([version]) + pair_id
        self._side = side_byte(side)
        self._peer_side = b"b" if side == "a" else b"a"
        self._keys = keys
        self._handshake_hash = handshake_hash
        self._since = now
        self._state = RenewalState.IDLE
        self._handshake: HandshakeState | None = None
        self._peer_message = b""
        self._crossed = False

    @property
    def state(self) -> RenewalState:
        """Where this side stands."""
        return self._state

    def due(self, now: float) -> bool:
        """Whether RENEW must be sent before the next record."""
        return self._state is RenewalState.IDLE and now - self._since >= RENEW_AFTER

    def must_hold(self, now: float) -> bool:
        """Whether every other record must wait until the renewal is through."""
        return now - self._since >= HOLD_AFTER

    def start(self, material: RenewalMaterial) -> bytes:
        """Return the body of RENEW."""
        self._expect(RenewalState.IDLE)
        self._handshake = self._new_handshake(True, self._side, material)
        body = self._handshake.write_message(b"")
        self._crossed = False
        self._state = RenewalState.STARTED
        return body

    def receive_renew(self, body: bytes) -> None:
        """Take RENEW of the other side; an answer is then owed, unless ours stays."""
        if len(body) != NOISE_SIZE:
            raise _violation()
        if self._state is RenewalState.STARTED and not self._crossed and self._side == b"a":
            self._crossed = True
            return
        if self._state is RenewalState.STARTED and self._side == b"b":
            self._handshake = None
        elif self._state is not RenewalState.IDLE:
            raise _violation()
        self._peer_message = body
        self._state = RenewalState.OWES_ANSWER

    def answer(self, material: RenewalMaterial, now: float) -> tuple[bytes, ChannelSecrets]:
        """Return the body of RENEW_ANSWER and the new secrets; raises AuthenticationFailed."""
        self._expect(RenewalState.OWES_ANSWER)
        handshake = self._new_handshake(False, self._peer_side, material)
        handshake.read_message(self._peer_message)
        body = handshake.write_message(b"")
        secrets = ChannelSecrets.of(handshake)
        self._finish(secrets, RenewalState.ANSWERED, now)
        return body, secrets

    def receive_answer(self, body: bytes) -> ChannelSecrets:
        """Take RENEW_ANSWER; return the new secrets; raises AuthenticationFailed."""
        if self._state is not RenewalState.STARTED or self._handshake is None or len(body) != NOISE_SIZE:
            raise _violation()
        self._handshake.read_message(body)
        secrets = ChannelSecrets.of(self._handshake)
        self._finish(secrets, RenewalState.OWES_DONE, self._since)
        return secrets

    def done(self, now: float) -> None:
        """Note that RENEW_DONE was sealed."""
        self._expect(RenewalState.OWES_DONE)
        self._since = now
        self._state = RenewalState.IDLE

    def receive_done(self, body_length: int) -> None:
        """Take RENEW_DONE, which has no body."""
        if self._state is not RenewalState.ANSWERED or body_length:
            raise _violation()
        self._state = RenewalState.IDLE

    def _new_handshake(self, initiator: bool, initiator_side: bytes, material: RenewalMaterial) -> HandshakeState:
        return HandshakeState(
            KKPSK0,
            initiator=initiator,
            prologue=self._front + initiator_side + self._keys.key_id + self._handshake_hash,
            s=material.static_private,
            e=material.ephemeral_private,
            rs=material.peer_static_public,
            psks=(self._keys.psk,),
        )

    def _finish(self, secrets: ChannelSecrets, state: RenewalState, now: float) -> None:
        self._handshake_hash = secrets.handshake_hash
        self._handshake = None
        self._peer_message = b""
        self._since = now
        self._state = state

    def _expect(self, state: RenewalState) -> None:
        if self._state is not state:
            raise InternalError(f"a renewal step for {state.name} in state {self._state.name}")


def _violation() -> ProtocolViolation:
    return ProtocolViolation("a renewal record that may not come now", "the other side is broken; connect again")
