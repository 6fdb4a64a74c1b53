"""Encoding and strict decoding of messages (docs/spec/protocol.md, section 3)."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.limits import BUNDLE_ITEMS_MAX, DIGEST_SIZE
from gimmal.protocol.messages import Answer, BundleFile, BundleItem, Request

_encoder = msgspec.msgpack.Encoder()
_request_decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answer_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_bundle_files_decoder: msgspec.msgpack.Decoder[list[BundleFile]] = msgspec.msgpack.Decoder(
    Annotated[list[BundleFile], msgspec.Meta(max_length=BUNDLE_ITEMS_MAX)],
)
_bundle_items_decoder: msgspec.msgpack.Decoder[list[BundleItem]] = msgspec.msgpack.Decoder(
    Annotated[list[BundleItem], msgspec.Meta(max_length=BUNDLE_ITEMS_MAX)],
)
_decoders: dict[type, msgspec.msgpack.Decoder[object]] = {}

StructT = TypeVar("StructT", bound=msgspec.Struct)


def encode(message: msgspec.Struct | list[BundleFile] | list[BundleItem]) -> bytes:
    """The msgpack bytes of a message."""
    return _encoder.encode(message)


def decode_request(body: bytes | memoryview) -> Request | None:
    """A request, or None where this program does not know it (to be answered ``UNSUPPORTED``)."""
    try:
        return _request_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_answer(body: bytes | memoryview) -> Answer:
    """An answer.

    Raises:
        ProtocolViolation: the bytes are no answer of version 1.
    """
    try:
        return _answer_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolation("the other side sent an answer that cannot be read") from exc


def decode_struct(kind: type[StructT], body: bytes | memoryview) -> StructT:
    """A message whose type the record type fixes: Hello, Join, Close, StreamEnd.

    Raises:
        ProtocolViolation: the bytes are not such a message.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        message = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolation(f"the other side sent a {kind.__name__} that cannot be read") from exc
    assert isinstance(message, kind)
    return message


def split_bundle_files(body: memoryview, header_length: int) -> tuple[list[BundleFile], list[memoryview]]:
    """The files of a bundle being written: headers and contents, uncopied.

    Raises:
        ProtocolViolation: header and contents do not add up to the body.
    """
    _check_header_length(body, header_length)
    try:
        files = _bundle_files_decoder.decode(body[:header_length])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolation("the other side sent a bundle that cannot be read") from exc
    return files, _contents(body[header_length:], [file.size for file in files])


def split_bundle_items(body: memoryview, header_length: int) -> tuple[list[BundleItem], list[memoryview]]:
    """The files of a bundle being read: headers and contents, uncopied.

    Raises:
        ProtocolViolation: header and contents do not add up to the body.
    """
    _check_header_length(body, header_length)
    items = decode_bundle_items(body[:header_length])
    return items, _contents(body[header_length:], [item.size for item in items])


def decode_bundle_items(header: bytes | memoryview) -> list[BundleItem]:
    """The header of a bundle being read.

    Raises:
        ProtocolViolation: the bytes are no such header.
    """
    try:
        items = _bundle_items_decoder.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolation("the other side sent a bundle that cannot be read") from exc
    for item in items:
        whole = len(item.digest) == DIGEST_SIZE and item.attributes is not None
        empty = not item.size and not item.digest and item.attributes is None
        if not (empty if item.code else whole):
            raise ProtocolViolation("the other side sent a bundle with a file that is neither there nor missing")
    return items


def _check_header_length(body: memoryview, header_length: int) -> None:
    if header_length > len(body):
        raise ProtocolViolation("the other side sent a bundle whose header is longer than the record")


def _contents(rest: memoryview, sizes: list[int]) -> list[memoryview]:
    if sum(sizes) != len(rest):
        raise ProtocolViolation("the other side sent a bundle whose sizes do not add up")
    contents = []
    start = 0
    for size in sizes:
        contents.append(rest[start : start + size])
        start += size
    return contents
