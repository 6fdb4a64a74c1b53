"""The table of error codes, both ways."""

from __future__ import annotations

import errno

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.codes import Code, code_of_os_error, error_of_code

PUBLISHED = [
    "FAILED",
    "UNSUPPORTED",
    "NOT_FOUND",
    "EXISTS",
    "NOT_A_DIRECTORY",
    "IS_A_DIRECTORY",
    "NOT_EMPTY",
    "NOT_GRANTED",
    "DENIED",
    "BAD_NAME",
    "LINK_REFUSED",
    "SPECIAL_FILE",
    "NO_SPACE",
    "TOO_LARGE",
    "CHANGED",
    "CORRUPT",
    "LIMIT",
    "UNKNOWN_CURSOR",
    "UNKNOWN_PART",
    "INPUT_OUTPUT",
    "READ_ONLY",
    "COLLISION",
    "CROSS_DEVICE",
    "INVALID",
    "NAME_TOO_LONG",
    "NOT_STORED",
]


def test_numbers_are_those_published() -> None:
    assert [(code.name, code.value) for code in Code] == [(name, at) for at, name in enumerate(PUBLISHED, 1)]


@pytest.mark.parametrize("code", Code)
def test_every_code_becomes_an_error_in_the_house_form(code: Code) -> None:
    error = error_of_code(code, "a file")
    assert isinstance(error, RemoteError)
    assert error.code == code.name.lower()
    assert error.message.startswith("a file: ")
    assert not error.message.endswith(".")
    assert not error_of_code(code, "").message.startswith(":")


@pytest.mark.parametrize("number", [0, 27, 65535, 1 << 31])
def test_an_unknown_code_reads_as_failed(number: int) -> None:
    assert error_of_code(number, "x").code == "failed"


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_system_error_has_a_code(number: int) -> None:
    assert code_of_os_error(OSError(number, "text")) in Code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOENT, Code.NOT_FOUND),
        (errno.EEXIST, Code.EXISTS),
        (errno.ENOTEMPTY, Code.NOT_EMPTY),
        (errno.EACCES, Code.DENIED),
        (errno.ELOOP, Code.LINK_REFUSED),
        (errno.ENOSPC, Code.NO_SPACE),
        (errno.EDQUOT, Code.NO_SPACE),
        (errno.EROFS, Code.READ_ONLY),
        (errno.ENAMETOOLONG, Code.NAME_TOO_LONG),
        (errno.EPROTO, Code.FAILED),
    ],
)
def test_the_system_errors_that_matter(number: int, code: Code) -> None:
    assert code_of_os_error(OSError(number, "text")) is code


def test_an_error_without_a_number_is_failed() -> None:
    assert code_of_os_error(OSError("no number")) is Code.FAILED
