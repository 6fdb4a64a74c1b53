"""One file to copy, as the parts of the copy engine hand it on."""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.messages import Attributes, Replace, Version


@dataclass(frozen=True)
class FileJob:
    """One file to copy.

    Attributes:
        source_path, target_path: wire paths on their sides.
        attributes: of the source.
        replace, expected: what may happen to a file already under the target path.
    """

    source_path: str
    target_path: str
    attributes: Attributes
    replace: Replace
    expected: Version | None = None


def fingerprint(job: FileJob, path: str) -> bytes:
    """16 bytes that are the same for the same version of the same source, whose path is ``path`` in every command."""
    attributes = job.attributes
    numbers = f"{attributes.identity}.{attributes.size}.{attributes.mtime_ns}"
    return blake3_digest(path.encode(), b"\0", numbers.encode())[:16]


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error to raise for a group: the first that is no consequence of the others."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return first_of(error)
        return error
    return group
