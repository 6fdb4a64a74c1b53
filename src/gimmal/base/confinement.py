"""Confining this process, on Linux, to what it has open: for programs that read files which anybody may have made.

Beside `system_calls.py` the only caller of the system through ctypes. Nothing here can be undone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
import sys
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture but alpha
_VERSION_ASKED = 1
_PATH_BENEATH = 1

_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FILE_RIGHTS_NOW = (1 << 16) - 1
_TCP_FROM, _TCP_RIGHTS = 4, 3
_SCOPES_FROM, _SCOPES = 6, 3

_SET_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES = 1, 38
_KILL = 9
_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" and platform.machine() != "alpha" else None


def confine(readable: Iterable[int] = ()) -> None:
    """Let this process open no file, write to none, and reach no network from now on, also in programs it turns into.

    What is open stays open. Where users may have networks of their own it gets an empty one besides.

    Args:
        readable: descriptors of files and folders that may be read, and programs in them run, all the same.

    Raises:
        OSError: ENOSYS or EOPNOTSUPP where the system cannot do that; nothing is promised then.
    """
    if _libc is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    version = _call(_CREATE_RULESET, None, 0, _VERSION_ASKED)
    handled = _FILE_RIGHTS.get(version, _FILE_RIGHTS_NOW)
    fields = [handled]
    if version >= _TCP_FROM:
        fields.append(_TCP_RIGHTS)
    if version >= _SCOPES_FROM:
        fields.append(_SCOPES)
    about = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _call(_CREATE_RULESET, about, len(about), 0)
    try:
        for descriptor in readable:
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            rights = _EXECUTE | _READ_FILE | (_READ_FOLDER if folder else 0)
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
        if _libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise _failure()
        # Datagrams pass the rules above. Refused on some systems, and then there is that way left.
        _libc.unshare(ctypes.c_int(_NEW_USERS | _NEW_NETWORK))
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def end_with_parent(parent: int) -> None:
    """Be killed when the process ``parent``, which started this one, ends.

    Raises:
        ProcessLookupError: it has ended already.
    """
    if _libc is not None:
        _libc.prctl(_SET_DEATH_SIGNAL, _KILL, 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))


def _call(number: int, *words: int | bytes | None) -> int:
    assert _libc is not None
    given = [ctypes.c_long(word) if isinstance(word, int) else ctypes.c_char_p(word) for word in words]
    result: int = _libc.syscall(ctypes.c_long(number), *given)
    if result < 0:
        raise _failure()
    return result


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
