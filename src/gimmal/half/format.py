"""half.json: header in clear, payload sealed (docs/spec/half.md, sections 3 to 5). No I/O, no randomness."""

from __future__ import annotations

import unicodedata
from typing import Annotated

import msgspec

from gimmal.base.errors import AuthenticationFailed, HalfDamaged, HalfUnsupported, UsageError, WrongPassword
from gimmal.base.primitives import equal, hkdf_sha256, open_at_rest, seal_at_rest
from gimmal.base.side import Side
from gimmal.half.canonical import DAMAGED_HINT, Hex16, Hex32, decode, encode
from gimmal.half.password import PasswordCost, password_keys

VERSION = 1
FORMAT = "gimmal half"
FILE_LIMIT = 65_536
PAYLOAD_LIMIT = 32_768
GENERATION_MAX = 0xFFFF_FFFF
RELAYS_MAX = 16
NAME_POINTS_MAX = 64
NAME_BYTES_MAX = 128
_HEADER_LABEL = b"gimmal half v1"
_PLAIN_LABEL = b"gimmal half plain v1"
_UNNAMEABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_Printable = r"^[\x21-\x7e]"
RelayUrlText = Annotated[str, msgspec.Meta(pattern=_Printable + r"{1,512}\Z")]
RelayTokenText = Annotated[str, msgspec.Meta(pattern=_Printable + r"{0,512}\Z")]


class NoPassword(msgspec.Struct, tag_field="kind", tag="none", frozen=True, forbid_unknown_fields=True):
    """The payload's key follows from the salt: integrity, no secrecy."""

    salt: Hex16


class WithPassword(msgspec.Struct, tag_field="kind", tag="password", frozen=True, forbid_unknown_fields=True):
    """The payload's key follows from a password at the cost stated."""

    check: Hex16
    iterations: int
    lanes: int
    memory_kib: int
    salt: Hex16

    def __repr__(self) -> str:
        return "WithPassword(...)"

    @property
    def cost(self) -> PasswordCost:
        """The cost; its limits have been checked by `decode_half`."""
        return PasswordCost(self.iterations, self.memory_kib, self.lanes)


Protection = NoPassword | WithPassword


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in clear in half.json."""

    format: str
    generation: Annotated[int, msgspec.Meta(ge=1, le=GENERATION_MAX)]
    pair_id: Hex16
    pair_name: str
    protection: Protection
    side: Side
    version: int


class HalfFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """half.json as it is decoded: header and sealed payload (hexadecimal)."""

    header: Header
    payload: Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{2})+\Z")]

    def __repr__(self) -> str:
        # Without a password header and payload together are the keys; with one the check value is its hash.
        return f"HalfFile(side={self.header.side.value!r}, generation={self.header.generation})"


class RelayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One relay of the pair: its URL with pin, and the token it asks for or nothing."""

    token: RelayTokenText
    url: RelayUrlText

    def __repr__(self) -> str:
        return f"RelayEntry(url={self.url!r})"


class Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed. Everything in hexadecimal; never shown, never logged."""

    discovery_secret: Hex32
    lineage_id: Hex16
    lock: Hex32
    peer_sign_public: Hex32
    peer_static_public: Hex32
    read_only_allowed: bool
    relays: Annotated[list[RelayEntry], msgspec.Meta(max_length=RELAYS_MAX)]
    root: Hex32
    sign_private: Hex32
    state_key: Hex32
    static_private: Hex32
    storage_key: Hex32

    def __repr__(self) -> str:
        return "Payload(...)"


class _Identity(msgspec.Struct, frozen=True):
    format: str
    version: int


class _AnyVersion(msgspec.Struct, frozen=True):
    header: _Identity


def name_fault(name: str) -> str | None:
    """What is wrong with a pair's name, as the end of a sentence, or None (spec section 3)."""
    if not name or len(name) > NAME_POINTS_MAX or len(name.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        return f"must have 1 to {NAME_POINTS_MAX} characters and at most {NAME_BYTES_MAX} bytes"
    if any(unicodedata.category(point) in _UNNAMEABLE for point in name):
        return "holds a control or invisible character"
    if name != name.strip(" "):
        return "begins or ends with a space"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in composed form (NFC)"
    return None


def decode_half(data: bytes) -> HalfFile:
    """Decode and check half.json without opening the payload.

    Raises:
        HalfUnsupported: another format version.
        HalfDamaged: everything else that breaks the specification.
    """
    if len(data) > FILE_LIMIT:
        raise HalfDamaged(f"half.json is longer than {FILE_LIMIT} bytes", DAMAGED_HINT)
    _refuse_other_version(data)
    half = decode(data, HalfFile, FILE_LIMIT, "half.json")
    header = half.header
    if header.format != FORMAT:
        raise HalfDamaged("half.json is of another format", DAMAGED_HINT)
    if name_fault(header.pair_name) is not None:
        raise HalfDamaged("half.json holds a pair name that is not allowed", DAMAGED_HINT)
    if isinstance(header.protection, WithPassword) and not header.protection.cost.acceptable():
        raise HalfDamaged("half.json states a password cost outside the limits: altered", DAMAGED_HINT)
    return half


def _refuse_other_version(data: bytes) -> None:
    try:
        found = msgspec.json.decode(data, type=_AnyVersion).header
    except (ValueError, RecursionError):
        raise HalfDamaged("half.json is cut short or altered", DAMAGED_HINT) from None
    if found.format == FORMAT and found.version != VERSION:
        raise HalfUnsupported(
            f"this half has format version {found.version}, this program knows version {VERSION}",
            "update gimmal on this computer",
        )


def encode_half(header: Header, payload: Payload, sealing_key: bytes, nonce: bytes) -> bytes:
    """Seal the payload under the header and encode half.json.

    Args:
        header: its protection says how ``sealing_key`` is found again.
        sealing_key: 32 bytes.
        nonce: 12 fresh random bytes.
    """
    sealed = seal_at_rest(sealing_key, encode(payload), _HEADER_LABEL + encode(header), nonce)
    return encode(HalfFile(header=header, payload=sealed.hex()))


def sealing_key_of(protection: Protection, password: str | None) -> bytes:
    """The key of the payload; takes Argon2id's time and memory where there is a password.

    Raises:
        WrongPassword: the password does not match the check value, or none was given where one is needed.
    """
    if isinstance(protection, NoPassword):
        return hkdf_sha256(b"", bytes.fromhex(protection.salt), _PLAIN_LABEL, 32)
    if password is None:
        raise WrongPassword("this half needs its password", "give it on the terminal or with --password-file")
    try:
        keys = password_keys(password, bytes.fromhex(protection.salt), protection.cost)
    except UsageError as error:
        # Empty or far too long: no half has such a password.
        raise WrongPassword("the password does not open this half", error.message) from None
    if not equal(keys.check, bytes.fromhex(protection.check)):
        raise WrongPassword("the password does not open this half", "try again with the password of this half")
    return keys.sealing_key


def open_payload(half: HalfFile, sealing_key: bytes) -> Payload:
    """Open and decode the payload. Keys are checked for form here, for meaning in `gimmal.half.opened`.

    Raises:
        HalfDamaged: header or payload were altered, or the payload breaks the specification.
    """
    try:
        plain = open_at_rest(sealing_key, bytes.fromhex(half.payload), _HEADER_LABEL + encode(half.header))
    except (AuthenticationFailed, ValueError) as error:
        raise HalfDamaged("half.json was altered or its disk has a fault", DAMAGED_HINT) from error
    payload = decode(plain, Payload, PAYLOAD_LIMIT, "the payload of half.json")
    if len({entry.url for entry in payload.relays}) != len(payload.relays):
        raise HalfDamaged("the payload of half.json names a relay twice", DAMAGED_HINT)
    return payload
