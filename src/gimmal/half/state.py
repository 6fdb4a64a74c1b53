"""state-0 and state-1: what changes between joinings (docs/spec/half.md, section 6). No I/O, no randomness."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gimmal.base.errors import AuthenticationFailed, HalfDamaged, HalfUnsupported
from gimmal.base.primitives import equal, open_at_rest, seal_at_rest, sha256
from gimmal.half.canonical import DAMAGED_HINT
from gimmal.half.roots import RetiredGate, RootSlot

STATE_SIZE = 4096
STATE_VERSION = 1
RETIRED_MAX = 16
SEQUENCE_MAX = (1 << 64) - 1
_MAGIC = b"GIMMALST"
_HEADER = struct.Struct(">8sHHI16sQ")
_SLOTS_SIZE = 784
_SEALED_END = _HEADER.size + 12 + _SLOTS_SIZE + 16
_CHECKSUM_AT = STATE_SIZE - 32
_SLOTS = struct.Struct(">B7x8s32s8s32sQ640s48x")


@dataclass(frozen=True, slots=True)
class State:
    """What one state file says.

    Args:
        pair_id: 16 bytes.
        generation: of the joining.
        sequence: 1 or more; the higher of two whole files counts.
        current: the root in use.
        pending: the root written but not yet promoted, or None.
        retired: gate keys of erased roots, oldest first, at most 16.
    """

    pair_id: bytes
    generation: int
    sequence: int
    current: RootSlot
    pending: RootSlot | None = None
    retired: tuple[RetiredGate, ...] = ()


def encode_state(state: State, state_key: bytes, nonce: bytes) -> bytes:
    """The 4,096 bytes of a state file.

    Args:
        state_key: 32 bytes, from the payload.
        nonce: 12 fresh random bytes.
    """
    if not 1 <= state.sequence <= SEQUENCE_MAX or len(state.retired) > RETIRED_MAX:
        raise ValueError("sequence or retired keys out of bounds")
    header = _HEADER.pack(_MAGIC, STATE_VERSION, 0, state.generation, state.pair_id, state.sequence)
    pending = state.pending
    slots = _SLOTS.pack(
        0 if pending is None else 1,
        state.current.key_id,
        state.current.root,
        b"" if pending is None else pending.key_id,
        b"" if pending is None else pending.root,
        len(state.retired),
        b"".join(gate.key_id + gate.gate_key for gate in state.retired),
    )
    sealed = seal_at_rest(state_key, slots, header, nonce)
    body = (header + sealed).ljust(_CHECKSUM_AT, b"\0")
    return body + sha256(body)


def decode_state(data: bytes, state_key: bytes, pair_id: bytes, generation: int) -> State | None:
    """Decode one state file.

    Returns:
        The state, or None when the file is not whole or of another joining.

    Raises:
        HalfUnsupported: whole, but of another version.
    """
    if len(data) != STATE_SIZE or not equal(sha256(data[:_CHECKSUM_AT]), data[_CHECKSUM_AT:]):
        return None
    magic, version, reserved, found_generation, found_pair, sequence = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        return None
    if version != STATE_VERSION:
        raise HalfUnsupported(
            f"this half's state has format version {version}, this program knows version {STATE_VERSION}",
            "update gimmal on this computer",
        )
    if reserved or any(data[_SEALED_END:_CHECKSUM_AT]) or sequence < 1:
        return None
    if found_pair != pair_id or found_generation != generation:
        return None
    try:
        slots = open_at_rest(state_key, data[_HEADER.size : _SEALED_END], data[: _HEADER.size])
        return _decode_slots(slots, pair_id, generation, sequence)
    except (AuthenticationFailed, ValueError):
        return None


def _decode_slots(slots: bytes, pair_id: bytes, generation: int, sequence: int) -> State:
    flags, current_id, current_root, pending_id, pending_root, count, gates = _SLOTS.unpack(slots)
    if flags > 1 or count > RETIRED_MAX or any(slots[1:8]) or any(slots[736:]) or any(gates[count * 40 :]):
        raise ValueError("slots out of form")
    if not flags and any(pending_id + pending_root):
        raise ValueError("a pending root that is not there")
    return State(
        pair_id=pair_id,
        generation=generation,
        sequence=sequence,
        current=_slot(current_id, current_root),
        pending=_slot(pending_id, pending_root) if flags else None,
        retired=tuple(RetiredGate(gates[at : at + 8], gates[at + 8 : at + 40]) for at in range(0, count * 40, 40)),
    )


def _slot(key_id: bytes, root: bytes) -> RootSlot:
    slot = RootSlot(root)
    if slot.key_id != key_id:
        raise ValueError("the key id is not the root's")
    return slot


def choose_state(files: tuple[bytes, bytes], state_key: bytes, pair_id: bytes, generation: int) -> tuple[int, State]:
    """The state that counts, and the number (0 or 1) of its file.

    Raises:
        HalfDamaged: neither file is whole, or both are with one sequence and different content.
        HalfUnsupported: see `decode_state`.
    """
    states = [decode_state(data, state_key, pair_id, generation) for data in files]
    first, second = states
    if first is not None and second is not None and first.sequence == second.sequence and first != second:
        raise HalfDamaged("the two state files of this half contradict each other", DAMAGED_HINT)
    whole = [(state.sequence, -number) for number, state in enumerate(states) if state is not None]
    if not whole:
        raise HalfDamaged("neither state file of this half is whole", DAMAGED_HINT)
    number = -max(whole)[1]
    chosen = states[number]
    assert chosen is not None
    return number, chosen
