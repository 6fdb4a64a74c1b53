"""half.json decoded, sealed and opened: every limit of docs/spec/half.md, sections 3 and 4, on both of its sides."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gimmal.base.errors import HalfDamaged, HalfUnsupported, WrongPassword
from gimmal.base.primitives import seal_at_rest
from gimmal.half.canonical import encode
from gimmal.half.format import (
    GENERATION_MAX,
    HalfFile,
    Header,
    NoPassword,
    Payload,
    RelayEntry,
    WithPassword,
    decode_half,
    encode_half,
    name_fault,
    open_payload,
    sealing_key_of,
)
from gimmal.half.password import PasswordCost
from tests.vector_files import load

PLAIN, PROTECTED = (vector["half_json"].encode() for vector in load("half/good.json"))
PASSWORD = load("half/good.json")[1]["password"]
HALF = decode_half(PLAIN)
KEY = sealing_key_of(HALF.header.protection, None)
PAYLOAD = open_payload(HALF, KEY)
WITH_PASSWORD = decode_half(PROTECTED).header.protection


def written(**changes: Any) -> bytes:
    """A half.json with another header, sealed as it should be."""
    return encode_half(msgspec.structs.replace(HALF.header, **changes), PAYLOAD, KEY, bytes(12))


def opened(**changes: Any) -> Payload:
    """Another payload, sealed, encoded, decoded and opened."""
    data = encode_half(HALF.header, msgspec.structs.replace(PAYLOAD, **changes), KEY, bytes(12))
    return open_payload(decode_half(data), KEY)


def sealed(plain: bytes) -> HalfFile:
    """A half whose payload is these very bytes."""
    text = seal_at_rest(KEY, plain, b"gimmal half v1" + encode(HALF.header), bytes(12)).hex()
    return HalfFile(header=HALF.header, payload=text)


class TestHeader:
    def test_what_is_written_is_read(self) -> None:
        assert open_payload(decode_half(written()), KEY) == PAYLOAD
        assert decode_half(written()).header == HALF.header

    @pytest.mark.parametrize("generation", [1, 2**32 - 1])
    def test_generations(self, generation: int) -> None:
        assert decode_half(written(generation=generation)).header.generation == generation
        assert GENERATION_MAX == 2**32 - 1

    @pytest.mark.parametrize("generation", [-1, 0, 2**32])
    def test_generations_that_there_are_none_of(self, generation: int) -> None:
        with pytest.raises(HalfDamaged):
            decode_half(written(generation=generation))

    def test_another_format_is_refused_before_the_seal_is_looked_at(self) -> None:
        for version in (1, 2):
            with pytest.raises(HalfDamaged):
                decode_half(written(format="gimmal helf", version=version))

    @pytest.mark.parametrize("version", [0, 2, 2**70])
    def test_another_version(self, version: int) -> None:
        document = json.loads(PLAIN)
        document["header"]["version"] = version
        with pytest.raises(HalfUnsupported, match=str(version)):
            decode_half(json.dumps(document).encode())

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"header":{}}', PLAIN[:-1], b"[" * 60_000])
    def test_no_half_at_all(self, data: bytes) -> None:
        with pytest.raises(HalfDamaged):
            decode_half(data)

    def test_errors_name_the_file_and_the_payload(self) -> None:
        with pytest.raises(HalfDamaged, match=r"^half\.json is not in canonical form"):
            decode_half(PLAIN + b" ")
        with pytest.raises(HalfDamaged, match=r"^the payload of half\.json is not in canonical form"):
            open_payload(sealed(encode(PAYLOAD) + b" "), KEY)

    def test_65536_bytes_and_no_more(self) -> None:
        short = encode(HalfFile(header=msgspec.structs.replace(HALF.header, pair_name="x"), payload="00"))
        name = "x" * (1 + len(short) % 2)
        header = msgspec.structs.replace(HALF.header, pair_name=name)
        left = 65_536 - len(encode(HalfFile(header=header, payload="00")))
        longest = encode(HalfFile(header=header, payload="00" + "0" * left))
        assert len(longest) == 65_536
        assert decode_half(longest).header == header
        with pytest.raises(HalfDamaged, match="longer than 65536 bytes"):
            decode_half(longest + b" ")

    def test_a_file_too_long_is_not_even_asked_for_its_version(self) -> None:
        data = PLAIN.replace(b'"version":1', b'"version":2')
        with pytest.raises(HalfUnsupported):
            decode_half(data.ljust(65_536))
        with pytest.raises(HalfDamaged):
            decode_half(data.ljust(65_537))

    @pytest.mark.parametrize("payload", ["", "0", "000", "0G", "0A", "00\n"])
    def test_the_payload_is_hexadecimal(self, payload: str) -> None:
        with pytest.raises(HalfDamaged):
            decode_half(encode(HalfFile(header=HALF.header, payload=payload)))

    @pytest.mark.parametrize("field", ["header", "protection", "half", "relay", "payload"])
    def test_unknown_fields(self, field: str) -> None:
        document, payload = json.loads(PLAIN), json.loads(encode(PAYLOAD))
        payload["relays"] = [{"token": "", "url": "u"}]
        places = {
            "half": document,
            "header": document["header"],
            "protection": document["header"]["protection"],
            "payload": payload,
            "relay": payload["relays"][0],
        }
        places[field]["zeta"] = 1
        with pytest.raises(HalfDamaged, match="not what a half holds"):
            decode_half(dumped(document))
            open_payload(sealed(dumped(payload)), KEY)

    def test_unknown_fields_beside_a_password(self) -> None:
        document = json.loads(PROTECTED)
        document["header"]["protection"]["zeta"] = 1
        with pytest.raises(HalfDamaged, match="not what a half holds"):
            decode_half(dumped(document))

    @pytest.mark.parametrize(("field", "good", "bad"), [("iterations", 10, 11), ("lanes", 1, 0)])
    def test_costs_outside_the_limits(self, field: str, good: int, bad: int) -> None:
        assert isinstance(WITH_PASSWORD, WithPassword)
        decode_half(written(protection=msgspec.structs.replace(WITH_PASSWORD, **{field: good})))
        with pytest.raises(HalfDamaged, match="password cost"):
            decode_half(written(protection=msgspec.structs.replace(WITH_PASSWORD, **{field: bad})))

    def test_the_cost_is_the_one_stated(self) -> None:
        protection = WithPassword(check="00" * 16, iterations=5, lanes=7, memory_kib=70_000, salt="00" * 16)
        assert protection.cost == PasswordCost(iterations=5, memory_kib=70_000, lanes=7)


def dumped(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class TestNames:
    @pytest.mark.parametrize(
        "name", ["x", "x" * 64, "\u00e9" * 64, "\u5bb6" * 42 + "\u00e9", "xhomex", "a b", "x y x", "\u00a0x"]
    )
    def test_allowed(self, name: str) -> None:
        assert name_fault(name) is None
        assert decode_half(written(pair_name=name)).header.pair_name == name

    @pytest.mark.parametrize(
        ("name", "fault"),
        [
            ("", "1 to 64 characters and at most 128 bytes"),
            ("x" * 65, "1 to 64 characters and at most 128 bytes"),
            ("\u5bb6" * 43, "1 to 64 characters and at most 128 bytes"),
            *((f"a{point}b", "invisible") for point in "\x07\u200b\ue000\u0378\u2028\u2029"),
            (" home", "space"),
            ("home ", "space"),
            ("e\u0301", "composed"),
        ],
    )
    def test_refused(self, name: str, fault: str) -> None:
        assert fault in (name_fault(name) or "")
        with pytest.raises(HalfDamaged, match="pair name"):
            decode_half(written(pair_name=name))

    def test_half_a_character(self) -> None:
        assert "invisible" in (name_fault("a\ud800b") or "")


class TestPayload:
    def entries(self, count: int) -> list[RelayEntry]:
        return [RelayEntry(token="", url=f"https://relay{number}") for number in range(count)]

    def test_relays(self) -> None:
        assert len(opened(relays=self.entries(16)).relays) == 16
        assert opened(relays=[]).relays == []
        with pytest.raises(HalfDamaged):
            opened(relays=self.entries(17))
        with pytest.raises(HalfDamaged, match="a relay twice"):
            opened(relays=[RelayEntry(token="one", url="https://x"), RelayEntry(token="other", url="https://x")])

    @pytest.mark.parametrize(("url", "token"), [("u", ""), ("u" * 512, "t" * 512), ("!~", "!~")])
    def test_texts_of_a_relay(self, url: str, token: str) -> None:
        assert opened(relays=[RelayEntry(token=token, url=url)]).relays[0].url == url

    @pytest.mark.parametrize(
        ("url", "token"), [("", ""), ("u" * 513, ""), ("u", "t" * 513), ("a b", ""), ("u", "\x7f"), ("u\n", "")]
    )
    def test_texts_of_no_relay(self, url: str, token: str) -> None:
        with pytest.raises(HalfDamaged):
            opened(relays=[RelayEntry(token=token, url=url)])

    def test_32768_bytes_and_no_more(self) -> None:
        plain = encode(PAYLOAD)
        with pytest.raises(HalfDamaged, match="canonical"):
            open_payload(sealed(plain.ljust(32_768)), KEY)
        with pytest.raises(HalfDamaged, match="longer than 32768 bytes"):
            open_payload(sealed(plain.ljust(32_769)), KEY)

    def test_another_key_another_header_and_less_than_a_tag(self) -> None:
        other = msgspec.structs.replace(HALF.header, generation=8)
        for half, key in (
            (HALF, bytes(32)),
            (HalfFile(header=other, payload=HALF.payload), KEY),
            (HalfFile(header=HALF.header, payload="00" * 27), KEY),
            (HalfFile(header=HALF.header, payload="00" * 11), KEY),
        ):
            with pytest.raises(HalfDamaged):
                open_payload(half, key)


class TestKeys:
    def test_the_password_of_the_vector_opens_it(self) -> None:
        half = decode_half(PROTECTED)
        assert open_payload(half, sealing_key_of(half.header.protection, PASSWORD)).lock == PAYLOAD.lock

    @pytest.mark.parametrize("password", [None, "", "x" * 1025, "wrong"])
    def test_others_do_not(self, password: str | None) -> None:
        with pytest.raises(WrongPassword):
            sealing_key_of(WITH_PASSWORD, password)

    def test_where_none_is_needed_none_is_looked_at(self) -> None:
        assert sealing_key_of(HALF.header.protection, "whatever") == KEY


class TestStructs:
    STRUCTS = (HALF, HALF.header, HALF.header.protection, WITH_PASSWORD, PAYLOAD, RelayEntry(token="secret", url="u"))

    @pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: type(struct).__name__)
    def test_what_was_checked_cannot_be_changed(self, struct: msgspec.Struct) -> None:
        name = struct.__struct_fields__[0]
        with pytest.raises(AttributeError):
            setattr(struct, name, getattr(struct, name))

    def test_neither_key_nor_password_check_nor_token_is_shown(self) -> None:
        assert [repr(struct) for struct in (HALF, WITH_PASSWORD, PAYLOAD, self.STRUCTS[-1])] == [
            "HalfFile(side='a', generation=7)",
            "WithPassword(...)",
            "Payload(...)",
            "RelayEntry(url='u')",
        ]
        assert isinstance(HALF.header, Header)
        assert isinstance(HALF.header.protection, NoPassword)
