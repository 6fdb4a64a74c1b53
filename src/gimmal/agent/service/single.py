"""One supervisor for each user of a computer. The lock is the kernel's: a crash frees it."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Self

from gimmal.agent.service.messages import service_lock
from gimmal.base.errors import LocalError
from gimmal.base.persistence import local_errors


class ServiceLock:
    """Held while a supervisor runs; a context manager.

    Raises:
        LocalError: another one runs, or the runtime folder cannot be used.
    """

    def __init__(self) -> None:
        path = service_lock()
        with local_errors("open", path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._descriptor)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise LocalError(
                        "the service runs already for this user", "gimmal service status shows what it serves"
                    ) from error
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
