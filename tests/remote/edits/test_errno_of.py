"""Each of our errors has a number that a program understands."""

from __future__ import annotations

import errno

import pytest

from gimmal.base.errors import (
    BadName,
    DeadlinePassed,
    GimmalError,
    HalfGone,
    InternalError,
    Interrupted,
    LocalError,
    PeerAbsent,
    ProtocolViolation,
    RemoteError,
    UsageError,
)
from gimmal.protocol.codes import Code, code_of_os_error, error_of_code
from gimmal.remote.edits.errno_of import errno_of


@pytest.mark.parametrize("code", list(Code))
def test_every_code_of_the_protocol_has_a_number_of_its_own_meaning(code: Code) -> None:
    number = errno_of(error_of_code(code, "x"))
    plain = (Code.FAILED, Code.CORRUPT, Code.UNKNOWN_CURSOR, Code.UNKNOWN_PART, Code.INPUT_OUTPUT)
    assert (number == errno.EIO) == (code in plain)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOSPC, errno.EXDEV])
def test_what_the_other_system_said_is_said_here(number: int) -> None:
    assert errno_of(error_of_code(code_of_os_error(OSError(number, "")), "x")) == number


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (DeadlinePassed(""), errno.ETIMEDOUT),
        (Interrupted(""), errno.EHOSTUNREACH),
        (PeerAbsent(""), errno.EHOSTUNREACH),
        (HalfGone(""), errno.ENODEV),
        (BadName(""), errno.EINVAL),
        (UsageError(""), errno.EINVAL),
        (ProtocolViolation(""), errno.EIO),
        (InternalError(""), errno.EIO),
        (LocalError(""), errno.EIO),
        (RemoteError("a code of later days", ""), errno.EIO),
    ],
)
def test_errors_of_every_kind_have_one(error: GimmalError, number: int) -> None:
    assert errno_of(error) == number


def test_a_full_disk_here_is_told_as_one() -> None:
    error = LocalError("cannot write")
    error.__cause__ = OSError(errno.ENOSPC, "")
    assert errno_of(error) == errno.ENOSPC
