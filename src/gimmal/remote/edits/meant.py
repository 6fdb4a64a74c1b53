"""Whether what stands at home is what an operation of the journal was done with, and its result if not. No I/O.

A result that is ``missed`` has the attributes of the version that was meant: what builds on the operation expects that
one, and finds that another stands there.
"""

from __future__ import annotations

from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.edits.operations import Gone, Move, SetTimes
from gimmal.remote.edits.sending import TIME_STEP_NS
from gimmal.remote.files import version_of

UNKNOWN_MODE = 0o600
"""Of a version of which the journal does not say it."""


def file_of(version: Version | None) -> Attributes | None:
    """A version of a file as what stands there."""
    if version is None:
        return None
    return Attributes(Kind.FILE, version.size, version.mtime_ns, UNKNOWN_MODE, version.identity)


def is_meant(there: Attributes | None, meant: Attributes | None) -> bool:
    """Whether what stands there is what an operation was done with: of a file, the same version.

    Args:
        there: None for nothing.
        meant: None where that is not known; then a file is another one, and a folder or link that one.
    """
    if there is None:
        return False
    if meant is None:
        return there.kind is not Kind.FILE
    return there.kind is meant.kind and (there.kind is not Kind.FILE or version_of(there) == version_of(meant))


def has_time(there: Attributes | None, meant: Attributes | None, times: SetTimes) -> bool:
    """Whether it is the file that was meant, with the time that the operation gives it."""
    return (
        there is not None
        and meant is not None
        and (there.kind, there.identity, there.size) == (meant.kind, meant.identity, meant.size)
        and abs(there.mtime_ns - times.mtime_ns) < TIME_STEP_NS
    )


def moved(move: Move, at: str, there: Attributes | None, meant: Attributes | None) -> Gone:
    """The result where a file was moved; the other side may have changed it in the moment between."""
    return Gone(move.number, at, there) if is_meant(there, meant) else missed(move, at, meant)


def missed(operation: Move | SetTimes, path: str, meant: Attributes | None) -> Gone:
    """The result where another version stands there, or nothing: no later operation may take that for its base."""
    return Gone(operation.number, path, meant, missed=meant is not None)
