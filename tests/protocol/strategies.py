"""Hypothesis strategies for the messages, made from their own types."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from gimmal.protocol.messages import Answer, Request

LISTS_MAX = 6
"""Length of generated lists; the limits themselves are tried by vectors."""

REQUESTS: tuple[type[msgspec.Struct], ...] = get_args(Request)
ANSWERS: tuple[type[msgspec.Struct], ...] = get_args(Answer)


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that occurs in messages."""
    return _of(inspect.type_info(kind))


def _of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            low = kind.ge if kind.ge is not None else 0
            high = kind.le if kind.le is not None else (1 << 64) - 1
            return st.integers(low, high) | st.sampled_from([low, high])
        case inspect.StrType():
            return st.text(max_size=min(kind.max_length or 40, 40))
        case inspect.BytesType():
            return st.binary(min_size=kind.min_length or 0, max_size=kind.max_length)
        case inspect.EnumType():
            return st.sampled_from(list(kind.cls))
        case inspect.ListType():
            return st.lists(_of(kind.item_type), max_size=LISTS_MAX)
        case inspect.VarTupleType():
            return st.lists(_of(kind.item_type), max_size=LISTS_MAX).map(tuple)
        case inspect.TupleType():
            return st.tuples(*(_of(item) for item in kind.item_types))
        case inspect.UnionType():
            return st.one_of(*(_of(item) for item in kind.types))
        case inspect.StructType():
            return st.builds(kind.cls, **{field.name: _of(field.type) for field in kind.fields})
        case inspect.Metadata():
            return _of(kind.type)
    raise AssertionError(f"no strategy for {kind}")


def requests() -> st.SearchStrategy[Any]:
    return st.one_of(*(of(kind) for kind in REQUESTS))


def answers() -> st.SearchStrategy[Any]:
    return st.one_of(*(of(kind) for kind in ANSWERS))


def plain(value: Any) -> Any:
    """A message as the vector files write it."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | str) else int(value)
