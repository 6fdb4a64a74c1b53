"""The relay's machine of one control connection (docs/spec/relay.md, sections 4 to 6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from gimmal.base.errors import AuthenticationFailed, ProtocolViolation
from gimmal.protocol.relay.control import ControlMachine, Ended, KeepAlive
from gimmal.protocol.relay.frames import frames_from_half
from gimmal.protocol.relay.messages import (
    RELAY_VERSION,
    Candidates,
    Challenge,
    Code,
    FromHalf,
    LinkRefused,
    NoAnswerer,
    Offer,
    PeerChanged,
    Prove,
    Refused,
    RequestLink,
    Ticket,
    Welcome,
)
from gimmal.protocol.relay.proof import check_proof

RELAY_KEEP_ALIVE = KeepAlive(ask=30.0, dead=50.0)

ServerEvent = Prove | RequestLink | Candidates
"""``Prove`` has been verified and waits for ``welcome`` or ``refuse``; ``Ended`` comes last."""


class ServerState(Enum):
    """Where a control connection stands, seen from the relay."""

    AWAITING_PROOF = auto()
    DECIDING = auto()
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class Pace:
    """Messages a half may send: ``burst`` at once, then ``per_second``."""

    burst: int = 256
    per_second: float = 32.0


class RelayServerMachine(ControlMachine[FromHalf, ServerEvent]):
    """Challenges, verifies, then carries requests and offers.

    Args:
        pin: SHA-256 of the SubjectPublicKeyInfo of the relay's certificate.
        nonce: 32 fresh random bytes.
        proof_deadline: monotonic second until which the proof must have come.
        pace: how fast the half may talk.
        now: monotonic seconds.
    """

    __slots__ = ("_allowance", "_counted", "_nonce", "_pace", "_pin", "bad_hello", "state")

    def __init__(self, pin: bytes, nonce: bytes, proof_deadline: float, pace: Pace, now: float) -> None:
        super().__init__(frames_from_half(), RELAY_KEEP_ALIVE, now)
        self._pin = pin
        self._nonce = nonce
        self._pace = pace
        self._allowance = float(pace.burst)
        self._counted = now
        self._deadline = proof_deadline
        self.bad_hello = False
        """The far end sent something that no half sends."""
        self.state = ServerState.AWAITING_PROOF
        self._send(Challenge(RELAY_VERSION, nonce))

    def welcome(self, present: bool, last_seen: int, candidates: bytes, now: float, seen: bytes = b"") -> None:
        """Grant the connection, then look at what was sent behind the proof.

        Args:
            present, last_seen, candidates: of the peer's answerer.
            now: monotonic seconds.
            seen: see ``Welcome``.
        """
        if self.ended:
            return
        assert self.state is ServerState.DECIDING
        self.state = ServerState.OPEN
        self._heard = now
        self._send(Welcome(present, last_seen, candidates, seen))
        self._parse(now)

    def refuse(self, code: Code, sentence: str) -> None:
        """Deny the connection and end it."""
        if self.ended:
            return
        self._send(Refused(code, sentence))
        self._end(Ended(code, sentence, by_peer=False))

    def send(self, message: Ticket | Offer | NoAnswerer | LinkRefused | PeerChanged) -> None:
        """Tell the half something; silently dropped unless the connection is open."""
        if self.ended is None and self.state is ServerState.OPEN:
            self._send(message)

    def _handle(self, message: FromHalf) -> None:
        if self.state is ServerState.AWAITING_PROOF:
            if not isinstance(message, Prove):
                raise ProtocolViolation("the half did not answer the challenge")
            self._check(message)
        elif isinstance(message, RequestLink | Candidates):
            self._emit(message)
        else:
            raise ProtocolViolation("the half sent a message out of order")

    def _check(self, proof: Prove) -> None:
        if proof.version != RELAY_VERSION:
            self.refuse(Code.VERSION, f"this relay speaks version {RELAY_VERSION} of the relay protocol")
            return
        try:
            check_proof(proof, self._pin, self._nonce)
        except AuthenticationFailed:
            self.bad_hello = True
            self.refuse(Code.PROOF, "this half could not prove that it belongs to its pair")
            return
        self._deadline = None
        self.state = ServerState.DECIDING
        self._emit(proof)

    def _check_pace(self, now: float) -> None:
        grown = self._allowance + (now - self._counted) * self._pace.per_second
        self._allowance = min(float(self._pace.burst), grown) - 1.0
        self._counted = now
        if self._allowance < 0:
            self._fail(Code.TOO_FAST, "too many messages in too short a time")
            raise ProtocolViolation("too many messages in too short a time")

    def _fail(self, code: Code, sentence: str) -> None:
        if self.state is ServerState.AWAITING_PROOF and code is Code.VIOLATION:
            self.bad_hello = True
        super()._fail(code, sentence)

    def _deadline_passed(self) -> None:
        self._end(Ended(Code.SILENT, "no proof came in time", by_peer=False))

    def _is_open(self) -> bool:
        return self.state is ServerState.OPEN

    def _is_deciding(self) -> bool:
        return self.state is ServerState.DECIDING
