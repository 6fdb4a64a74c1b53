"""What a command hands over: whole, bounded, and never a path that depends on where the agent was started."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.agent.queue.messages import ORDER_BYTES_MAX
from gimmal.agent.queue.order import (
    NAME_BYTES_MAX,
    CopyOrder,
    Order,
    SyncOrder,
    absolute,
    decode_order,
    direction_of,
    encode_order,
    prepare,
)
from gimmal.base.errors import LocalError, ProtocolViolation, UsageError
from gimmal.remote.copy_deciding import CopyOptions, Existing
from tests.agent.queue.orders import copy_order, orders


@given(orders)
def test_any_order_comes_back_whole(order: Order) -> None:
    assert decode_order(encode_order(order)) == order


@settings(max_examples=400)
@given(st.binary(max_size=400))
def test_any_bytes_are_an_order_or_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_order(data)


@settings(max_examples=300)
@given(orders, st.data())
def test_an_order_with_one_byte_changed_is_an_order_or_refused(order: Order, data: st.DataObject) -> None:
    whole = bytearray(encode_order(order))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode_order(bytes(whole))
    except ProtocolViolation:
        return
    for name in (changed.target, *(changed.sources if isinstance(changed, CopyOrder) else [changed.source])):
        assert name[:1] in (b":", b"/")
    assert not changed.options.dry_run


@pytest.mark.parametrize(
    "order",
    [
        copy_order(b"relative"),
        copy_order(b"/with\0nul"),
        copy_order(b""),
        copy_order(target=b"relative"),
        copy_order(b"/" + b"x" * NAME_BYTES_MAX),
        msgspec.structs.replace(copy_order(), sources=[]),
        msgspec.structs.replace(copy_order(), options=CopyOptions(dry_run=True)),
        msgspec.structs.replace(copy_order(), limit=0),
        msgspec.structs.replace(copy_order(), limit=-5),
    ],
)
def test_what_may_not_be_carried_out_is_refused(order: Order) -> None:
    with pytest.raises(ProtocolViolation):
        decode_order(msgspec.msgpack.encode(order))


def test_a_later_version_may_say_more_and_an_earlier_one_less() -> None:
    said = msgspec.msgpack.decode(encode_order(copy_order()))
    said["news"] = 1
    said["options"]["more"] = True
    del said["options"]["safe_links"]
    del said["limit"]
    assert decode_order(msgspec.msgpack.encode(said)) == copy_order()


def test_too_long_an_order_is_refused_before_it_is_sent_and_when_it_comes() -> None:
    order = copy_order(*[b"/" + b"x" * 200] * 6000)
    with pytest.raises(UsageError, match="so many names"):
        encode_order(order)
    data = msgspec.msgpack.encode(order)
    assert len(data) > ORDER_BYTES_MAX
    with pytest.raises(ProtocolViolation):
        decode_order(data)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("x", b"/cwd/x"),
        (".", b"/cwd/."),
        ("x/", b"/cwd/x/"),
        ("../x/.", b"/cwd/../x/."),
        ("/a/b", b"/a/b"),
        (":share/x", b":share/x"),
        ("./:odd", b"/cwd/./:odd"),
        ("no \udcff text", b"/cwd/no \xff text"),
    ],
)
def test_paths_are_absolute_and_keep_what_their_ends_mean(name: str, made: bytes) -> None:
    assert absolute(name, "/cwd") == made


def test_directions() -> None:
    assert direction_of(copy_order(b"/x", target=b":s")) == "up"
    assert direction_of(copy_order(b":s/x", target=b"/y")) == "down"
    assert direction_of(copy_order(b":s/x", target=b":s/y")) == "far"


def test_a_copy_is_looked_at_where_it_lies(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"odd \xff")
    odd.write_bytes(b"")
    prepared = prepare(copy_order(os.fsencode(odd), os.fsencode(tmp_path / "missing")), make=True)
    assert [share.path for share in prepared.transfer.shares] == [tmp_path]
    assert [reason for _name, reason in prepared.missing] == ["no such file or directory"]
    with pytest.raises(LocalError, match="no such file"):
        prepare(copy_order(os.fsencode(tmp_path / "missing")), make=True)
    with pytest.raises(UsageError, match="on the other side"):
        prepare(copy_order(b"/", target=b"/tmp"), make=True)


def test_a_folder_to_be_synced_into_is_made_only_when_its_turn_comes(tmp_path: Path) -> None:
    order = SyncOrder(
        b":s/x",
        os.fsencode(tmp_path / "new"),
        CopyOptions(Existing.OVERWRITE),
        [b"*.tmp"],
        delete=True,
        trash=True,
        confirmed=False,
    )
    prepare(order, make=False)
    assert not (tmp_path / "new").exists()
    prepared = prepare(order, make=True)
    assert (tmp_path / "new").is_dir()
    assert prepared.transfer.sweep
    with pytest.raises(UsageError, match="pattern"):
        prepare(msgspec.structs.replace(order, patterns=[b"!"]), make=True)
