"""Conditions of a request: which answer it gets for the version that there is (RFC 9110, section 13)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.messages import Version

SETTLED_SECONDS = 60
"""A time of change counts as naming one version only when it is so long past: files change twice in one second."""


class Verdict(Enum):
    """What a request with conditions gets."""

    ANSWER = 200
    NOT_MODIFIED = 304
    FAILED = 412


class Validators:
    """What names a version of a file in HTTP.

    Attributes:
        etag: a strong entity tag; tells nothing of the other side's disk.
        last_modified: the time of change as a date, empty where it is none.
    """

    def __init__(self, version: Version) -> None:
        fields = f"{version.identity} {version.size} {version.mtime_ns}"
        self.etag = f'"{blake3_digest(b"gimmal etag " + fields.encode()).hex()[:32]}"'
        self._seconds = version.mtime_ns // 1_000_000_000
        self.last_modified = _date_of(self._seconds)

    def judge(self, fields: Mapping[str, str]) -> Verdict:
        """The verdict on If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since of a GET or HEAD.

        Args:
            fields: of the request, names in lower case.
        """
        if (wanted := fields.get("if-match")) is not None:
            if not _names(wanted, self.etag, weak=False):
                return Verdict.FAILED
        elif (since := _seconds_of(fields.get("if-unmodified-since"))) is not None and self._seconds > since:
            return Verdict.FAILED
        if (known := fields.get("if-none-match")) is not None:
            if _names(known, self.etag, weak=True):
                return Verdict.NOT_MODIFIED
        elif (since := _seconds_of(fields.get("if-modified-since"))) is not None and self._seconds <= since:
            return Verdict.NOT_MODIFIED
        return Verdict.ANSWER

    def range_holds(self, if_range: str | None, now: float) -> bool:
        """Whether a Range field counts: without If-Range, or where that names this very version.

        Args:
            if_range: the field, None where there is none.
            now: seconds since 1970.
        """
        if if_range is None:
            return True
        if if_range.startswith(('"', "W/")):
            return if_range == self.etag
        return _seconds_of(if_range) == self._seconds and self._seconds <= now - SETTLED_SECONDS


def _names(field: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags holds ``etag``, or is ``*``."""
    if field.strip() == "*":
        return True
    tags = (tag.strip() for tag in field.split(","))
    return any((tag.removeprefix("W/") if weak else tag) == etag for tag in tags)


def _date_of(seconds: int) -> str:
    try:
        return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
    except (OverflowError, OSError, ValueError):
        return ""


def _seconds_of(field: str | None) -> int | None:
    """A date in seconds since 1970; None where there is none or it is no date."""
    if field is None:
        return None
    try:
        moment = parsedate_to_datetime(field)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (OverflowError, TypeError, ValueError):
        return None
