"""Our errors as the errors of the operating system that users of fsspec expect."""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from gimmal.base.errors import GimmalError, UsageError
from gimmal.remote.edits.errno_of import errno_of

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


def os_error(error: GimmalError) -> OSError | ValueError:
    """The same error for users of fsspec, with our message and hint.

    FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError or IsADirectoryError where there is such a
    class, another OSError otherwise; ValueError for options that make no sense.
    """
    text = f"{error.message} ({error.hint})" if error.hint else error.message
    if isinstance(error, UsageError):
        return ValueError(text)
    number = errno_of(error)
    # It would be a TimeoutError, and fsspec throws away what those say.
    return OSError(errno.EHOSTUNREACH if number == errno.ETIMEDOUT else number, text)


def says_nothing_is_there(error: GimmalError | OSError) -> bool:
    """Whether it follows that nothing is there, or nothing that may be seen; it does not of a line that is cut."""
    told = os_error(error) if isinstance(error, GimmalError) else error
    if isinstance(told, FileNotFoundError | NotADirectoryError | PermissionError):
        return True
    return isinstance(told, OSError) and told.errno == errno.EINVAL  # so called nothing can be


def with_os_errors(
    function: Callable[ParametersT, Coroutine[Any, Any, ResultT]],
) -> Callable[ParametersT, Coroutine[Any, Any, ResultT]]:
    """A coroutine function that raises what ``os_error`` makes of our errors; the cause stays attached."""

    @wraps(function)
    async def telling(*arguments: ParametersT.args, **named: ParametersT.kwargs) -> ResultT:
        try:
            return await function(*arguments, **named)
        except GimmalError as exc:
            raise os_error(exc) from exc

    return telling
