"""What a program in the mount is told where something cannot be done: one border, and a deadline for every call."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from pyfuse3 import FUSEError

from gimmal.base.errors import GimmalError
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.remote.edits.errno_of import errno_of

logger = logging.getLogger("gimmal.fuse")

SelfT = TypeVar("SelfT")
ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


def answered(
    seconds: float | None = CALL_SECONDS,
) -> Callable[
    [Callable[Concatenate[SelfT, ParametersT], Coroutine[Any, Any, ResultT]]],
    Callable[Concatenate[SelfT, ParametersT], Coroutine[Any, Any, ResultT]],
]:
    """A request of the kernel: it ends within so many seconds, and in nothing but an answer or an error number.

    Args:
        seconds: None where what is called has a deadline of its own.
    """

    def decorate(
        request: Callable[Concatenate[SelfT, ParametersT], Coroutine[Any, Any, ResultT]],
    ) -> Callable[Concatenate[SelfT, ParametersT], Coroutine[Any, Any, ResultT]]:
        @wraps(request)
        async def answering(self: SelfT, /, *arguments: ParametersT.args, **named: ParametersT.kwargs) -> ResultT:
            try:
                async with asyncio.timeout(seconds):
                    return await request(self, *arguments, **named)
            except FUSEError:
                raise
            except GimmalError as error:
                logger.debug("%s: %s", request.__name__, error)
                raise FUSEError(errno_of(error)) from error
            except TimeoutError as error:
                raise FUSEError(errno.ETIMEDOUT) from error
            except Exception as error:
                # Whatever else is raised here would end the mount, and with it every program that uses it.
                logger.exception("%s failed", request.__name__)
                raise FUSEError(errno.EIO) from error

        return answering

    return decorate
