"""HandshakeState of the Noise specification, section 5.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gimmal.base.errors import InternalError, ProtocolViolation
from gimmal.noise.patterns import HandshakePattern, Token
from gimmal.noise.suite import AESGCM_SHA256, Suite
from gimmal.noise.symmetric_state import SymmetricState

DHLEN = 32
MAX_MESSAGE = 65_535
_TAG = 16


@dataclass(frozen=True)
class _Progress:
    """All that a message changes; replaced whole once the message has been worked through."""

    symmetric_state: SymmetricState = field(repr=False)
    re: bytes | None = field(repr=False)
    rs: bytes | None = field(repr=False)
    message_index: int = 0
    psk_index: int = 0


class HandshakeState:
    """One side of a handshake.

    Args:
        pattern: which messages are exchanged.
        initiator: whether this side sends the first message.
        prologue: bytes both sides must agree on.
        s: own static private key, or None.
        e: own ephemeral private key, fresh random bytes for every handshake.
        rs: the other side's static public key where the pattern says it is known.
        psks: pre-shared keys of 32 bytes, in the order of the pattern's `psk` tokens.
        suite: algorithms; product code leaves the default.

    A message that fails raises and leaves the state as it was.
    """

    def __init__(
        self,
        pattern: HandshakePattern,
        initiator: bool,
        prologue: bytes,
        s: bytes | None,
        e: bytes,
        rs: bytes | None,
        psks: Sequence[bytes] = (),
        suite: Suite = AESGCM_SHA256,
    ) -> None:
        if any(len(psk) != 32 for psk in psks):
            raise InternalError("a pre-shared key must be 32 bytes")
        self._pattern = pattern
        self._initiator = initiator
        self._suite = suite
        self._s = s
        self._e = e
        self._psks = tuple(psks)
        symmetric_state = SymmetricState(suite)
        symmetric_state.initialize_symmetric(f"Noise_{pattern.name}_{suite.name}".encode())
        symmetric_state.mix_hash(prologue)
        for ours, tokens in (
            (initiator, pattern.initiator_pre_message),
            (not initiator, pattern.responder_pre_message),
        ):
            for _ in tokens:
                symmetric_state.mix_hash(suite.dh_public(_known(s)) if ours else _known(rs))
        self._progress = _Progress(symmetric_state, None, rs)

    def write_message(self, payload: bytes) -> bytes:
        """WriteMessage(payload): return the message."""
        progress, tokens = self._turn(writing=True)
        buffer: list[bytes] = []
        for token in tokens:
            if token is Token.E:
                public = self._suite.dh_public(self._e)
                buffer.append(public)
                self._mix_ephemeral(progress, public)
            elif token is Token.S:
                public = self._suite.dh_public(_known(self._s))
                buffer.append(progress.symmetric_state.encrypt_and_hash(public))
            else:
                progress = self._mix_secret(progress, token)
        buffer.append(progress.symmetric_state.encrypt_and_hash(payload))
        message = b"".join(buffer)
        if len(message) > MAX_MESSAGE:
            raise InternalError(f"a handshake message of {len(message)} bytes is too long")
        self._progress = progress
        return message

    def read_message(self, message: bytes) -> bytes:
        """ReadMessage(message): return the payload; raises ProtocolViolation or AuthenticationFailed."""
        if len(message) > MAX_MESSAGE:
            raise _bad_length()
        progress, tokens = self._turn(writing=False)
        rest = message
        for token in tokens:
            if token is Token.E:
                public, rest = _take(rest, DHLEN)
                progress = replace(progress, re=public)
                self._mix_ephemeral(progress, public)
            elif token is Token.S:
                taken, rest = _take(rest, DHLEN + (_TAG if progress.symmetric_state.has_key() else 0))
                progress = replace(progress, rs=progress.symmetric_state.decrypt_and_hash(taken))
            else:
                progress = self._mix_secret(progress, token)
        payload = progress.symmetric_state.decrypt_and_hash(rest)
        self._progress = progress
        return payload

    @property
    def finished(self) -> bool:
        """Whether all messages of the pattern have passed."""
        return self._progress.message_index == len(self._pattern.messages)

    def split(self) -> tuple[bytes, bytes]:
        """Split(): this side's sending key and its receiving key, once the handshake is finished."""
        if not self.finished:
            raise InternalError("the handshake is not finished")
        ours, theirs = self._progress.symmetric_state.split()
        return (ours, theirs) if self._initiator else (theirs, ours)

    def get_handshake_hash(self) -> bytes:
        """GetHandshakeHash(): a value unique to this handshake, for channel binding."""
        return self._progress.symmetric_state.get_handshake_hash()

    def _turn(self, writing: bool) -> tuple[_Progress, tuple[Token, ...]]:
        index = self._progress.message_index
        if self.finished or (index % 2 == 0) != (writing == self._initiator):
            raise InternalError("a handshake message out of turn")
        worked_on = replace(
            self._progress,
            symmetric_state=self._progress.symmetric_state.copy(),
            message_index=index + 1,
        )
        return worked_on, self._pattern.messages[index]

    def _mix_ephemeral(self, progress: _Progress, public: bytes) -> None:
        progress.symmetric_state.mix_hash(public)
        if self._pattern.has_psk:
            progress.symmetric_state.mix_key(public)

    def _mix_secret(self, progress: _Progress, token: Token) -> _Progress:
        if token is Token.PSK:
            progress.symmetric_state.mix_key_and_hash(self._psks[progress.psk_index])
            return replace(progress, psk_index=progress.psk_index + 1)
        own, remote = tuple(token.value if self._initiator else reversed(token.value))
        private = self._e if own == "e" else _known(self._s)
        public = _known(progress.re if remote == "e" else progress.rs)
        progress.symmetric_state.mix_key(self._suite.dh(private, public))
        return progress


def _known(key: bytes | None) -> bytes:
    if key is None:
        raise InternalError("the handshake pattern needs a key that was not given")
    return key


def _take(message: bytes, size: int) -> tuple[bytes, bytes]:
    if len(message) < size:
        raise _bad_length()
    return message[:size], message[size:]


def _bad_length() -> ProtocolViolation:
    return ProtocolViolation(
        "a handshake message has an impossible length", "the other side is not gimmal, or is broken"
    )
