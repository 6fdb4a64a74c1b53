"""The half's machine of one control connection (docs/spec/relay.md, sections 4 to 6)."""

from __future__ import annotations

from enum import Enum, auto

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.places import parse_place
from gimmal.protocol.relay.control import ControlMachine, Ended, KeepAlive
from gimmal.protocol.relay.frames import frames_from_relay
from gimmal.protocol.relay.messages import (
    RELAY_VERSION,
    Candidates,
    Challenge,
    Code,
    FromRelay,
    LinkRefused,
    NoAnswerer,
    Offer,
    PeerChanged,
    Refused,
    RequestLink,
    Role,
    Ticket,
    Welcome,
)
from gimmal.protocol.relay.proof import RelayIdentity, make_proof

HALF_KEEP_ALIVE = KeepAlive(ask=25.0, dead=45.0)

ClientEvent = Welcome | Ticket | Offer | NoAnswerer | LinkRefused | PeerChanged
"""What the relay said; ``Ended`` comes last, also after Refused."""


class ClientState(Enum):
    """Where a control connection stands, seen from the half."""

    AWAITING_CHALLENGE = auto()
    AWAITING_WELCOME = auto()
    OPEN = auto()


class RelayClientMachine(ControlMachine[FromRelay, ClientEvent]):
    """Answers the challenge, then asks for links and hears of offers.

    Args:
        identity: this half.
        pin: SHA-256 of the key of the certificate that the TLS connection showed.
        role: what the connection is for.
        instance: 16 random bytes of this program run.
        program: version of this program.
        candidates: sealed, may be empty.
        now: monotonic seconds.
    """

    __slots__ = ("_identity", "_pin", "_queued", "candidates", "instance", "program", "role", "state")

    def __init__(
        self,
        identity: RelayIdentity,
        pin: bytes,
        role: Role,
        instance: bytes,
        program: str,
        candidates: bytes,
        now: float,
    ) -> None:
        super().__init__(frames_from_relay(), HALF_KEEP_ALIVE, now)
        self._identity = identity
        self._pin = pin
        self._queued: list[RequestLink] = []
        self.role = role
        self.instance = instance
        self.program = program
        self.candidates = candidates
        self.state = ClientState.AWAITING_CHALLENGE

    def request_link(self, number: int) -> None:
        """Ask for a link; before the challenge it is queued and sent directly behind the proof."""
        request = RequestLink(number)
        if self.state is ClientState.AWAITING_CHALLENGE:
            self._queued.append(request)
        else:
            self._send(request)

    def set_candidates(self, sealed: bytes) -> None:
        """Leave other candidates with the relay."""
        self.candidates = sealed
        if self.state is not ClientState.AWAITING_CHALLENGE:
            self._send(Candidates(sealed))

    def _handle(self, message: FromRelay) -> None:
        if self.state is ClientState.AWAITING_CHALLENGE:
            if not isinstance(message, Challenge):
                raise ProtocolViolation("the relay did not begin with a challenge")
            self._prove(message)
        elif self.state is ClientState.AWAITING_WELCOME:
            if isinstance(message, Welcome):
                if message.seen:
                    parse_place(message.seen)
                self.state = ClientState.OPEN
                self._emit(message)
            elif isinstance(message, Refused):
                self._end(Ended(message.code, message.sentence, by_peer=True))
            else:
                raise ProtocolViolation("the relay answered the proof with something else")
        elif isinstance(message, Ticket | Offer | NoAnswerer | LinkRefused | PeerChanged):
            self._emit(message)
        else:
            raise ProtocolViolation("the relay sent a message out of order")

    def _prove(self, challenge: Challenge) -> None:
        if challenge.version != RELAY_VERSION:
            newer = "this computer" if challenge.version > RELAY_VERSION else "the relay"
            sentence = f"it speaks version {challenge.version} of the relay protocol; update gimmal on {newer}"
            self._end(Ended(Code.VERSION, sentence, by_peer=False))
            return
        self._send(
            make_proof(
                self._identity,
                self._pin,
                challenge.nonce,
                self.role,
                self.instance,
                self.program,
                self.candidates,
            )
        )
        for request in self._queued:
            self._send(request)
        self._queued.clear()
        self.state = ClientState.AWAITING_WELCOME

    def _is_open(self) -> bool:
        return self.state is ClientState.OPEN
