"""Error codes: one table, mapped both ways (docs/spec/protocol.md, section 7)."""

from __future__ import annotations

import errno
from enum import IntEnum

from gimmal.base.errors import ExitCode, RemoteError


class Code(IntEnum):
    """Why a request was not done. Numbers are for ever; an unknown one reads as FAILED."""

    FAILED = 1
    UNSUPPORTED = 2
    NOT_FOUND = 3
    EXISTS = 4
    NOT_A_DIRECTORY = 5
    IS_A_DIRECTORY = 6
    NOT_EMPTY = 7
    NOT_GRANTED = 8
    DENIED = 9
    BAD_NAME = 10
    LINK_REFUSED = 11
    SPECIAL_FILE = 12
    NO_SPACE = 13
    TOO_LARGE = 14
    CHANGED = 15
    CORRUPT = 16
    LIMIT = 17
    UNKNOWN_CURSOR = 18
    UNKNOWN_PART = 19
    INPUT_OUTPUT = 20
    READ_ONLY = 21
    COLLISION = 22
    CROSS_DEVICE = 23
    INVALID = 24
    NAME_TOO_LONG = 25
    NOT_STORED = 26


_SENTENCES: dict[Code, tuple[str, str]] = {
    Code.FAILED: ("the other side could not do it", "its own log may say why"),
    Code.UNSUPPORTED: ("the other side does not know this request", "update gimmal on the other side"),
    Code.NOT_FOUND: ("no such file or folder", "list the folder above it to see its names"),
    Code.EXISTS: ("it is already there", "use --overwrite or --update, or another name"),
    Code.NOT_A_DIRECTORY: ("not a folder", ""),
    Code.IS_A_DIRECTORY: ("it is a folder", "name a file instead"),
    Code.NOT_EMPTY: ("the folder is not empty", "use -r to remove it with what it holds"),
    Code.NOT_GRANTED: ("the share does not grant this", "its keeper chose ro or drop with --share"),
    Code.DENIED: ("the other side's system denied it", "look at the permissions there"),
    Code.BAD_NAME: ("the name is not allowed", "rename it"),
    Code.LINK_REFUSED: ("symbolic links are not followed", "share the folder it points to by itself"),
    Code.SPECIAL_FILE: ("neither a file nor a folder", "devices, sockets and pipes are not served"),
    Code.NO_SPACE: ("the other side's disk is full", "make room there and run the command again"),
    Code.TOO_LARGE: ("too large for the other side", ""),
    Code.CHANGED: ("the file changed meanwhile", "run the command again"),
    Code.CORRUPT: ("the bytes that arrived are not those that were sent", "run the command again"),
    Code.LIMIT: ("a limit of the other side was reached", "wait a moment, then run it again"),
    Code.UNKNOWN_CURSOR: ("the listing went stale", "list again"),
    Code.UNKNOWN_PART: ("the part file is gone", "run the command again"),
    Code.INPUT_OUTPUT: ("the other side's disk reported an error", "check that disk"),
    Code.READ_ONLY: ("the other side's disk is read-only", ""),
    Code.COLLISION: (
        "a name differing only in case or form is already there",
        "the disk there holds one of the two: rename one",
    ),
    Code.CROSS_DEVICE: ("the two places lie on different disks or shares", "copy, then remove"),
    Code.INVALID: ("the request makes no sense", "update gimmal on both sides"),
    Code.NAME_TOO_LONG: ("the name is too long for the disk there", "rename it shorter"),
    Code.NOT_STORED: ("the disk there has nothing of this kind", "choose a target on another disk"),
}

_HERE: dict[Code, tuple[str, str]] = {
    Code.FAILED: ("this computer could not do it", ""),
    Code.NOT_FOUND: ("no such file or folder", "check the name"),
    Code.DENIED: ("this computer's system denied it", "look at the permissions"),
    Code.NO_SPACE: ("this computer's disk is full", "make room and run the command again"),
    Code.TOO_LARGE: ("too large for this computer's disk", ""),
    Code.LIMIT: ("a limit of this computer was reached", "wait a moment, then run it again"),
    Code.INPUT_OUTPUT: ("this computer's disk reported an error", "check that disk"),
    Code.READ_ONLY: ("this computer's disk is read-only", ""),
    Code.COLLISION: (
        "a name differing only in case or form is already there",
        "this computer's disk holds one of the two: rename one",
    ),
    Code.NAME_TOO_LONG: ("the name is too long for this computer's disk", "rename it shorter"),
    Code.NOT_STORED: ("this computer's disk has nothing of this kind", "choose a target on another disk"),
}
"""Sentences that differ where the files concerned lie on this computer."""

_FROM_ERRNO = {
    errno.ENOENT: Code.NOT_FOUND,
    errno.EEXIST: Code.EXISTS,
    errno.ENOTDIR: Code.NOT_A_DIRECTORY,
    errno.EISDIR: Code.IS_A_DIRECTORY,
    errno.ENOTEMPTY: Code.NOT_EMPTY,
    errno.EACCES: Code.DENIED,
    errno.EPERM: Code.DENIED,
    errno.ELOOP: Code.LINK_REFUSED,
    errno.ENOSPC: Code.NO_SPACE,
    errno.EDQUOT: Code.NO_SPACE,
    errno.EFBIG: Code.TOO_LARGE,
    errno.EIO: Code.INPUT_OUTPUT,
    errno.EROFS: Code.READ_ONLY,
    errno.EXDEV: Code.CROSS_DEVICE,
    errno.ENAMETOOLONG: Code.NAME_TOO_LONG,
    errno.EILSEQ: Code.BAD_NAME,
    errno.EMFILE: Code.LIMIT,
    errno.ENFILE: Code.LIMIT,
}


def code_of_os_error(error: OSError) -> Code:
    """The code the answering side sends for an operating-system error."""
    return _FROM_ERRNO.get(error.errno or 0, Code.FAILED)


def error_of_code(number: int, subject: str) -> RemoteError:
    """The error the asking side raises for a code from the wire.

    Args:
        number: code as received; unknown numbers read as ``FAILED``.
        subject: displayable name of what was asked about; may be empty.
    """
    code = Code(number) if number in Code._value2member_map_ else Code.FAILED
    sentence, hint = _SENTENCES[code]
    return RemoteError(code.name.lower(), f"{subject}: {sentence}" if subject else sentence, hint)


def error_here(number: int, subject: str) -> RemoteError:
    """As `error_of_code`, for files of this computer that are behind the same questions."""
    code = Code(number) if number in Code._value2member_map_ else Code.FAILED
    if code not in _HERE:
        return error_of_code(code, subject)
    sentence, hint = _HERE[code]
    error = RemoteError(code.name.lower(), f"{subject}: {sentence}" if subject else sentence, hint)
    error.exit_code = ExitCode.LOCAL
    return error
