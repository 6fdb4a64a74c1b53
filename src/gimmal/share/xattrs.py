"""Extended attributes as they travel: those of people's programs, never those of the system (docs/spec/names.md, 9).

Only ``user.*`` is read or written. What stands for access lists, labels, capabilities and overlays stays where it is:
it would mean rights or contents on the other computer that nobody there gave.
"""

from __future__ import annotations

import errno
import os

from gimmal.base.errors import BadName
from gimmal.base.paths import map_text, mapped_text_to_local
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import XATTR_BYTES_MAX, XATTRS_MAX
from gimmal.protocol.messages import Xattrs
from gimmal.share.refused import RefusedError

_PREFIX = "user."
_ACTING = ("user.overlay.", "user.fuseoverlayfs.", "user.containers.")
"""Names by which file systems without rights of their own keep what a file is."""

_NAME_BYTES_MAX = 255
_NONE_HERE = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.ENOENT, errno.ENODATA)


def read_xattrs(entry: int | bytes) -> tuple[Xattrs, bool]:
    """The extended attributes that travel, in order of names, and whether there are others that should but cannot.

    Args:
        entry: descriptor of a file or folder, or a path whose last name alone may be a link, which is not followed.
    """
    found: list[tuple[str, bytes]] = []
    bare = False
    size = 0
    try:
        # Decoded as the system does; sorted, so that what does not fit is the same each time.
        names = sorted(_names(entry))
    except OSError as error:
        if error.errno in _NONE_HERE:
            return (), False
        raise
    for name in names:
        if not _travels(name):
            bare = bare or (name.startswith(_PREFIX) and not name.startswith(_ACTING))
            continue
        try:
            value = _value(entry, name)
        except OSError as error:
            if error.errno == errno.ENODATA:
                continue
            bare = True
            continue
        more = len(name.encode()) + len(value)
        if len(found) >= XATTRS_MAX or size + more > XATTR_BYTES_MAX:
            bare = True
            continue
        size += more
        found.append((name, value))
    return tuple(found), bare


def check_xattrs(xattrs: Xattrs) -> None:
    """Raise RefusedError(INVALID) unless a peer may have these set."""
    names = [name for name, _value in xattrs]
    size = sum(len(name.encode("utf-8", "surrogatepass")) + len(value) for name, value in xattrs)
    if not all(map(_travels, names)) or len(set(names)) != len(names) or size > XATTR_BYTES_MAX:
        raise RefusedError(Code.INVALID)


def write_xattrs(entry: int | str, xattrs: Xattrs) -> bool:
    """Set checked attributes of a file or folder in hand; False where the disk did not take all of them."""
    whole = True
    for name, value in xattrs:
        try:
            os.setxattr(entry, name, value)
        except OSError:
            # Attributes are not worth the file: no room for them, or no such thing here.
            whole = False
    return whole


def xattr_bytes(xattrs: Xattrs) -> int:
    """At most so many bytes they take in a message."""
    return sum(len(name.encode()) + len(value) + _MESSAGE_BYTES for name, value in xattrs)


_MESSAGE_BYTES = 8


def _names(entry: int | bytes) -> list[str]:
    return os.listxattr(entry) if isinstance(entry, int) else os.listxattr(entry, follow_symlinks=False)


def _value(entry: int | bytes, name: str) -> bytes:
    return os.getxattr(entry, name) if isinstance(entry, int) else os.getxattr(entry, name, follow_symlinks=False)


def _travels(name: str) -> bool:
    if not name.startswith(_PREFIX) or name.startswith(_ACTING) or name == _PREFIX:
        return False
    try:
        # Nothing that would have to be mapped: an attribute is no file that could be found again by its mapped name.
        return map_text(mapped_text_to_local(name)) == (name, False) and len(name.encode()) <= _NAME_BYTES_MAX
    except (BadName, UnicodeEncodeError):
        return False
