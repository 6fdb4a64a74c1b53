"""Errors that outlive the calls they came through."""

from __future__ import annotations

from typing import TypeVar

ErrorT = TypeVar("ErrorT", bound=Exception)


def forget_frames(error: BaseException) -> None:
    """Drop the frames that an error and its causes came through.

    A session keeps the error that ended it. Its frames hold the session, the link and views of the link's buffer, and
    these the error: all of it would wait for the garbage collector.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            waiting += [one.__cause__, one.__context__]


def again(error: ErrorT) -> ErrorT:
    """A copy of an error that is kept, to be raised: the frames it comes through are not kept with the error."""
    copy = type(error).__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
