"""What a sync leaves out: patterns in the syntax of gitignore (docs/decisions/0051-filters-by-pathspec.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec, RegexPattern

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError

FILTER_FILE_MAX = 1 << 20
"""Bytes of a file of patterns."""

PATTERNS_MAX = 10_000
_REMEMBERED_MAX = 65_536
_INSIDE = re.compile(r"(?:(?<=/)|(?<=\A)|(?<=\A!))\*\*(/?) *\Z")
"""The end of ``a/**``: what is inside ``a`` to git, and ``a`` too to pathspec 1.1. Both read ``a/**/*`` alike."""

_BELOW = "ps_d"
"""The group in which pathspec's expressions take the slash behind a folder and what lies below it."""


class Filters:
    """Patterns, the last that fits decides; nothing below a folder that is left out comes back in.

    Args:
        patterns: lines as in a gitignore file, with ``!`` in front to take in again.

    Raises:
        UsageError: a pattern makes no sense.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        if len(patterns) > PATTERNS_MAX:
            raise UsageError(f"more than {PATTERNS_MAX:,} patterns", "leave out folders instead of single files")
        try:
            spec = GitIgnoreSpec.from_lines(_INSIDE.sub(r"**/*\1", pattern) for pattern in patterns)
        except ValueError as error:
            raise UsageError(
                f"a pattern cannot be read: {displayable(str(error), 200)}", "write it as in a .gitignore file"
            ) from error
        rules = [(pattern.include, pattern.regex) for pattern in spec.patterns if isinstance(pattern, RegexPattern)]
        # With a place for what lies below, so that every pattern has one.
        self._rules: list[tuple[bool, re.Pattern[str]]] = [
            (include, regex if _BELOW in regex.groupindex else re.compile(f"(?:{regex.pattern})(?P<{_BELOW}>(?!))?"))
            for include, regex in reversed(rules)
            if include is not None and regex is not None
        ]
        self._folders: dict[str, bool] = {}

    def excluded(self, path: str, *, folder: bool) -> bool:
        """Whether an entry is left out.

        Args:
            path: from the root of what is synced, with ``/``.
            folder: whether it is a folder.
        """
        if not self._rules:
            return False
        above = path.rpartition("/")[0]
        if above and self._folder_excluded(above):
            return True
        return self._folder_excluded(path) if folder else self._matches(path)

    def _folder_excluded(self, path: str) -> bool:
        known = self._folders.get(path)
        if known is None:
            above = path.rpartition("/")[0]
            known = (bool(above) and self._folder_excluded(above)) or self._matches(path + "/")
            if len(self._folders) >= _REMEMBERED_MAX:
                self._folders.clear()
            self._folders[path] = known
        return known

    def _matches(self, path: str) -> bool:
        """Whether the last pattern that fits the entry itself, not one above it, leaves it out."""
        for include, regex in self._rules:
            for match in regex.finditer(path):
                if match[_BELOW] is None or match.start(_BELOW) == len(path) - 1:
                    return include
        return False


def patterns_of_file(name: str) -> list[str]:
    """The lines of a file of patterns.

    Raises:
        LocalError: it cannot be read.
        UsageError: it is too large or no text.
    """
    try:
        with Path(name).open("rb") as file:
            data = file.read(FILTER_FILE_MAX + 1)
    except OSError as error:
        raise LocalError(f"{displayable(name)}: {(error.strerror or '').lower()}", "check the name") from error
    if len(data) > FILTER_FILE_MAX:
        raise UsageError(f"{displayable(name)}: larger than 1 MiB", "leave out folders instead of single files")
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{displayable(name)}: no UTF-8 text", "write the patterns as UTF-8") from error


def including(pattern: str) -> str:
    """The line that takes in again what ``pattern`` fits."""
    return pattern[1:] if pattern.startswith("!") else "!" + pattern
