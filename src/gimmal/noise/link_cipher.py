"""Both directions of one link with their renewal, as one object (docs/spec/channel.md, sections 6 and 7)."""

from __future__ import annotations

from gimmal.base.errors import InternalError, PeerError, ProtocolViolation
from gimmal.base.primitives import Buffer
from gimmal.noise.channel import ChannelSecrets
from gimmal.noise.keys import RootKeys
from gimmal.noise.records import HEADER_SIZE, RecordOpener, RecordSealer
from gimmal.noise.renewal import Renewal, RenewalMaterial, RenewalState

RENEW = 0x0B
RENEW_ANSWER = 0x0C
RENEW_DONE = 0x0D


class LinkCipher:
    """Seals and opens the records of one link and switches its keys.

    Args:
        secrets: of the handshake that opened the link.

    Everything sealed must be sent in the order in which it was sealed, each exactly once. After an error
    of an opening call the link must be closed; :meth:`close` drops all keys.

    Renewal, from the caller's view: before sending ask :meth:`renewal_due` and if so send what
    :meth:`start_renewal` returns; while :meth:`must_hold` says so send nothing but renewal records. After
    opening a record of kind RENEW or RENEW_ANSWER look at :attr:`owes`: on RENEW_ANSWER send
    :meth:`answer_renewal`, on RENEW_DONE send :meth:`finish_renewal`, both as soon as possible. Nothing
    else in records of kind 0x0B to 0x0D concerns the caller.
    """

    __slots__ = ("_handshake_hash", "_next_key", "_opener", "_renewal", "_sealer")

    def __init__(self, secrets: ChannelSecrets) -> None:
        self._sealer = RecordSealer(secrets.send_key)
        self._opener = RecordOpener(secrets.receive_key)
        self._handshake_hash = secrets.handshake_hash
        self._renewal: Renewal | None = None
        # The renewed key of the direction that has not switched yet.
        self._next_key: bytes | None = None

    def enable_renewal(self, version: int, pair_id: bytes, side: str, keys: RootKeys, now: float) -> None:
        """Allow renewals, as soon as the session root is known.

        Args:
            version, pair_id: of the link.
            side: ``a`` or ``b``, this side's.
            keys: of the session root.
            now: time at which the link's handshake ended, in seconds of a clock that never runs backwards.
        """
        self._renewal = Renewal(version, pair_id, side, keys, self._handshake_hash, now)

    def seal_into(
        self,
        kind: int,
        stream: int,
        offset: int,
        plaintext: bytearray | memoryview,
        body_length: int,
        out: memoryview,
    ) -> int:
        """As RecordSealer.seal_into."""
        return self._sealer.seal_into(kind, stream, offset, plaintext, body_length, out)

    def seal(self, kind: int, stream: int, offset: int, body: Buffer) -> bytes:
        """As RecordSealer.seal."""
        return self._sealer.seal(kind, stream, offset, body)

    def check_length(self, prefix: Buffer) -> int:
        """As RecordOpener.check_length."""
        return self._opener.check_length(prefix)

    def open_into(self, prefix: Buffer, ciphertext: memoryview, out: memoryview) -> tuple[int, int, int, int]:
        """As RecordOpener.open_into; acts upon renewal records. Any error closes both directions."""
        try:
            opened = self._opener.open_into(prefix, ciphertext, out)
            if RENEW <= opened[0] <= RENEW_DONE:
                self._receive_renewal(opened, out)
        except BaseException:
            self.close()
            raise
        return opened

    def renewal_due(self, now: float) -> bool:
        """Whether :meth:`start_renewal` must come before the next record."""
        return self._renewal is not None and self._renewal.due(now)

    def must_hold(self, now: float) -> bool:
        """Whether all but renewal records must wait: the keys are too old."""
        return self._renewal is not None and self._renewal.must_hold(now)

    @property
    def owes(self) -> int | None:
        """Kind of the renewal record this side has to send next: RENEW_ANSWER, RENEW_DONE or None."""
        state = self._renewal.state if self._renewal is not None else RenewalState.IDLE
        return {RenewalState.OWES_ANSWER: RENEW_ANSWER, RenewalState.OWES_DONE: RENEW_DONE}.get(state)

    def start_renewal(self, material: RenewalMaterial) -> bytes:
        """Return the sealed RENEW record."""
        return self._sealer.seal(RENEW, 0, 0, self._enabled().start(material))

    def answer_renewal(self, material: RenewalMaterial, now: float) -> bytes:
        """Return the sealed RENEW_ANSWER record; what is sealed next is under the new key.

        Raises AuthenticationFailed, with all keys dropped, if the other side's RENEW was not genuine.
        """
        try:
            body, secrets = self._enabled().answer(material, now)
        except PeerError:
            self.close()
            raise
        record = self._sealer.seal(RENEW_ANSWER, 0, 0, body)
        self._sealer.close()
        self._sealer = RecordSealer(secrets.send_key)
        self._next_key = secrets.receive_key
        return record

    def finish_renewal(self, now: float) -> bytes:
        """Return the sealed RENEW_DONE record; what is sealed next is under the new key."""
        self._enabled().done(now)
        record = self._sealer.seal(RENEW_DONE, 0, 0, b"")
        self._sealer.close()
        self._sealer = RecordSealer(self._take_next_key())
        return record

    def close(self) -> None:
        """Drop all keys; every later sealing and opening raises."""
        self._sealer.close()
        self._opener.close()
        self._next_key = None
        self._renewal = None

    def _receive_renewal(self, opened: tuple[int, int, int, int], out: memoryview) -> None:
        kind, stream, offset, body_length = opened
        renewal = self._renewal
        if renewal is None or stream or offset:
            raise ProtocolViolation("a renewal record that may not come now", "the other side is broken; connect again")
        body = bytes(out[HEADER_SIZE : HEADER_SIZE + body_length])
        if kind == RENEW:
            renewal.receive_renew(body)
        elif kind == RENEW_ANSWER:
            secrets = renewal.receive_answer(body)
            self._next_key = secrets.send_key
            self._switch_opener(secrets.receive_key)
        else:
            renewal.receive_done(body_length)
            self._switch_opener(self._take_next_key())

    def _switch_opener(self, key: bytes) -> None:
        self._opener.close()
        self._opener = RecordOpener(key)

    def _take_next_key(self) -> bytes:
        key, self._next_key = self._next_key, None
        if key is None:
            raise InternalError("a renewal has no new key to switch to")
        return key

    def _enabled(self) -> Renewal:
        if self._renewal is None:
            raise InternalError("renewal is not enabled on this link")
        return self._renewal
