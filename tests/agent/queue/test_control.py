"""The queue through the control socket: what is asked is bounded, and rubbish harms nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gimmal.agent.control import CONTROL_VERSION, Question, Reply
from gimmal.agent.queue.messages import ORDER_BYTES_MAX, Act, TransfersQuestion, TransferView
from gimmal.agent.queue.order import encode_order
from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.codec import decode_struct
from tests.agent.queue.asking import LENGTH, connect, framed, receive
from tests.agent.queue.orders import copy_order
from tests.endtoend.processes import Agent
from tests.endtoend.world import World, new_world

VERBS = st.sampled_from(["queue", "transfers"])


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as made:
        made.pair(relay=False)
        yield made


@pytest.fixture(scope="module")
def agent(world: World) -> Agent:
    return world.up(world.a, world.a.folder("shared"))


def ask(world: World, verb: str, sent: bytes) -> tuple[Reply | None, list[TransferView]]:
    """Ask with the exact bytes that follow the question; no reply where the connection was closed."""
    with connect(world, world.a) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(framed(msgspec.msgpack.encode(Question(CONTROL_VERSION, verb))) + sent)
        try:
            body = receive(connection)
        except ConnectionResetError:
            body = b""
        if not body:
            return None, []
        reply = decode_struct(Reply, body)
        views = [decode_struct(TransferView, receive(connection)) for _ in range(reply.count)]
        with suppress(ConnectionResetError):  # what was sent too much was not read
            assert connection.recv(1) == b""
    return reply, views


def ask_transfers(world: World, act: Act, number: int | None = None) -> tuple[Reply | None, list[TransferView]]:
    return ask(world, "transfers", framed(msgspec.msgpack.encode(TransfersQuestion(act, number))))


def test_an_order_is_taken_and_listed(world: World, agent: Agent) -> None:
    order = copy_order(*[b"/no\xff such"] * 3)
    reply, _views = ask(world, "queue", framed(encode_order(order)))
    assert reply is not None
    assert reply.refusal is None
    listed, views = ask_transfers(world, Act.LIST)
    assert listed is not None
    assert listed.journal_key == b"", "keys are for sessions only"
    (view,) = [view for view in views if view.number == reply.number]
    assert view.sources == order.sources
    assert view.direction == "up"
    _reply, changed = ask_transfers(world, Act.CANCEL)
    assert all(view.state == "cancelled" for view in changed)
    assert agent.running


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        ("queue", LENGTH.pack(ORDER_BYTES_MAX + 1)),
        ("queue", LENGTH.pack(0xFFFFFFFF)),
        ("transfers", LENGTH.pack(1025)),
        ("transfers", LENGTH.pack(0xFFFFFFFF) + b"x" * 3000),
    ],
)
def test_too_long_a_message_ends_its_own_connection_only(world: World, agent: Agent, verb: str, sent: bytes) -> None:
    reply, _views = ask(world, verb, sent)
    assert reply is None or reply.refusal is not None
    assert ask_transfers(world, Act.LIST)[0] is not None
    assert agent.running
    assert agent.err == ""


def test_one_who_asks_half_a_question_is_closed(world: World, agent: Agent) -> None:
    assert ask(world, "queue", LENGTH.pack(100) + b"x") == (None, [])
    assert agent.running


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VERBS, st.binary(max_size=300))
def test_rubbish_is_refused_with_words(world: World, agent: Agent, verb: str, junk: bytes) -> None:
    reply, _views = ask(world, verb, framed(junk))
    assert reply is not None
    assert reply.refusal is not None
    assert "does not understand" in reply.refusal.message
    assert reply.refusal.hint == "restart `gimmal up`"
    assert agent.running


@given(st.sampled_from(Act), st.none() | st.integers(), st.booleans(), st.data())
def test_a_question_with_one_byte_changed_is_a_question_or_refused(
    act: Act, number: int | None, discard: bool, data: st.DataObject
) -> None:
    whole = bytearray(
        msgspec.msgpack.encode({"act": act.value, "number": (number or 0) % (1 << 60), "discard": discard})
    )
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(0, 255))
    with suppress(ProtocolViolation):
        question = decode_struct(TransfersQuestion, bytes(whole))
        assert question.number is None or 1 <= question.number < 1 << 53


@pytest.mark.parametrize("act", [Act.SHOW, Act.PAUSE, Act.RESUME, Act.CANCEL])
def test_a_transfer_that_is_not_there_is_refused(world: World, agent: Agent, act: Act) -> None:
    reply, _views = ask_transfers(world, act, 1 << 52)
    assert reply is not None
    assert reply.refusal is not None
    assert reply.refusal.message == f"there is no transfer {1 << 52}"


def test_an_agent_that_knows_no_queue_is_named(world: World, agent: Agent) -> None:
    """What this version asks for is what a version before it refuses in words."""
    reply, _views = ask(world, "queues", b"")
    assert reply is not None
    assert reply.refusal is not None
    assert "does not know" in reply.refusal.message
