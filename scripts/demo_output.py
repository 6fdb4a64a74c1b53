"""How the demo looks: numbered headings, indented lines, one table; colour only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

INDENT = "   "
_BOLD, _DIM, _GREEN, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Output:
    """Writes to stdout, each line at once."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self.terminal and not os.environ.get("NO_COLOR")
        self._step = 0

    def write(self, text: str = "") -> None:
        """One line as it is."""
        print(text, flush=True)

    def heading(self, text: str) -> None:
        """The title of the next step."""
        self._step += 1
        self.write()
        self.write(self._paint(_BOLD, f"{self._step}  {text}"))

    def line(self, text: str) -> None:
        """One indented line."""
        self.write(INDENT + text)

    def command(self, computer: str, arguments: Sequence[str]) -> None:
        """A command as a person on that computer would type it."""
        self.line(f"{self._paint(_DIM, computer + ' $')} {self._paint(_BOLD, ' '.join(arguments))}")

    def said(self, text: str) -> None:
        """What a program printed."""
        for line in text.splitlines():
            self.line(f"  {line}")

    def good(self, text: str) -> None:
        """Something that was checked and holds."""
        self.line(f"{self._paint(_GREEN, 'ok')}  {text}")

    def bad(self, text: str) -> None:
        """Something that was checked and does not hold."""
        self.line(f"{self._paint(_RED, 'failed')}  {text}")

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; columns whose title begins with a space are set flush right."""
        widths = [max(len(row[index]) for row in (titles, *rows)) for index in range(len(titles))]
        for number, row in enumerate((titles, *rows)):
            cells = [
                cell.strip().rjust(width) if title.startswith(" ") else cell.ljust(width)
                for cell, width, title in zip(row, widths, titles, strict=True)
            ]
            text = "  ".join(cells).rstrip()
            self.line(self._paint(_BOLD, text) if number == 0 else text)

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours else text


def size_text(size: float) -> str:
    """Bytes in powers of 1,000, three digits."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 99.5 or unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
