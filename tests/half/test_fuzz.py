"""Every parser of a half takes any bytes: a value or an error of ours, in bounded time and memory."""

from __future__ import annotations

import contextlib
import os
import tracemalloc

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gimmal.base.errors import HalfDamaged, HalfError, HalfUnsupported, UsageError, WrongPassword
from gimmal.half.canonical import encode
from gimmal.half.disable_code import display_code, parse_code
from gimmal.half.format import NoPassword, decode_half, open_payload, sealing_key_of
from gimmal.half.state import STATE_SIZE, choose_state
from tests.figures import figure
from tests.half.test_vectors import unfold
from tests.vector_files import load

COUNT = 20_000 if os.environ.get("GIMMAL_CAMPAIGN") == "full" else 300
MANY = settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))
GOOD = load("half/good.json")
PLAIN = GOOD[0]["half_json"].encode()
STATE = unfold(GOOD[0]["state_0"])
STATE_KEY, PAIR_ID = bytes(32), bytes.fromhex(GOOD[0]["expected"]["pair_id"])


def read(data: bytes) -> None:
    try:
        half = decode_half(data)
        if isinstance(half.header.protection, NoPassword):
            open_payload(half, sealing_key_of(half.header.protection, None))
        assert encode(half) == data
    except (HalfDamaged, HalfUnsupported, WrongPassword):
        pass


@st.composite
def altered(draw: st.DrawFn, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[at : at + draw(st.integers(1, 200))]
            case 2:
                data[at:at] = draw(st.binary(max_size=40))
            case _:
                data[at:at] = data[draw(st.integers(0, len(data))) :][:60]
    return bytes(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@MANY
@given(st.binary(max_size=400) | altered(PLAIN) | json_values.map(encode))
def test_half_file(data: bytes) -> None:
    read(data)


@MANY
@given(altered(PLAIN))
def test_no_alteration_is_accepted(data: bytes) -> None:
    if data == PLAIN:
        return
    try:
        half = decode_half(data)
        key = sealing_key_of(half.header.protection, None)
        open_payload(half, key)
    except HalfError:
        return
    raise AssertionError("an altered half was accepted")


@MANY
@given(st.binary(max_size=STATE_SIZE + 1) | altered(STATE), st.booleans())
def test_state_files(data: bytes, second: bool) -> None:
    files = (STATE, data) if second else (data, data)
    with contextlib.suppress(HalfDamaged, HalfUnsupported):
        choose_state(files, STATE_KEY, PAIR_ID, 7)


@MANY
@given(st.text(max_size=60) | st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U-il o", min_size=20, max_size=40))
def test_disable_codes(typed: str) -> None:
    try:
        code = parse_code(typed)
    except UsageError:
        return
    assert parse_code(display_code(code)) == code


def test_memory_stays_bounded() -> None:
    hostile = [b"[" * 65_536, b'{"header":' * 6_000, b'"' + b"\\u0041" * 10_000 + b'"', b"[" + b"0," * 32_000 + b"0]"]
    hostile += [b'{"header":{"format":"gimmal half","version":1' + b',"x":[]' * 9_000 + b"}}", PLAIN * 40]
    tracemalloc.start()
    for data in hostile:
        read(data[:65_536])
        read(data + bytes(100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    figure("fuzz of half-file parsers: executions", 4 * COUNT, "crashes 0")
    figure("fuzz of half-file parsers: extra memory in MiB", round(peak / (1 << 20), 2), "<= 4")
    assert peak <= 4 << 20
