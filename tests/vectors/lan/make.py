"""Write the vector files of the local network, by an independent implementation.

Uses the standard library after docs/spec/paths.md, and no code of gimmal.
Run from the project's root: .venv/bin/python tests/vectors/lan/make.py
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import struct
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECRETS = [hashlib.sha256(b"discovery secret %d" % number).digest() for number in range(2)]
SRV, A, AAAA, TXT = 33, 1, 28, 16
IN, FLUSH = 1, 0x8001
RESPONSE = 0x8400


def key_of(secret: bytes) -> bytes:
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, b"gimmal lan v1\x01", "sha256")


def text(mac: bytes) -> str:
    return base64.b32encode(mac[:16]).decode("ascii").rstrip("=").lower()


def label(key: bytes, side: str, day: int) -> str:
    return text(hmac.digest(key, b"gimmal lan label v1" + side.encode() + struct.pack(">Q", day), "sha256"))


def sixteen(address: str) -> bytes:
    ip = ipaddress.ip_address(address)
    return bytes(10) + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed


def proof(key: bytes, side: str, day: int, address: str, port: int) -> str:
    said = b"gimmal lan proof v1" + side.encode() + struct.pack(">Q", day) + sixteen(address) + struct.pack(">H", port)
    return text(hmac.digest(key, said, "sha256"))


def name(*labels: str | bytes) -> bytes:
    parts = [part.encode("ascii") if isinstance(part, str) else part for part in labels]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def service(of: str) -> bytes:
    return name(of, "_gimmal", "_tcp", "local")


def question(owner: bytes, kind: int = SRV, network: int = IN) -> bytes:
    return owner + struct.pack(">HH", kind, network)


def record(owner: bytes, kind: int, data: bytes, life: int = 10, network: int = IN) -> bytes:
    return owner + struct.pack(">HHIH", kind, network, life, len(data)) + data


def srv(target: bytes, port: int) -> bytes:
    return struct.pack(">HHH", 0, 0, port) + target


def packet(flags: int, questions: list[bytes], *sections: list[bytes], number: int = 0) -> bytes:
    counts = [len(questions)] + [len(section) for section in (*sections, [], [], [])[:3]]
    return struct.pack(">HH4H", number, flags, *counts) + b"".join(questions) + b"".join(map(b"".join, sections))


def names() -> dict[str, Any]:
    cases = []
    for secret in SECRETS:
        key = key_of(secret)
        for side in "ab":
            for day in (0, 1, 20_784, 20_785, 2**40):
                cases.append({"secret": secret.hex(), "side": side, "day": day, "label": label(key, side, day)})
    proofs = []
    for address, port in (("192.168.1.20", 45129), ("192.168.1.20", 45130), ("fe80::1", 1), ("2001:db8::7", 65535)):
        for side, day in (("a", 20_784), ("b", 20_784), ("a", 20_785)):
            made = proof(key_of(SECRETS[0]), side, day, address, port)
            proofs.append(
                {
                    "secret": SECRETS[0].hex(),
                    "side": side,
                    "day": day,
                    "address": address,
                    "port": port,
                    "proof": made,
                }
            )
    days = [[0, 0], [86_399.9, 0], [86_400, 1], [1_795_700_000, 20_783], [-5, 0]]
    return {"labels": cases, "proofs": proofs, "days": days}


def packets() -> dict[str, Any]:
    key = key_of(SECRETS[0])
    asked = label(key, "a", 20_784)
    four, six = "192.168.1.20", "fe80::1"
    host4, host6 = (name(proof(key, "a", 20_784, address, 45129), "local") for address in (four, six))
    own4 = ipaddress.ip_address(four).packed
    own6 = ipaddress.ip_address(six).packed
    owner = service(asked)
    pointer = b"\xc0\x0c"
    answer = record(owner, SRV, srv(host4, 45129))
    address4, address6 = record(host4, A, own4), record(host6, AAAA, own6)
    place4 = {"address": four, "port": 45129, "proof": proof(key, "a", 20_784, four, 45129)}
    place6 = {"address": six, "port": 45129, "proof": proof(key, "a", 20_784, six, 45129)}

    def said(title: str, data: bytes, *places: dict[str, Any]) -> dict[str, Any]:
        return {"name": title, "bytes": data.hex(), "places": list(places)}

    def heard(title: str, data: bytes, *found: str, number: int = 0, unicast: bool = False) -> dict[str, Any]:
        return {"name": title, "bytes": data.hex(), "id": number, "unicast": unicast, "labels": list(found)}

    other = question(name("_ipp", "_tcp", "local"), 12)
    questions = [
        heard("as an asker sends it first", packet(0, [question(owner, SRV, FLUSH)]), asked, unicast=True),
        heard("as an asker sends it again", packet(0, [question(owner)]), asked),
        heard("in upper case", packet(0, [question(service(asked.upper()))]), asked),
        heard(
            "any type, answer by unicast wanted, with an id",
            packet(0, [question(owner, 255, FLUSH)], number=7),
            asked,
            number=7,
            unicast=True,
        ),
        heard("among others", packet(0, [other, question(owner), other]), asked),
        heard("the name a second time, compressed", packet(0, [question(owner), question(pointer)]), asked, asked),
        heard("type A", packet(0, [question(owner, A)])),
        heard("class CH", packet(0, [question(owner, SRV, 3)])),
    ]
    not_questions = [
        ["empty", b""],
        ["header cut", packet(0, [question(owner)])[:11]],
        ["a response", packet(RESPONSE, [question(owner)])],
        ["another operation", packet(0x2000, [question(owner)])],
        ["no question", packet(0, [])],
        ["17 questions", packet(0, [question(owner)] * 17)],
        ["a name cut", packet(0, [question(owner)])[:-6]],
        ["a question cut", packet(0, [question(owner)])[:-1]],
        ["a label of 64 bytes", packet(0, [b"\x40" + bytes(64) + b"\0" + bytes(4)])],
        ["a name of 33 labels", packet(0, [question(name(*["a"] * 33))])],
        ["a name of 256 bytes", packet(0, [question(name("a" * 63, "b" * 63, "c" * 63, "d" * 62))])],
        ["a pointer to itself", packet(0, [question(pointer)])],
        ["a pointer forwards", packet(0, [question(b"\xc0\x20"), question(owner)])],
        ["1,501 bytes", packet(0, [question(owner)]) + bytes(1501 - 12 - len(question(owner)))],
    ]
    answers = [
        said("as an answerer sends it, IPv4", packet(RESPONSE, [], [answer], [], [address4]), place4),
        said(
            "as an answerer sends it, IPv6",
            packet(RESPONSE, [], [record(owner, SRV, srv(host6, 45129))], [], [address6]),
            place6,
        ),
        said(
            "question repeated, names compressed, cache flush, address first",
            packet(
                RESPONSE,
                [question(owner)],
                [record(host4, A, own4, network=FLUSH)],
                [record(pointer, SRV, srv(host4, 45129), network=FLUSH)],
            ),
            place4,
        ),
        said(
            "two addresses of one host, one of them not proved",
            packet(RESPONSE, [], [answer], [], [address4, record(host4, A, bytes([10, 0, 0, 1]))]),
            place4,
            place4 | {"address": "10.0.0.1"},
        ),
    ]
    foreign = service(label(key, "b", 20_784))
    not_answers = [
        ["empty", b""],
        ["a question", packet(0, [question(owner)])],
        ["another operation", packet(0xA800, [], [answer], [], [address4])],
        ["another name", packet(RESPONSE, [], [record(foreign, SRV, srv(host4, 45129))], [], [address4])],
        ["no address", packet(RESPONSE, [], [answer])],
        ["an address of another host", packet(RESPONSE, [], [answer], [], [address6])],
        ["no time to live", packet(RESPONSE, [], [record(owner, SRV, srv(host4, 45129), life=0)], [], [address4])],
        ["class CH", packet(RESPONSE, [], [record(owner, SRV, srv(host4, 45129), network=3)], [], [address4])],
        ["SRV of 5 bytes", packet(RESPONSE, [], [record(owner, SRV, bytes(5))], [], [address4])],
        ["bytes behind the target", packet(RESPONSE, [], [record(owner, SRV, srv(host4, 1) + b"x")], [], [address4])],
        ["an A record of 3 bytes", packet(RESPONSE, [], [answer], [], [record(host4, A, own4[:3])])],
        ["record cut", packet(RESPONSE, [], [answer], [], [address4])[:-1]],
        ["33 records", packet(RESPONSE, [], [answer], [], [address4] + [record(b"\0", TXT, b"")] * 31)],
        ["more records said than there are", packet(RESPONSE, [], [answer, b""], [], [address4])],
    ]
    return {
        "service": asked,
        "questions": questions,
        "not_questions": [{"name": title, "bytes": data.hex()} for title, data in not_questions],
        "answers": answers,
        "not_answers": [{"name": title, "bytes": data.hex()} for title, data in not_answers],
    }


def write(file: str, document: Any) -> None:
    (HERE / file).write_text(json.dumps(document, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write("names.json", names())
    write("packets.json", packets())
