"""What both ends of a control connection share: frames, keep-alive, one end.

docs/spec/relay.md, sections 3 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.relay.frames import FrameBuffer, encode_frame
from gimmal.protocol.relay.messages import FRAME_MAX, Code, FromHalf, FromRelay, Goodbye, Ping, Pong

MessageT = TypeVar("MessageT")
EventT = TypeVar("EventT")

_WAITING_MAX = 2 * FRAME_MAX
"""Bytes that may lie unread while the machine waits for a decision."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Seconds of silence: after ``ask`` a Ping is sent, after ``dead`` the connection counts as lost."""

    ask: float
    dead: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over; nothing follows.

    Args:
        code: of section 10, or a code of a later version.
        sentence: why; untrusted where ``by_peer``.
        by_peer: the far end said so (Goodbye or Refused).
    """

    code: str
    sentence: str
    by_peer: bool


class ControlMachine(Generic[MessageT, EventT]):
    """Bytes in, events out, bytes out, next deadline. Subclasses decide what a message means.

    No exception but a bug of ours leaves it: a far end that breaks a rule ends the connection with ``Ended``.
    """

    __slots__ = ("_deadline", "_events", "_frames", "_heard", "_output", "_pinged", "_silence", "ended")

    def __init__(self, frames: FrameBuffer[MessageT], silence: KeepAlive, now: float) -> None:
        self._frames = frames
        self._silence = silence
        self._output = bytearray()
        self._events: list[EventT | Ended] = []
        self._heard = now
        self._pinged = False
        self._deadline: float | None = None
        self.ended: Ended | None = None

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the far end; ask ``events`` and ``data_to_send`` afterwards."""
        if self.ended:
            return
        self._heard = now
        self._pinged = False
        self._frames.feed(data)
        self._parse(now)

    def receive_eof(self) -> None:
        """The far end closed its direction, or the connection broke."""
        self._end(Ended(Code.SILENT, "the connection was lost", by_peer=False))

    def events(self) -> list[EventT | Ended]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> bytes:
        """Bytes to write to the far end; after ``ended`` the last ones."""
        output = bytes(self._output)
        if output:
            self._output = bytearray()
        return output

    @property
    def next_deadline(self) -> float | None:
        """When ``handle_timer`` must be called at the latest; None once ended."""
        if self.ended:
            return None
        silence = self._heard + (self._silence.dead if self._pinged else self._silence.ask)
        return silence if self._deadline is None else min(self._deadline, silence)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless if nothing is."""
        if self.ended:
            return
        if self._deadline is not None and now >= self._deadline:
            self._deadline_passed()
        elif now >= self._heard + self._silence.dead:
            self._fail(Code.SILENT, "nothing was heard for too long")
        elif now >= self._heard + self._silence.ask and not self._pinged:
            self.ping()

    def ping(self) -> None:
        """Ask the far end for a sign of life."""
        self._pinged = True
        if self._is_open():
            self._send(Ping(0))

    def goodbye(self, code: str, sentence: str) -> None:
        """End the connection with a reason."""
        if self.ended is None:
            self._send(Goodbye(code, sentence))
            self._end(Ended(code, sentence, by_peer=False))

    def _parse(self, now: float) -> None:
        try:
            while self.ended is None and not self._is_deciding():
                message = self._frames.next_message()
                if message is None:
                    return
                self._check_pace(now)
                if isinstance(message, Ping | Pong | Goodbye):
                    self._common(message)
                else:
                    self._handle(message)
            if len(self._frames) > _WAITING_MAX:
                raise ProtocolViolation("too many bytes were sent before a decision")
        except ProtocolViolation as exc:
            self._fail(Code.VIOLATION, exc.message)

    def _common(self, message: Ping | Pong | Goodbye) -> None:
        if not self._is_open() and not isinstance(message, Goodbye):
            raise ProtocolViolation("a message came out of order")
        if isinstance(message, Ping):
            self._send(Pong(message.number))
        elif isinstance(message, Goodbye):
            self._end(Ended(message.code, message.sentence, by_peer=True))

    def _send(self, message: FromRelay | FromHalf) -> None:
        self._output += encode_frame(message)

    def _emit(self, event: EventT) -> None:
        self._events.append(event)

    def _fail(self, code: Code, sentence: str) -> None:
        if self.ended is None:
            if self._may_explain():
                self._send(Goodbye(code, sentence))
            self._end(Ended(code, sentence, by_peer=False))

    def _end(self, ended: Ended) -> None:
        if self.ended is None:
            self.ended = ended
            self._events.append(ended)

    def _is_open(self) -> bool:
        raise NotImplementedError

    def _is_deciding(self) -> bool:
        return False

    def _may_explain(self) -> bool:
        return self._is_open()

    def _check_pace(self, now: float) -> None:
        """Raise ProtocolViolation or end the connection where the far end talks too fast."""

    def _deadline_passed(self) -> None:
        raise NotImplementedError

    def _handle(self, message: MessageT) -> None:
        raise NotImplementedError
