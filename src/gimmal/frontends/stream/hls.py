"""Playlists of a film in parts (HTTP Live Streaming, RFC 8216); pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from gimmal.frontends.stream.tracks import InnerTrack, Track
from gimmal.protocol.film_messages import Film
from gimmal.protocol.limits import (
    FILM_MICROSECONDS_MAX,
    FILM_PART_MAX,
    FILM_PART_MICROSECONDS_MAX,
    FILM_RATE_MAX,
)

PLAYLIST, PART = "application/vnd.apple.mpegurl", "video/mp2t"
"""Media types."""

PART_SECONDS = 4
"""How long a part is, where the film's pictures do not say otherwise."""

ORIGINAL = 0
"""The height that stands for pictures as they are."""

RATES = {240: 300_000, 360: 600_000, 480: 1_100_000, 720: 2_500_000, 1080: 5_000_000}
"""Bits a second, by the height of pictures."""

SOUND_RATE = 128_000
"""Bits a second."""

MARGIN_MICROSECONDS = 500_000
"""How long a film may be beyond what it says."""

LAST_MICROSECONDS = 1_000_000
"""How long the last part is at least, by what the film says."""

TIMES_FROM = "X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000"
"""Where the times of subtitles begin in those of the parts, which are ten seconds later than in the film."""


def edges(film: Film, height: int) -> list[int]:
    """Where the parts of a film meet, its beginning and end included, in microseconds.

    Args:
        film: what the other side said of it.
        height: of the pictures, or ORIGINAL.
    """
    end = min(film.duration + MARGIN_MICROSECONDS, FILM_MICROSECONDS_MAX)
    step = PART_SECONDS * 1_000_000
    found = list(range(0, film.duration, step))
    if height == ORIGINAL:
        found = film.cuts[:1]
        for cut in film.cuts:
            if cut >= found[-1] + step * 3 // 4:  # where they are told, they are about so far apart
                found.append(cut)
    if len(found) > 1 and film.duration - found[-1] < LAST_MICROSECONDS:
        found.pop()  # what is left may hold nothing
    return [*found, end]


def heights(film: Film) -> list[int]:
    """The heights in which a film is offered, ORIGINAL and the largest first."""
    smaller = [height for height in RATES if height < film.height]
    if _may_stay(film):
        return [ORIGINAL, *reversed(smaller)]
    own = min(film.height, max(RATES))
    return sorted({*smaller, own}, reverse=True)


def rate_of(height: int) -> int:
    """Bits a second of pictures of a height."""
    if height == ORIGINAL:
        return FILM_RATE_MAX
    return next((rate for known, rate in RATES.items() if height <= known), max(RATES.values()))


def name_of(height: int) -> str:
    """What a height is called in places."""
    return "original" if height == ORIGINAL else str(height)


def master_playlist(film: Film, tracks: Sequence[Track | InnerTrack]) -> bytes:
    """The list of all heights and subtitles.

    Args:
        film: what the other side said of it.
        tracks: its subtitles, by their numbers.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for number, track in enumerate(tracks):
        language = f',LANGUAGE="{track.language}"' if track.language else ""
        label = track.label.replace('"', "'").replace("\n", " ")
        lines.append(
            f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="{number + 1} {label}"{language}'
            f',DEFAULT=NO,AUTOSELECT=NO,URI="text{number}.m3u8"'
        )
    text = ',SUBTITLES="text"' if tracks else ""
    for height in heights(film):
        high = height or film.height
        wide = round(film.width * high / film.height / 2) * 2
        rate = film.rate * 3 // 2 if height == ORIGINAL else rate_of(height) + SOUND_RATE
        lines.append(f"#EXT-X-STREAM-INF:BANDWIDTH={max(1, rate)},RESOLUTION={max(2, wide)}x{high}{text}")
        lines.append(f"{name_of(height)}.m3u8")
    return _written(lines)


def media_playlist(film: Film, height: int) -> bytes:
    """The list of all parts of one height."""
    found = edges(film, height)
    found[-1] = max(film.duration, found[-2] + 1)
    lengths = [(end - start) / 1e6 for start, end in itertools.pairwise(found)]
    lines = _head(max(lengths))
    for number, length in enumerate(lengths):
        lines += [f"#EXTINF:{length:.6f},", f"{name_of(height)}/{number}.ts"]
    return _written([*lines, "#EXT-X-ENDLIST"])


def text_playlist(film: Film, number: int) -> bytes:
    """The list of the one part of subtitles."""
    length = max(film.duration, 1) / 1e6
    return _written([*_head(length), f"#EXTINF:{length:.6f},", f"text{number}.vtt", "#EXT-X-ENDLIST"])


def text_part(text: bytes) -> bytes:
    """WebVTT of ours as a part."""
    return text.replace(b"WEBVTT\n", f"WEBVTT\n{TIMES_FROM}\n".encode(), 1)


def _may_stay(film: Film) -> bool:
    """Whether all parts with pictures as they are can be asked for."""
    if not film.cuts:
        return False
    longest = max(end - start for start, end in itertools.pairwise(edges(film, ORIGINAL)))
    return longest <= FILM_PART_MICROSECONDS_MAX and film.rate / 8 * longest / 1e6 <= FILM_PART_MAX / 2


def _head(longest: float) -> list[str]:
    return [
        *("#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{math.ceil(longest)}"),
        *("#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD"),
    ]


def _written(lines: Sequence[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()
