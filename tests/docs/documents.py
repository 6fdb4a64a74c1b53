"""The project's documents as the tests read them: code blocks, commands in them, links, words in backticks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests/vectors/README.md"])

USER_DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/how-to/*.md")])
"""Those that tell a person what to type; specifications and decisions also name what others do."""

_FENCE = re.compile(r"^\s*```(\w*)\s*$")
_PROMPT = re.compile(r"^\s*\w*\$ (.*)$")
_LINK = re.compile(r"\[(?:[^\]]*)\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`]+)`")
_SEPARATORS = {"&&", "||", ";", "|", "&"}


@dataclass(frozen=True)
class Typed:
    """A command line of a console block and what is quoted as its output."""

    line: str
    output: list[str]


def relative(path: Path) -> str:
    """For messages and test ids."""
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[list[str]]:
    """The lines of each fenced block of a language, without common indentation."""
    found: list[list[str]] = []
    inside: list[str] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        fence = _FENCE.match(line)
        if fence and inside is None:
            inside = []
            if fence[1] == language:
                found.append(inside)
        elif fence:
            inside = None
        elif inside is not None:
            inside.append(line)
    assert inside is None, f"{relative(path)}: a fenced block is not closed"
    return [_without_indentation(lines) for lines in found]


def _without_indentation(lines: list[str]) -> list[str]:
    indentation = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[indentation:] for line in lines]


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    kept: list[str] = []
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def typed(path: Path) -> list[Typed]:
    """All command lines of a document's console blocks."""
    found: list[Typed] = []
    for lines in blocks(path, "console"):
        for line in lines:
            prompt = _PROMPT.match(line)
            if prompt:
                found.append(Typed(prompt[1], []))
            else:
                assert found, f"{relative(path)}: output without a command: {line}"
                found[-1].output.append(line)
    return found


def simple_commands(line: str) -> list[list[str]]:
    """The words of each command of a shell line; redirections are left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word in _SEPARATORS:
            commands.append([])
        elif word in ("<", ">", ">>"):
            if commands[-1] and commands[-1][-1].isdigit():
                commands[-1].pop()
            next(words)
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def links(path: Path) -> list[str]:
    """Targets of all links of a document."""
    return _LINK.findall(prose(path))


def spans(path: Path) -> list[str]:
    """What stands in backticks in a document's prose, line ends inside as spaces."""
    return [re.sub(r"\s+", " ", span) for span in _SPAN.findall(prose(path))]


def anchors(path: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(plain.replace(" ", "-"))
    return found


def table_rows(path: Path) -> Iterator[list[str]]:
    """Cells of each row of a document's tables, heads included."""
    for line in prose(path).splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]
