"""Whether this computer stays awake for a half: its owner's choice, kept for the half and this computer."""

from __future__ import annotations

from msgspec import Struct, msgpack

from gimmal.agent.sealed_setting import SealedSetting
from gimmal.base.errors import ProtocolViolation
from gimmal.half.opened import OpenedHalf
from gimmal.protocol.codec import decode_struct

_INFO = b"gimmal kept awake v1"
_VERSION = 1
_FILE_BYTES_MAX = 4096


class _File(Struct, array_like=True, frozen=True):
    version: int
    awake: bool


class KeptAwake:
    """What this computer keeps for one half.

    Args:
        half: opened.

    Raises:
        LocalError: there is no folder for it.
    """

    def __init__(self, half: OpenedHalf) -> None:
        self._setting = SealedSetting(
            half, _INFO, _FILE_BYTES_MAX, "the choice kept in", "remove that file and choose again: gimmal awake on"
        )

    def read(self) -> bool:
        """The choice; False until there is one.

        Raises:
            LocalError: the file cannot be read, or was altered.
        """
        plain = self._setting.read()
        if plain is None:
            return False
        try:
            kept = decode_struct(_File, plain)
        except ProtocolViolation as exc:
            raise self._setting.unreadable() from exc
        if kept.version != _VERSION:
            raise self._setting.unreadable()
        return kept.awake

    def write(self, awake: bool) -> None:
        """Keep another choice.

        Raises:
            LocalError: the disk refuses.
        """
        self._setting.write(msgpack.encode(_File(_VERSION, awake)))
