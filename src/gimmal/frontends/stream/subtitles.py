"""Subtitles of any common kind as WebVTT that is made anew: times and words pass, nothing else of the file does."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

SUBTITLE_BYTES_MAX = 4 << 20
"""Bytes of a file of subtitles that is read."""

CUES_MAX = 50_000
"""Cues that are taken of one file; what follows is left out."""

TEXT_MAX = 2_000
"""Characters that are taken of one cue."""

SUBTITLE_ENDINGS = ("srt", "vtt", "ass", "ssa")
"""Ends of names that are understood, in lower case."""

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s|$)", re.ASCII)
_ASS_CLOCK = re.compile(r"\s*(\d{1,3}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})\s*", re.ASCII)
_TAG = re.compile(r"<(/?)([A-Za-z][^<>]*|\d[^<>]*)?>")
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_KEPT = frozenset("biu")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\u202a-\u202e\u2066-\u2069]")
_ASS_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")


@dataclass(frozen=True, slots=True)
class Cue:
    """Words, and when they are shown: milliseconds from the beginning."""

    start: int
    end: int
    text: str


def to_webvtt(content: bytes, ending: str) -> bytes:
    """A file of subtitles as WebVTT.

    Args:
        content: the file; SUBTITLE_BYTES_MAX at most are looked at.
        ending: one of SUBTITLE_ENDINGS.

    Returns:
        WebVTT with the cues that could be read, perhaps none: whatever the bytes are, they become a file of subtitles.
        Of its markup only italic, bold and underlined stay.
    """
    lines = _decoded(content[:SUBTITLE_BYTES_MAX]).splitlines()
    found = _cues_of_ass(lines) if ending in ("ass", "ssa") else _cues(lines)
    cues = []
    for cue in found:
        text = _clean(cue.text)
        if text and cue.end > cue.start:
            cues.append(Cue(cue.start, cue.end, text))
        if len(cues) == CUES_MAX:
            break
    cues.sort(key=lambda cue: cue.start)
    return "".join(["WEBVTT\n", *map(_written, cues)]).encode()


def _decoded(content: bytes) -> str:
    """The text, as UTF-8 or UTF-16 where it is that, else as most programs of one country wrote it."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            return content[2:].decode(encoding, "replace")
    try:
        return content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _cues(lines: list[str]) -> Iterator[Cue]:
    """Of SubRip and WebVTT: a line of times, and the words up to the next empty line."""
    times: re.Match[str] | None = None
    words: list[str] = []
    for line in (*lines, ""):
        begun = _TIMES.match(line)
        if begun is None and line.strip():
            words.append(line)
            continue
        if times is not None:
            if begun is not None and words and words[-1].strip().isdigit():
                words.pop()  # the number of the cue that begins without an empty line before it
            fields = times.groups()
            yield Cue(_milliseconds(*fields[:4]), _milliseconds(*fields[4:]), "\n".join(words))
        times, words = begun, []


def _cues_of_ass(lines: list[str]) -> Iterator[Cue]:
    """Of (Advanced) SubStation Alpha: the words of each line of dialogue, without what draws and moves them."""
    fields: tuple[str, ...] = _ASS_FIELDS
    in_events = False
    for line in lines:
        key, _colon, rest = line.partition(":")
        key = key.strip().lower()
        if key.startswith("["):
            in_events = key == "[events]"
        elif in_events and key == "format":
            named = tuple(name.strip().lower() for name in rest.split(","))
            if named[-1:] == ("text",) and {"start", "end"} <= set(named):
                fields = named
        elif in_events and key == "dialogue":
            values = dict(zip(fields, rest.split(",", len(fields) - 1), strict=False))
            start, end = (_ASS_CLOCK.fullmatch(values.get(name, "")) for name in ("start", "end"))
            if start and end:
                text = values.get("text", "").replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
                yield Cue(_milliseconds(*start.groups()), _milliseconds(*end.groups()), text)


def _milliseconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))


def _clean(text: str) -> str:
    """Words with balanced tags of _KEPT; an empty line would end a cue, an arrow would be read as times."""
    text = _UNSEEN.sub("", _OVERRIDE.sub("", text[:TEXT_MAX].replace("\u2028", "\n").replace("\u2029", "\n")))
    pieces: list[str] = []
    opened: list[str] = []
    at = 0
    for tag in _TAG.finditer(text):
        pieces.append(_escaped(text[at : tag.start()]))
        at = tag.end()
        name = (tag[2] or "").strip().lower()
        if name not in _KEPT:
            continue
        if not tag[1]:
            opened.append(name)
            pieces.append(f"<{name}>")
        elif name in opened:
            while (closed := opened.pop()) != name:
                pieces.append(f"</{closed}>")
            pieces.append(f"</{name}>")
    pieces.append(_escaped(text[at:]))
    pieces += [f"</{name}>" for name in reversed(opened)]
    lines = (line.strip() for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


def _escaped(text: str) -> str:
    return html.escape(_UNSEEN.sub("", html.unescape(text)), quote=False)


def _written(cue: Cue) -> str:
    return f"\n{_clock(cue.start)} --> {_clock(cue.end)}\n{cue.text}\n"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
