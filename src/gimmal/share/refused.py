"""How an operation says no inside this room, and how errors of the system become codes."""

from __future__ import annotations

import errno

from gimmal.base.beneath import NotAFileError
from gimmal.protocol.codes import Code, code_of_os_error


class RefusedError(Exception):
    """The request is answered ``Failed(code)``; never leaves the share room."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


_MORE = {
    errno.EINVAL: Code.INVALID,
    errno.EOVERFLOW: Code.TOO_LARGE,
    errno.ENOMEM: Code.LIMIT,
    errno.ENXIO: Code.SPECIAL_FILE,
    errno.ESTALE: Code.INPUT_OUTPUT,
    errno.EAGAIN: Code.LIMIT,
    errno.EMLINK: Code.LIMIT,
}


def code_of(error: OSError) -> Code:
    """The code for an error of the system, with what this room knows beyond the protocol's table."""
    if isinstance(error, NotAFileError) and error.errno != errno.EISDIR:
        return Code.SPECIAL_FILE
    return _MORE.get(error.errno or 0) or code_of_os_error(error)
