"""When the other side was last reached from this computer: a time and nothing else, kept for a half, sealed."""

from __future__ import annotations

import logging
import time
from typing import Annotated

from msgspec import Meta, Struct, msgpack

from gimmal.agent.sealed_setting import SealedSetting
from gimmal.base.errors import DeadlinePassed, LocalError, PeerAbsent, ProtocolViolation, RelayError, UnreachableError
from gimmal.base.moments import clock_text
from gimmal.half.opened import OpenedHalf
from gimmal.protocol.codec import decode_struct
from gimmal.transport.frames import again
from gimmal.transport.relay_client import peer_absent

logger = logging.getLogger("gimmal.agent")

KEEP_SECONDS = 900
"""How far what is kept may lie behind: a disk is not woken for less."""

END_SECONDS = 60
"""The same at the end of a session: many commands in a row are not as many writes."""

_INFO = b"gimmal last seen v1"
_VERSION = 1
_FILE_BYTES_MAX = 4096


class _File(Struct, array_like=True, frozen=True):
    version: int
    at: Annotated[int, Meta(ge=0, le=1 << 53)]


class LastSeen:
    """What this computer remembers of one half's other side.

    It blocks on the disk. A disk that refuses is logged and nothing else: what is known of now is worth more.

    Args:
        half: opened.

    Raises:
        LocalError: there is no folder for it.
    """

    def __init__(self, half: OpenedHalf) -> None:
        self._setting = SealedSetting(half, _INFO, _FILE_BYTES_MAX, "the time kept in", "remove that file")
        self._kept: int | None = None

    def read(self) -> int:
        """Second since 1970 at which the other side was last reached; 0 where that is not known."""
        if self._kept is None:
            self._kept = self._read()
        return self._kept

    def note(self, at: int, *, at_once: bool = False) -> None:
        """The other side was reached.

        Args:
            at: second since 1970.
            at_once: it may be the last time for long.
        """
        kept = self.read()
        # A time that lies ahead was written with a clock that was wrong.
        if kept <= at < kept + (END_SECONDS if at_once else KEEP_SECONDS):
            return
        try:
            self._setting.write(msgpack.encode(_File(_VERSION, at)))
            self._kept = at
        except LocalError as exc:
            logger.debug("when the other side was last seen is not kept: %s", exc)

    def _read(self) -> int:
        try:
            plain = self._setting.read()
            kept = decode_struct(_File, plain) if plain is not None else _File(_VERSION, 0)
        except (LocalError, ProtocolViolation) as exc:
            logger.debug("when the other side was last seen cannot be read: %s", exc)
            return 0
        return kept.at if kept.version == _VERSION else 0


def told_when(error: UnreachableError, last_seen: int) -> UnreachableError:
    """An error that says when the other side was last seen, where it says nothing as late by itself.

    Args:
        error: why there is no way to it.
        last_seen: second since 1970; 0 where that is not known.
    """
    if not isinstance(error, PeerAbsent | RelayError | DeadlinePassed):
        return error
    said = error.last_seen if isinstance(error, PeerAbsent) else 0
    if last_seen <= said:
        return error
    if said:
        return peer_absent(last_seen)
    told = again(error)
    told.message = f"{error.message}; the other side was last seen {clock_text(last_seen, time.time())}"
    told.args = (told.message,)
    if isinstance(told, PeerAbsent):
        told.last_seen = last_seen
    return told
