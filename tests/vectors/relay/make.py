"""Writes the relay's vector files from fixed keys; run it after a change of the specification."""

from __future__ import annotations

import json
from pathlib import Path

from gimmal.base.primitives import sha256, sign_public
from gimmal.base.side import Side
from gimmal.protocol.relay.frames import encode_frame
from gimmal.protocol.relay.messages import (
    Candidates,
    Challenge,
    Goodbye,
    LinkRefused,
    NoAnswerer,
    Offer,
    PeerChanged,
    Ping,
    Pong,
    Refused,
    RequestLink,
    Role,
    Ticket,
    Welcome,
)
from gimmal.protocol.relay.proof import RelayIdentity, make_proof, pair_id_of, signed_bytes
from gimmal.protocol.relay.url import RelayUrl

HERE = Path(__file__).parent
PIN = sha256(b"pin")
PIN_TEXT = str(RelayUrl("h", 1, PIN)).partition("#")[2]
PRIVATE = {Side.A: sha256(b"private a"), Side.B: sha256(b"private b")}
NONCE, LOCK, INSTANCE = sha256(b"nonce"), sha256(b"lock"), sha256(b"instance")[:16]


def write(name: str, document: object) -> None:
    (HERE / name).write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def urls() -> object:
    good = [
        ("gimmal-relay://relay.example.org:7117/", "relay.example.org", 7117, None, None),
        (f"gimmal-relay://relay.example.org:7117/#{PIN_TEXT}", "relay.example.org", 7117, PIN.hex(), None),
        (f"gimmal-relay://192.0.2.7:1/#{PIN_TEXT}", "192.0.2.7", 1, PIN.hex(), None),
        (f"gimmal-relay://[2001:db8::1]:65535/#{PIN_TEXT}", "2001:db8::1", 65535, PIN.hex(), None),
        ("gimmal-relay://localhost:443/?token=a-B_9", "localhost", 443, None, "a-B_9"),
        (f"gimmal-relay://r:7117/?token=t#{PIN_TEXT}", "r", 7117, PIN.hex(), "t"),
    ]
    damaged = PIN_TEXT[:-1] + ("B" if PIN_TEXT[-1] != "B" else "C")
    bad = [
        "",
        "gimmal-relay://",
        "relay.example.org:7117",
        "https://relay.example.org:7117/",
        "GIMMAL-RELAY://h:1/",
        "gimmal-relay://relay.example.org/",
        "gimmal-relay://relay.example.org:7117",
        "gimmal-relay://h:0/",
        "gimmal-relay://h:07117/",
        "gimmal-relay://h:65536/",
        "gimmal-relay://h:7117/path",
        "gimmal-relay://user@h:7117/",
        "gimmal-relay://h:7117/?other=1",
        "gimmal-relay://h:7117/?token=",
        "gimmal-relay://h:7117/?token=a%20b",
        "gimmal-relay://h:7117/#",
        "gimmal-relay://h:7117/#short",
        f"gimmal-relay://h:7117/#{PIN_TEXT}=",
        f"gimmal-relay://h:7117/#{damaged}",
        f"gimmal-relay://h:7117/#{PIN_TEXT}?token=t",
        "gimmal-relay://h..h:7117/",
        "gimmal-relay://.h:7117/",
        "gimmal-relay://-h:7117/",
        "gimmal-relay://h_h:7117/",
        "gimmal-relay://256.1.1.1:7117/",
        "gimmal-relay://1.2.3:7117/",
        "gimmal-relay://01.2.3.4:7117/",
        "gimmal-relay://2001:db8::1:7117/",
        "gimmal-relay://[2001:db8::g]:7117/",
        "gimmal-relay://[::1%eth0]:7117/",
        "gimmal-relay://h\u00e9:7117/",
        "gimmal-relay://h:7117/\n",
        " gimmal-relay://h:7117/",
        "gimmal-relay://" + "a" * 64 + ":7117/",
        "gimmal-relay://h:\u0667/",
    ]
    return {
        "good": [
            {"url": url, "host": host, "port": port, "pin": pin, "token": token} for url, host, port, pin, token in good
        ],
        "bad": bad,
    }


def proofs() -> object:
    sign_a, sign_b = sign_public(PRIVATE[Side.A]), sign_public(PRIVATE[Side.B])
    pair_id = pair_id_of(LOCK, sign_a, sign_b)
    cases = []
    for side in Side:
        for role in Role:
            identity = RelayIdentity(pair_id, side, LOCK, sign_a, sign_b, PRIVATE[side])
            proof = make_proof(identity, PIN, NONCE, role, INSTANCE, "0.1.0", b"sealed")
            cases.append(
                {
                    "side": side,
                    "role": role,
                    "signed": signed_bytes(PIN, NONCE, pair_id, side, role, INSTANCE).hex(),
                    "signature": proof.signature.hex(),
                    "frame": encode_frame(proof).hex(),
                }
            )
    return {
        "private_a": PRIVATE[Side.A].hex(),
        "private_b": PRIVATE[Side.B].hex(),
        "lock": LOCK.hex(),
        "pair_id": pair_id.hex(),
        "pin": PIN.hex(),
        "nonce": NONCE.hex(),
        "instance": INSTANCE.hex(),
        "program": "0.1.0",
        "candidates": b"sealed".hex(),
        "cases": cases,
    }


def frames() -> object:
    number = 0xFFFF_FFFF
    from_relay = [
        Challenge(1, NONCE),
        Welcome(True, 1_764_000_000, b"sealed"),
        Welcome(False, 0, b"", bytes(10) + b"\xff\xff" + bytes([203, 0, 113, 9]) + (40_123).to_bytes(2, "big")),
        Refused("proof", "no"),
        Ticket(7, NONCE),
        Offer(NONCE, INSTANCE),
        NoAnswerer(number, 0),
        LinkRefused(0, "too_many_links", "no"),
        PeerChanged(False, 1, b""),
        Ping(1),
        Pong(number),
        Goodbye("stopping", "the relay is stopping"),
    ]
    from_half = [RequestLink(number), Candidates(b""), Candidates(bytes(4096)), Ping(0), Pong(0), Goodbye("", "")]

    def frame(body: str) -> str:
        return f"{len(body) // 2:04x}{body}"

    return {
        "from_relay": [{"name": type(each).__name__, "frame": encode_frame(each).hex()} for each in from_relay],
        "from_half": [{"name": type(each).__name__, "frame": encode_frame(each).hex()} for each in from_half],
        "from_half_with_a_later_field": frame("93" + "21" + "07" + "a568656c6c6f"),
        "bad_from_half": [
            {"why": "length 0", "frame": "0000"},
            {"why": "length above 16384", "frame": "4001"},
            {"why": "not msgpack", "frame": frame("c1")},
            {"why": "not an array", "frame": frame("21")},
            {"why": "no tag", "frame": frame("90")},
            {"why": "unknown tag", "frame": frame("921900")},
            {"why": "tag of the other direction", "frame": encode_frame(NoAnswerer(1, 1)).hex()},
            {"why": "missing field", "frame": frame("9121")},
            {"why": "wrong type", "frame": frame("9221a161")},
            {"why": "negative number", "frame": frame("9221ff")},
            {"why": "number above 32 bits", "frame": frame("9221cf0000000100000000")},
            {"why": "bytes behind the array", "frame": frame("92210100")},
            {"why": "candidates above 4096", "frame": frame("9222c51001" + "00" * 4097)},
            {"why": "code with capitals", "frame": frame("9342a1" + "41" + "a0")},
            {"why": "sentence that is not UTF-8", "frame": frame("9342a161a1ff")},
        ],
    }


if __name__ == "__main__":
    write("urls.json", urls())
    write("proof.json", proofs())
    write("frames.json", frames())
