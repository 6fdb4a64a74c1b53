"""Our errors, as users of fsspec expect them."""

from __future__ import annotations

import asyncio
import errno
import inspect

import pytest

from gimmal.base.errors import (
    BadName,
    DeadlinePassed,
    GimmalError,
    HalfMissing,
    Interrupted,
    PeerAbsent,
    ProtocolViolation,
    RemoteError,
    UsageError,
)
from gimmal.frontends.fsspec.os_errors import os_error, with_os_errors
from gimmal.protocol.codes import Code, error_of_code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.NOT_FOUND, FileNotFoundError),
        (Code.EXISTS, FileExistsError),
        (Code.NOT_A_DIRECTORY, NotADirectoryError),
        (Code.IS_A_DIRECTORY, IsADirectoryError),
        (Code.NOT_GRANTED, PermissionError),
        (Code.DENIED, PermissionError),
    ],
)
def test_codes_become_the_classes_of_the_system(code: Code, kind: type[OSError]) -> None:
    error = os_error(error_of_code(code, ":share/x"))
    assert type(error) is kind
    assert ":share/x: " in str(error)


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_an_error_of_the_system_with_our_words(code: Code) -> None:
    ours = error_of_code(code, ":share/x")
    error = os_error(ours)
    assert isinstance(error, OSError)
    assert error.errno
    assert ours.message in str(error)
    assert ours.hint in str(error)


@pytest.mark.parametrize(
    ("ours", "number"),
    [
        (PeerAbsent("the other side is away", "plug it in"), errno.EHOSTUNREACH),
        (DeadlinePassed("no answer", "try again"), errno.EHOSTUNREACH),
        (Interrupted("cut", "again"), errno.EHOSTUNREACH),
        (HalfMissing("no half", "plug one in"), errno.ENODEV),
        (BadName("no name", "rename it"), errno.EINVAL),
        (ProtocolViolation("nonsense"), errno.EIO),
        (RemoteError("of_another_day", "unknown"), errno.EIO),
    ],
)
def test_other_errors_have_a_number(ours: GimmalError, number: int) -> None:
    error = os_error(ours)
    assert isinstance(error, OSError)
    # Those of time would lose their words in fsspec.
    assert not isinstance(error, TimeoutError)
    assert error.errno == number


def test_options_that_make_no_sense_are_wrong_values() -> None:
    assert isinstance(os_error(UsageError("several halves", "name one")), ValueError)


def test_a_coroutine_function_keeps_its_results_and_the_cause() -> None:
    cause = error_of_code(Code.NOT_FOUND, "x")

    @with_os_errors
    async def work(number: int) -> int:
        if number < 0:
            raise cause
        return 2 * number

    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(work(3)) == 6
    with pytest.raises(FileNotFoundError) as raised:
        asyncio.run(work(-1))
    assert raised.value.__cause__ is cause
