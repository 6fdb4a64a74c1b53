"""Handshake patterns of the Noise specification, sections 7 and 9."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from gimmal.base.errors import InternalError


class Token(Enum):
    """A token of a message pattern; of two letters the first names the initiator's key."""

    E = "e"
    S = "s"
    EE = "ee"
    ES = "es"
    SE = "se"
    SS = "ss"
    PSK = "psk"


E, S, EE, ES, SE, SS, PSK = Token


@dataclass(frozen=True)
class HandshakePattern:
    """A pattern with its PSK modifiers applied.

    Attributes:
        name: for instance ``KKpsk0``.
        initiator_pre_message: tokens the responder knows beforehand (`s` or nothing).
        responder_pre_message: tokens the initiator knows beforehand.
        messages: tokens of each message, the initiator's first.
    """

    name: str
    initiator_pre_message: tuple[Token, ...]
    responder_pre_message: tuple[Token, ...]
    messages: tuple[tuple[Token, ...], ...]

    @property
    def has_psk(self) -> bool:
        """Whether `e` tokens are mixed into the key too (section 9.2)."""
        return any(PSK in message for message in self.messages)


NN = HandshakePattern("NN", (), (), ((E,), (E, EE)))
KK = HandshakePattern("KK", (S,), (S,), ((E, ES, SS), (E, EE, SE)))
XX = HandshakePattern("XX", (), (), ((E,), (E, EE, S, ES), (S, SE)))

_BASES = {pattern.name: pattern for pattern in (NN, KK, XX)}
_NAME = re.compile(r"([A-Z]+)((?:psk[0-9])(?:\+psk[0-9])*)?")


def handshake_pattern(name: str) -> HandshakePattern:
    """Return the pattern of that name, for instance ``KKpsk0`` or ``NNpsk0+psk2``."""
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in _BASES:
        raise InternalError(f"unknown handshake pattern {name!r}")
    base = _BASES[match[1]]
    messages = list(base.messages)
    for modifier in match[2].split("+") if match[2] else ():
        place = int(modifier[3:])
        if place == 0:
            messages[0] = (PSK, *messages[0])
        else:
            messages[place - 1] = (*messages[place - 1], PSK)
    return HandshakePattern(name, base.initiator_pre_message, base.responder_pre_message, tuple(messages))
