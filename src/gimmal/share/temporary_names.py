"""Names of temporary files, which tell whether their maker is still there.

Nobody can go on with what a killed program left, and nobody should have to wait until it goes. A name holds a mark of
the computer since it was started, and the number of the process. Where the mark is this computer's and it has no such
process, the file is surely nobody's; any other may be somebody's on another computer that has the same disk.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import count

from gimmal.base.primitives import blake3_digest, random_bytes
from gimmal.share.places import PART_PREFIX

TEMPORARY_MARK = b"t"
"""Stands between the prefix and the rest of a temporary file's name."""

_BEGINNING = PART_PREFIX + TEMPORARY_MARK
_MARK_DIGITS, _PROCESS_DIGITS, _NUMBER_DIGITS = 7, 6, 11
_NUMBER_BITS = 4 * _NUMBER_DIGITS
_PROCESS_MAX = (1 << 4 * _PROCESS_DIGITS) - 1

# From a random one on: a process may get the number of an earlier one, and meet what that left.
_numbers = count(int.from_bytes(random_bytes(6), "big"))


def new_temporary_name() -> bytes:
    """A name that nothing has. Safe for several threads."""
    number = next(_numbers) % (1 << _NUMBER_BITS)
    return b"%s%s%06x%011x" % (_BEGINNING, _mark(), os.getpid() & _PROCESS_MAX, number)


def is_temporary(name: bytes) -> bool:
    """Whether a name of gimmal's own form is that of a temporary file, not of a part file."""
    return name.startswith(_BEGINNING)


def is_abandoned(name: bytes) -> bool:
    """Whether the maker of a temporary file, known by its name, surely is no more."""
    mark, process = name[len(_BEGINNING) :][:_MARK_DIGITS], name[len(_BEGINNING) + _MARK_DIGITS :][:_PROCESS_DIGITS]
    if not is_temporary(name) or mark != _mark():
        return False
    try:
        number = int(process, 16)
        # Nothing is sent: it is only seen whether there is one. Zero would mean all of a group.
        if number > 0:
            os.kill(number, 0)
    except ProcessLookupError:
        return True
    except (ValueError, OSError):
        pass
    return False


@cache
def _mark() -> bytes:
    """What tells the numbers of these processes from those of others: of this boot, and of this container."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read(64)
        processes = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        boot, processes = random_bytes(16), 0  # not known: only this process's own
    return blake3_digest(b"gimmal temporary v1|", boot, b"%d" % processes).hex()[:_MARK_DIGITS].encode()
