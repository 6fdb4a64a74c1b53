"""Why there is no port mapping; said in ``status``, never the end of anything."""

from __future__ import annotations

from gimmal.base.errors import UnreachableError


class NoMapping(UnreachableError):
    """There is none; the message says why, as the end of a sentence about the router."""


class NoAnswer(NoMapping):
    """Nothing answered: this router does not speak that protocol, or there is none."""


class MalformedReply(NoMapping):
    """Bytes that are no answer to what was asked."""


class NotInstalled(NoAnswer):
    """It was not asked, for want of a library."""
