"""Making the keys of a joining (docs/spec/half.md, sections 4, 7 and 8). All of them new every time."""

from __future__ import annotations

from dataclasses import dataclass, field

from gimmal.base.primitives import random_bytes, sign_public, x25519_public
from gimmal.base.side import Side
from gimmal.half.disable_code import ENTROPY_BYTES, code_from_random, lock_of, pair_id_of
from gimmal.half.format import (
    FORMAT,
    VERSION,
    Header,
    NoPassword,
    Payload,
    Protection,
    RelayEntry,
    WithPassword,
    encode_half,
    sealing_key_of,
)
from gimmal.half.password import PasswordCost, password_keys
from gimmal.half.roots import RootSlot
from gimmal.half.state import State, encode_state


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """What a joining does not make anew.

    Args:
        generation: of the new pair.
        storage_keys: 32 bytes each; sides not in it get a new one.
    """

    pair_name: str
    generation: int
    lineage_id: bytes = field(repr=False)
    relays: tuple[RelayEntry, ...] = ()
    storage_keys: dict[Side, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NewPair:
    """A pair that exists only in memory yet.

    Args:
        code: the 26 characters of the disable code.
        payloads: of each side.
    """

    pair_id: bytes
    pair_name: str
    generation: int
    code: str = field(repr=False)
    sign_publics: dict[Side, bytes]
    payloads: dict[Side, Payload] = field(repr=False)


@dataclass(frozen=True, slots=True)
class HalfContent:
    """The bytes of one half's files."""

    half_file: bytes = field(repr=False)
    states: tuple[bytes, bytes] = field(repr=False)


def make_pair(carried: CarriedOver) -> NewPair:
    """Make all keys of a new generation."""
    code = code_from_random(random_bytes(ENTROPY_BYTES))
    lock = lock_of(code)
    root, discovery_secret = random_bytes(32), random_bytes(32)
    statics = {side: random_bytes(32) for side in Side}
    signs = {side: random_bytes(32) for side in Side}
    sign_publics = {side: sign_public(signs[side]) for side in Side}
    payloads = {
        side: Payload(
            discovery_secret=discovery_secret.hex(),
            lineage_id=carried.lineage_id.hex(),
            lock=lock.hex(),
            peer_sign_public=sign_publics[side.other].hex(),
            peer_static_public=x25519_public(statics[side.other]).hex(),
            read_only_allowed=False,
            relays=list(carried.relays),
            root=root.hex(),
            sign_private=signs[side].hex(),
            state_key=random_bytes(32).hex(),
            static_private=statics[side].hex(),
            storage_key=carried.storage_keys.get(side, random_bytes(32)).hex(),
        )
        for side in Side
    }
    return NewPair(
        pair_id=pair_id_of(lock, sign_publics[Side.A], sign_publics[Side.B]),
        pair_name=carried.pair_name,
        generation=carried.generation,
        code=code,
        sign_publics=sign_publics,
        payloads=payloads,
    )


def make_protection(password: str | None, cost: PasswordCost) -> tuple[Protection, bytes]:
    """A fresh protection and its sealing key; takes Argon2id's time where there is a password."""
    salt = random_bytes(16)
    if password is None:
        plain = NoPassword(salt=salt.hex())
        return plain, sealing_key_of(plain, None)
    keys = password_keys(password, salt, cost)
    protection = WithPassword(
        check=keys.check.hex(),
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_kib=cost.memory_kib,
        salt=salt.hex(),
    )
    return protection, keys.sealing_key


def make_content(pair: NewPair, side: Side, password: str | None, cost: PasswordCost) -> HalfContent:
    """The files of one side, sealed."""
    payload = pair.payloads[side]
    protection, sealing_key = make_protection(password, cost)
    header = Header(
        format=FORMAT,
        generation=pair.generation,
        pair_id=pair.pair_id.hex(),
        pair_name=pair.pair_name,
        protection=protection,
        side=side,
        version=VERSION,
    )
    return HalfContent(
        half_file=encode_half(header, payload, sealing_key, random_bytes(12)),
        states=(_first_state(pair, payload, 1), _first_state(pair, payload, 2)),
    )


def _first_state(pair: NewPair, payload: Payload, sequence: int) -> bytes:
    state = State(pair.pair_id, pair.generation, sequence, RootSlot(bytes.fromhex(payload.root)))
    return encode_state(state, bytes.fromhex(payload.state_key), random_bytes(12))
