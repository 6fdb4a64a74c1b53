"""The relay's log on stderr: text, or one JSON object a line. Never tickets, proofs, secrets or addresses."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, and the fields given as ``extra={"fields": {...}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= fields
        if record.exc_info:
            line["failure"] = self.formatException(record.exc_info)
        return json.dumps(line)


def start_log(as_json: bool, level: str) -> None:
    """Send the log of `gimmal` to stderr.

    Args:
        as_json: one JSON object a line.
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("gimmal")
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
