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

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_ASKED = 1
_PATH_BENEATH = 1

_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FILE_RIGHTS_NOW = (1 << 16) - 1
_SCOPES_FROM, _SCOPES = 6, 3
"""From this version on, signals to processes outside can be forbidden too."""

_SET_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 1, 38, 22, 2
_KILL = 9

_ARCHITECTURES = {
    # By machine: its number, then those of socket, connect, ptrace, process_vm_readv, process_vm_writev.
    "x86_64": (0xC000003E, (41, 42, 101, 310, 311)),
    "aarch64": (0xC00000B7, (198, 203, 117, 270, 271)),
}
_REFUSED_EVERYWHERE = (425, 438)  # io_uring_setup, by which all else could be asked, and pidfd_getfd
_OTHER_NUMBERS = 0x40000000
"""From here on the calls of x86_64 have a second set of numbers."""

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_AT_NUMBER, _AT_ARCHITECTURE = 0, 4
_ALLOW, _REFUSE, _END = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x80000000

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def confine(readable: Iterable[int] = ()) -> None:
    """Let this process open no file, write to none, and make no socket from now on, also in programs it turns into.

    What is open stays open. It can look into no other process either.

    Args:
        readable: descriptors of files and folders that may be read, and programs in them run, all the same.

    Raises:
        OSError: ENOSYS or EOPNOTSUPP where the system cannot do that; nothing is promised then.
    """
    known = _ARCHITECTURES.get(platform.machine())
    if _libc is None or known is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    version = _call(_CREATE_RULESET, None, 0, _VERSION_ASKED)
    fields = [_FILE_RIGHTS.get(version, _FILE_RIGHTS_NOW)]
    if version >= _SCOPES_FROM:
        fields += [0, _SCOPES]
    about = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _call(_CREATE_RULESET, about, len(about), 0)
    try:
        for descriptor in readable:
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            rights = _EXECUTE | _READ_FILE | (_READ_FOLDER if folder else 0)
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
        _control(_SET_NO_NEW_PRIVILEGES, 1)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    architecture, refused = known
    code = _filter(architecture, (*refused, *_REFUSED_EVERYWHERE))
    program = _Program(len(code) // 8, code)
    _control(_SET_SECCOMP, _FILTER, ctypes.addressof(program))


def end_with_parent(parent: int) -> None:
    """Be killed when the process ``parent``, which started this one, ends.

    Raises:
        ProcessLookupError: it has ended already.
    """
    if _libc is not None:
        _control(_SET_DEATH_SIGNAL, _KILL)
    if os.getppid() != parent:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))


def _filter(architecture: int, refused: tuple[int, ...]) -> bytes:
    """What the kernel runs before each call: those refused fail with EACCES, all others are done.

    Files are for the rules above, which do not know sockets that lie in a folder: nobody is to be talked to at all.
    """
    steps = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _END),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_IF_AT_LEAST, len(refused) + 1, 0, _OTHER_NUMBERS),
    ]
    for place, number in enumerate(refused):
        steps.append((_IF_EQUAL, len(refused) - place, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _control(what: int, *words: int) -> None:
    assert _libc is not None
    given = [ctypes.c_ulong(word) for word in (*words, 0, 0, 0, 0)[:4]]
    if _libc.prctl(ctypes.c_int(what), *given):
        raise _failure()


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
