"""Making the files and folders of one bundle durable, with as few flushes as the system allows.

One `syncfs` flushes all of a device, and one transaction of its journal holds the names of many folders. Where the
system has no such call each file and folder is flushed by itself.
"""

from __future__ import annotations

import errno
import os

from gimmal.base.system_calls import sync_file_system

_NO_SUCH_CALL = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""The system or the file system is without the notion."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Flushing:
    """Flushes each device once. Whatever failed to be flushed once is never taken for durable after.

    A second call on a device that failed would say nothing of what the first one lost.
    """

    def __init__(self) -> None:
        self._devices: dict[int, bool | OSError] = {}

    def flush_file(self, name: bytes, folder: int) -> bool:
        """Make one file durable; True where all else on its device is so too.

        Args:
            name: of the file.
            folder: descriptor of its folder.

        Raises:
            OSError: the disk failed, now or before.
        """
        device = os.fstat(folder).st_dev
        if self._known(device):
            return True
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            return self._flush(device, descriptor)
        finally:
            os.close(descriptor)

    def flush_folder(self, folder: int, *, among_many: bool) -> None:
        """Make the names in a folder durable.

        Args:
            folder: descriptor of it.
            among_many: as many follow, all of its device may be flushed instead.

        Raises:
            OSError: the disk failed, now or before.
        """
        device = os.fstat(folder).st_dev if among_many else -1
        if among_many and self._known(device):
            return
        try:
            descriptor = os.open(b".", _FOLDER, dir_fd=folder)
        except PermissionError:
            os.sync()  # a folder that may be written but not read
            return
        try:
            if among_many:
                self._flush(device, descriptor)
            else:
                os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise
        finally:
            os.close(descriptor)

    def _known(self, device: int) -> bool:
        known = self._devices.get(device)
        if isinstance(known, OSError):
            raise OSError(known.errno, known.strerror)
        return bool(known)

    def _flush(self, device: int, descriptor: int) -> bool:
        if device not in self._devices:
            try:
                self._devices[device] = sync_file_system(descriptor)
            except OSError as error:
                if error.errno not in _NO_SUCH_CALL:
                    self._devices[device] = OSError(error.errno, error.strerror)
                    raise
                self._devices[device] = False
        whole = bool(self._devices[device])
        if not whole:
            os.fsync(descriptor)
        return whole
