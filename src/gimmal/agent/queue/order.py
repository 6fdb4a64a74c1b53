"""What a command hands over to the queue: a copy or a sync as it was typed, with absolute paths."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import inf
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gimmal.agent.queue.messages import ORDER_BYTES_MAX
from gimmal.base.errors import ProtocolViolation, UsageError
from gimmal.protocol.messages import Packing
from gimmal.remote.copy import Placement
from gimmal.remote.copy_deciding import CopyOptions
from gimmal.remote.copy_ends import copy_ends
from gimmal.remote.filters import PATTERNS_MAX
from gimmal.remote.sync_ends import sync_ends
from gimmal.remote.transfer import Transfer

SOURCES_MAX = 20_000
NAME_BYTES_MAX = 8192
"""Bytes of one path as typed, twice what a disk takes."""

_Name = Annotated[bytes, Meta(min_length=1, max_length=NAME_BYTES_MAX)]
"""A path in bytes: beginning with ``:`` on the other side, else absolute on this computer, and maybe no UTF-8."""

_Rate = Annotated[int, Meta(ge=1, le=1 << 50)]


class CopyOrder(Struct, frozen=True, tag="copy"):
    """``gimmal cp`` as it was typed.

    Attributes:
        sources, target: paths.
        recursive: folders are copied too.
        options: how; never a dry run.
        limit: bytes per second, or None.
        packing: whether bytes are packed on the way.
    """

    sources: Annotated[list[_Name], Meta(min_length=1, max_length=SOURCES_MAX)]
    target: _Name
    recursive: bool
    options: CopyOptions
    limit: _Rate | None = None
    packing: Packing = Packing.SLOW


class SyncOrder(Struct, frozen=True, tag="sync"):
    """``gimmal sync`` as it was typed.

    Attributes:
        source, target: paths.
        options: how files are copied; never a dry run.
        patterns: of filters, in bytes as typed.
        delete, trash, confirmed: see remote.sync.SyncJob.
        limit: bytes per second, or None.
        packing: whether bytes are packed on the way.
    """

    source: _Name
    target: _Name
    options: CopyOptions
    patterns: Annotated[list[bytes], Meta(max_length=PATTERNS_MAX)]
    delete: bool
    trash: bool
    confirmed: bool
    limit: _Rate | None = None
    packing: Packing = Packing.SLOW


Order = CopyOrder | SyncOrder

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)


@dataclass
class Prepared:
    """An order whose ends were looked at.

    Attributes:
        transfer: for the engine.
        missing: sources of this computer that are not there, with the reason.
        placement: of a copy: where its sources go, to be decided once.
    """

    transfer: Transfer
    missing: list[tuple[str, str]]
    placement: Placement


def encode_order(order: Order) -> bytes:
    """The bytes of an order.

    Raises:
        UsageError: there are more than ORDER_BYTES_MAX.
    """
    data = _encoder.encode(order)
    if len(data) > ORDER_BYTES_MAX:
        raise UsageError("the queue does not take so many names at once", "name the folder that they lie in")
    return data


def decode_order(data: bytes) -> Order:
    """An order.

    Raises:
        ProtocolViolation: the bytes are none that may be carried out.
    """
    try:
        order = _decoder.decode(data) if len(data) <= ORDER_BYTES_MAX else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as exc:
        raise ProtocolViolation("an order for the queue cannot be read") from exc
    if order is None or order.options.dry_run or order.options.would is not None:
        raise ProtocolViolation("an order for the queue cannot be carried out")
    if not all(name.startswith((b":", b"/")) and b"\0" not in name for name in (*sources_of(order), order.target)):
        raise ProtocolViolation("an order for the queue names a path that is not absolute")
    return order


def sources_of(order: Order) -> list[bytes]:
    """The paths that are copied or synced."""
    return order.sources if isinstance(order, CopyOrder) else [order.source]


def verb_of(order: Order) -> str:
    """``copy`` or ``sync``."""
    return "copy" if isinstance(order, CopyOrder) else "sync"


def direction_of(order: Order) -> str:
    """``up`` to the other side, ``down`` from it, ``far`` within it."""
    if not order.target.startswith(b":"):
        return "down"
    return "far" if sources_of(order)[0].startswith(b":") else "up"


def absolute(name: str, folder: str) -> bytes:
    """A path as an order has it.

    Args:
        name: as typed. What a slash or a dot at its end means to cp is kept.
        folder: where it was typed.
    """
    return os.fsencode(name if name.startswith(":") else os.path.join(folder, name))


def prepare(order: Order, *, make: bool) -> Prepared:
    """Look at both ends of an order; may block on the disk.

    Args:
        order: what to do.
        make: make a folder to be synced into that is missing.

    Raises:
        UsageError: it cannot mean anything.
        LocalError: nothing of it is there on this computer, or not the folder of the target.
    """
    target = os.fsdecode(order.target)
    if isinstance(order, CopyOrder):
        names = [os.fsdecode(source) for source in order.sources]
        copy = copy_ends(names, target, order.options, recursive=order.recursive)
        transfer = Transfer("copy", copy.shares, copy.work, inf, order.limit, packing=order.packing)
        return Prepared(transfer, copy.missing, copy.job.placement)
    sync = sync_ends(
        os.fsdecode(order.source),
        target,
        order.options,
        [os.fsdecode(pattern) for pattern in order.patterns],
        delete=order.delete,
        trash=order.trash,
        confirmed=order.confirmed,
        make=make,
    )
    transfer = Transfer("sync", sync.shares, sync.work, inf, order.limit, sweep=sync.sweep, packing=order.packing)
    return Prepared(transfer, [], Placement())
