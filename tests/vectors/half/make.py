"""Write the vectors of docs/spec/half.md. Run as ``python -m tests.vectors.half.make``; the result is committed.

Keys come from labels, so a second run writes the same bytes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from gimmal.base.primitives import seal_at_rest, sha256, sign_public, x25519_public
from gimmal.base.side import Side
from gimmal.half import canonical
from gimmal.half.disable_code import check_symbol, code_from_random, display_code, lock_of, pair_id_of
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
from gimmal.half.roots import RetiredGate, RootSlot
from gimmal.half.state import State, encode_state

HERE = Path(__file__).parent
PASSWORD = "Tramway-violet-Kettle-öre"
COST = PasswordCost(iterations=1, memory_kib=65_536, lanes=4)


def fixed(label: str, size: int = 32) -> bytes:
    return sha256(b"gimmal half vector ", label.encode())[:size]


CODE = code_from_random(fixed("code", 17))
LOCK = lock_of(CODE)
SIGNS = {side: sign_public(fixed(f"sign {side}")) for side in Side}
PAIR_ID = pair_id_of(LOCK, SIGNS[Side.A], SIGNS[Side.B])
RELAYS = [
    RelayEntry(token="let-us-in", url="gimmal-relay://relay.example.org:7117/"),
    RelayEntry(token="", url="gimmal-relay://[2001:db8::7]:7118/"),
]


def payload_of(side: Side) -> Payload:
    return Payload(
        discovery_secret=fixed("discovery").hex(),
        lineage_id=fixed("lineage", 16).hex(),
        lock=LOCK.hex(),
        peer_sign_public=SIGNS[side.other].hex(),
        peer_static_public=x25519_public(fixed(f"static {side.other}")).hex(),
        read_only_allowed=False,
        relays=RELAYS if side is Side.B else [],
        root=fixed("root").hex(),
        sign_private=fixed(f"sign {side}").hex(),
        state_key=fixed(f"state {side}").hex(),
        static_private=fixed(f"static {side}").hex(),
        storage_key=fixed(f"storage {side}").hex(),
    )


def protection_of(side: Side, cost: PasswordCost = COST) -> tuple[Protection, bytes]:
    salt = fixed(f"salt {side}", 16)
    if side is Side.A:
        plain = NoPassword(salt=salt.hex())
        return plain, sealing_key_of(plain, None)
    keys = password_keys(PASSWORD, salt, cost)
    return WithPassword(keys.check.hex(), cost.iterations, cost.lanes, cost.memory_kib, salt.hex()), keys.sealing_key


PROTECTIONS = {side: protection_of(side) for side in Side}


def header_of(side: Side, **changed: Any) -> Header:
    header = Header(
        format=FORMAT,
        generation=7,
        pair_id=PAIR_ID.hex(),
        pair_name='Zoë "home" 家',
        protection=PROTECTIONS[side][0],
        side=side,
        version=VERSION,
    )
    return msgspec.structs.replace(header, **changed)


def half_of(side: Side, header: Header | None = None, payload: Payload | None = None) -> bytes:
    return encode_half(
        header or header_of(side), payload or payload_of(side), PROTECTIONS[side][1], fixed(f"nonce {side}", 12)
    )


def sealed_raw(side: Side, plain: bytes) -> bytes:
    header = canonical.encode(header_of(side))
    sealed = seal_at_rest(PROTECTIONS[side][1], plain, b"gimmal half v1" + header, fixed("raw nonce", 12))
    return b'{"header":' + header + b',"payload":"' + sealed.hex().encode() + b'"}'


def state_of(side: Side, sequence: int, **changed: Any) -> bytes:
    state = State(PAIR_ID, 7, sequence, RootSlot(fixed("root")))
    for name, value in changed.items():
        state = State(**{**{f: getattr(state, f) for f in State.__slots__}, name: value})
    return encode_state(state, fixed(f"state {side}"), fixed(f"state nonce {side} {sequence}", 12))


def short(state: bytes) -> dict[str, str]:
    """Zeros from 852 to 4,063 are left out."""
    return {"head": state[:852].hex(), "checksum": state[4064:].hex()}


def pieces(data: bytes) -> list[tuple[str, int]]:
    """Bytes in hexadecimal with the number of times they follow each other."""
    found: list[tuple[str, int]] = []
    at = 0
    for run in re.finditer(rb"(.)\1{300,}", data, re.DOTALL):
        if run.start() > at:
            found.append((data[at : run.start()].hex(), 1))
        found.append((run[1].hex(), len(run[0])))
        at = run.end()
    if data[at:] or not found:
        found.append((data[at:].hex(), 1))
    return found


def good() -> list[dict[str, Any]]:
    made = []
    for side in Side:
        payload = payload_of(side)
        made.append(
            {
                "note": f"side {side.value}, {'a password' if side is Side.B else 'no password'}",
                "half_json": half_of(side).decode(),
                "password": PASSWORD if side is Side.B else None,
                "state_0": short(state_of(side, 3)),
                "state_1": short(state_of(side, 2)),
                "expected": {
                    "pair_id": PAIR_ID.hex(),
                    "pair_name": header_of(side).pair_name,
                    "side": side.value,
                    "generation": 7,
                    "lineage_id": payload.lineage_id,
                    "lock": payload.lock,
                    "static_private": payload.static_private,
                    "sign_private": payload.sign_private,
                    "peer_static_public": payload.peer_static_public,
                    "peer_sign_public": payload.peer_sign_public,
                    "discovery_secret": payload.discovery_secret,
                    "storage_key": payload.storage_key,
                    "root": fixed("root").hex(),
                    "key_id": RootSlot(fixed("root")).key_id.hex(),
                    "relays": [entry.url for entry in payload.relays],
                    "relay_tokens": [entry.token for entry in payload.relays],
                },
            }
        )
    return made


def bad() -> list[dict[str, Any]]:
    plain, sealed = half_of(Side.A), half_of(Side.B)
    made: list[dict[str, Any]] = []

    def add(note: str, data: bytes, error: str = "HalfDamaged", password: str | None = None) -> None:
        made.append({"note": note, "half_json": pieces(data), "password": password, "error": error})

    def cost(**changed: int) -> bytes:
        return half_of(Side.B, header_of(Side.B, protection=msgspec.structs.replace(PROTECTIONS[Side.B][0], **changed)))

    def swapped(data: bytes, old: str, new: str) -> bytes:
        assert data.count(old.encode()) == 1, old
        return data.replace(old.encode(), new.encode())

    phc = "$argon2id$v=19$m=65536,t=1,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b7dWRWJTmaaJObG"
    check = PROTECTIONS[Side.B][0].check
    add("empty", b"")
    add("zeros only", bytes(500))
    add("cut in the header", plain[:100])
    add("cut in the payload", plain[:-40])
    add("last byte missing", plain[:-1])
    add("newer version", swapped(plain, '"version":1', '"version":2'), "HalfUnsupported")
    add(
        "newer version with another shape",
        b'{"header":{"format":"gimmal half","version":9,"cipher":"x"},"more":[1]}',
        "HalfUnsupported",
    )
    add("version 0", swapped(plain, '"version":1', '"version":0'), "HalfUnsupported")
    add("version as text", swapped(plain, '"version":1', '"version":"1"'))
    add("version as fraction", swapped(plain, '"version":1', '"version":1.0'))
    add("no version", swapped(plain, ',"version":1', ""))
    add("another format", half_of(Side.A, header_of(Side.A, format="gimmal other")))
    add("oversize by white space", plain + b" " * 65_536)
    add("oversize payload", half_of(Side.A)[:-2] + b"00" * 33_000 + b'"}')
    add("duplicate key", swapped(plain, '"side":"a"', '"side":"a","side":"a"'))
    add("duplicate key, other value", swapped(plain, '"side":"a"', '"side":"b","side":"a"'))
    add("unknown key in the header", swapped(plain, '"side":"a"', '"side":"a","tint":"red"'))
    add("unknown key at the top", swapped(plain, '"payload"', '"note":"","payload"'))
    add("key order", swapped(swapped(plain, ',"version":1', ""), '{"format"', '{"version":1,"format"'))
    add("white space", swapped(plain, '"side":"a"', '"side": "a"'))
    add("line end behind", plain + b"\n")
    add("byte order mark", b"\xef\xbb\xbf" + plain)
    add("escape where none is needed", swapped(plain, '"side":"a"', '"side":"\\u0061"'))
    add("capital hexadecimal", swapped(plain, PAIR_ID.hex(), PAIR_ID.hex().upper()))
    add("generation 0", swapped(plain, '"generation":7', '"generation":0'))
    add("generation above 32 bits", swapped(plain, '"generation":7', '"generation":4294967296'))
    add("side c", swapped(plain, '"side":"a"', '"side":"c"'))
    add("short pair id", swapped(plain, PAIR_ID.hex(), PAIR_ID.hex()[2:]))
    add("no UTF-8", plain.replace("ë".encode(), b"\xeb"))
    add("name with a line end", plain.replace("Zoë".encode(), b"Zo\\n"))
    add("name with a direction override", plain.replace("Zoë".encode(), "Zo\u202e".encode()))
    add("name not composed", plain.replace("Zoë".encode(), "Zoe\u0308".encode()))
    add("name empty", half_of(Side.A, header_of(Side.A, pair_name="")))
    add("name too long", half_of(Side.A, header_of(Side.A, pair_name="n" * 65)))
    add("nested beyond reason", b"[" * 60_000)
    add("no object", b"7")
    add("lowered memory", cost(memory_kib=65_535), password=PASSWORD)
    add("memory of 8 KiB", cost(memory_kib=8), password=PASSWORD)
    add("memory above 1 GiB", cost(memory_kib=1_048_577), password=PASSWORD)
    add("no iterations", cost(iterations=0), password=PASSWORD)
    add("11 iterations", cost(iterations=11), password=PASSWORD)
    add("9 lanes", cost(lanes=9), password=PASSWORD)
    add("no lanes", cost(lanes=0), password=PASSWORD)
    add("negative memory", cost(memory_kib=-65_536), password=PASSWORD)
    add("PHC string for check", swapped(sealed, check, phc), password=PASSWORD)
    add(
        "PHC string besides",
        swapped(sealed, f'"check":"{check}"', f'"check":"{check}","hash":"{phc}"'),
        password=PASSWORD,
    )
    add("unknown protection", swapped(plain, '"kind":"none"', '"kind":"rot13"'))
    add(
        "protection dropped",
        swapped(
            sealed,
            canonical.encode(PROTECTIONS[Side.B][0]).decode(),
            f'{{"kind":"none","salt":"{fixed("salt b", 16).hex()}"}}',
        ),
    )
    add("lower but allowed cost than sealed with", cost(lanes=3), "WrongPassword", PASSWORD)
    add("wrong password", sealed, "WrongPassword", "another password")
    add("no password given", sealed, "WrongPassword")
    add("name changed in the header", swapped(plain, "home", "hole"))
    add("generation changed in the header", swapped(plain, '"generation":7', '"generation":8'))
    add("side changed in the header", swapped(plain, '"side":"a"', '"side":"b"'))
    add("a bit flipped in the payload", plain[:-3] + (b"0" if plain[-3:-2] != b"0" else b"1") + plain[-2:])
    add(
        "payload of the other half",
        swapped(plain, plain.split(b'"payload":"')[1][:-2].decode(), sealed.split(b'"payload":"')[1][:-2].decode()),
    )
    add("payload shorter than nonce and tag", plain.split(b'"payload":"')[0] + b'"payload":"00"}')
    replaced = msgspec.structs.replace
    payload = payload_of(Side.A)
    add("pair id that does not follow", half_of(Side.A, payload=replaced(payload, lock=fixed("other lock").hex())))
    add(
        "own key as the peer's",
        half_of(Side.A, payload=replaced(payload, peer_static_public=x25519_public(fixed("static a")).hex())),
    )
    relay = RELAYS[0]
    add("one relay twice", half_of(Side.A, payload=replaced(payload, relays=[relay, relay])))
    many = [RelayEntry(token="", url=f"gimmal-relay://r{number}.example:7117/") for number in range(17)]
    add("17 relays", half_of(Side.A, payload=replaced(payload, relays=many)))
    add(
        "relay with a space",
        half_of(Side.A, payload=replaced(payload, relays=[RelayEntry(token="", url="gimmal-relay://a b/")])),
    )
    encoded = canonical.encode(payload)
    add("payload with white space", sealed_raw(Side.A, encoded.replace(b",", b", ", 1)))
    add(
        "payload with a key twice",
        sealed_raw(Side.A, encoded[:-1] + b',"storage_key":"' + payload.storage_key.encode() + b'"}'),
    )
    add("payload with an unknown key", sealed_raw(Side.A, encoded[:-1] + b',"z":1}'))
    add("payload with a key missing", sealed_raw(Side.A, encoded.replace(b'"read_only_allowed":false,', b"")))
    return made


def states() -> list[dict[str, Any]]:
    key = fixed("state a").hex()
    base = {"state_key": key, "pair_id": PAIR_ID.hex(), "generation": 7}
    pending = RootSlot(fixed("pending"))
    retired = tuple(RetiredGate(fixed(f"id {n}", 8), fixed(f"gate {n}")) for n in range(16))
    whole = state_of(Side.A, 5)
    full = state_of(Side.A, 6, pending=pending, retired=retired)
    newer = bytearray(state_of(Side.A, 9))
    newer[9] = 2
    newer[4064:] = sha256(bytes(newer[:4064]))
    moved = bytearray(whole)
    moved[20] ^= 1
    moved[4064:] = sha256(bytes(moved[:4064]))
    torn = full[:512] + whole[512:4064] + full[4064:]
    root, second = fixed("root").hex(), pending.root.hex()

    def one(note: str, zero: bytes, first: bytes, **expected: Any) -> dict[str, Any]:
        return {"note": note, **base, "state_0": short(zero), "state_1": short(first), **expected}

    return [
        one("higher sequence counts", whole, full, file=1, sequence=6, current=root, pending=second, retired=16),
        one("the other way round", full, whole, file=0, sequence=6, current=root, pending=second, retired=16),
        one("a torn file leaves the older one", whole, torn, file=0, sequence=5, current=root, pending=None, retired=0),
        one("never written", whole, bytes(4096), file=0, sequence=5, current=root, pending=None, retired=0),
        one("of another pair", whole, bytes(moved), file=0, sequence=5, current=root, pending=None, retired=0),
        one("none whole", torn, bytes(4096), error="HalfDamaged"),
        one("newer version", whole, bytes(newer), error="HalfUnsupported"),
        one("one sequence, two contents", whole, state_of(Side.A, 5, pending=pending), error="HalfDamaged"),
    ]


def codes() -> list[dict[str, Any]]:
    good_codes = [
        CODE,
        code_from_random(bytes(17)),
        code_from_random(b"\xff" * 17),
        *(code_from_random(fixed(f"code {n}", 17)) for n in range(12)),
    ]
    made: list[dict[str, Any]] = []
    for code in good_codes:
        shown = display_code(code)
        facts = {"code": code, "lock": lock_of(code).hex()}
        made.append({"typed": shown, **facts})
        made.append({"typed": shown.lower().replace("-", " "), **facts})
        made.append({"typed": shown[:-1].replace("0", "o").replace("1", "l") + shown[-1], **facts})
    shown = display_code(CODE)
    wrong = "0" if shown[0] != "0" else "2"
    for typed in (
        "",
        shown[1:],
        shown + "0",
        wrong + shown[1:],
        shown[1] + shown[0] + shown[2:],
        shown[:-1] + ("*" if check_symbol(CODE) != "*" else "~"),
        shown.replace(shown[3], "U", 1),
        "*" + shown[1:],
        "é" + shown[1:],
        shown * 20,
        CODE,
    ):
        made.append({"typed": typed, "error": "UsageError"})
    return made


def passwords() -> list[dict[str, Any]]:
    good_ones = [
        "tram violet kettle orbit",
        "tram-violet-kettle-orbit",
        "xK4#pq9!vLw2",
        "ein Pferd frisst keinen Gurkensalat",
        "dort liegt der Hund",
        "пароль длинный и свой",
        "u7 u8 boat tree rain shoe",
        "2Kfh-33mM-pPq0",
    ]
    bad_ones = [
        "",
        "short",
        "eleven char",
        "one two six",
        "tram tram tram tram",
        "password1234",
        "P@ssw0rdP@ssw0rd",
        "passwordpassword",
        "Password Password",
        "aaaaaaaaaaaaa",
        "abcabcabcabc",
        "abcdefghijklm",
        "zyxwvutsrqponm",
        "123456789012",
        "qwertyuiopas",
        "home computer",
        "HomeComputer2024",
        "letmeinplease1",
        "correct horse battery staple",
        "x" * 1025,
    ]
    return [{"password": one, "pair_name": "home computer", "allowed": True} for one in good_ones] + [
        {"password": one, "pair_name": "home computer", "allowed": False} for one in bad_ones
    ]


def write(name: str, vectors: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(vector, ensure_ascii=True) for vector in vectors)
    (HERE / name).write_text(f"[\n{lines}\n]\n", encoding="ascii")


def main() -> None:
    write("good.json", good())
    write("bad.json", bad())
    write("state.json", states())
    write("disable_codes.json", codes())
    write("passwords.json", passwords())


if __name__ == "__main__":
    main()
