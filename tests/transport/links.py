"""What tests of links share."""

from __future__ import annotations

import random

from gimmal.base.errors import GimmalError
from gimmal.protocol.kinds import RecordKind
from gimmal.transport.link import Link


def body_of(size: int, seed: int = 0) -> bytes:
    return random.Random(size * 31 + seed).randbytes(size)


async def end(*links: Link) -> None:
    for link in links:
        link.fail(GimmalError("the test is over"))


async def send(link: Link, stream: int, body: bytes, *, buffered: bool) -> None:
    if buffered:
        buffer = link._pool.take()
        buffer.body[: len(body)] = body
        await link.send_buffer(RecordKind.DATA, stream, len(body), buffer, len(body))
    else:
        await link.writable()
        link.post(RecordKind.DATA, stream, len(body), body)
