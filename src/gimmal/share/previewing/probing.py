"""What ffprobe says of a film, in the words of the protocol."""

from __future__ import annotations

import math
import threading

import msgspec

from gimmal.protocol.film_messages import Film, FilmText
from gimmal.protocol.limits import FILM_CUTS_MAX, FILM_MICROSECONDS_MAX, FILM_TEXTS_MAX
from gimmal.protocol.messages import Version
from gimmal.share.previewing.children import Limits
from gimmal.share.previewing.film_words import about_words, cut_words
from gimmal.share.previewing.sources import Source, program_called

OF_PROBES = Limits(memory=2 << 30, processor=20, seconds=20.0, output=2 << 20)

CUT_SECONDS = 4
"""Cuts are at least so far from each other, where the film allows it; more in a film of more than nine hours."""

WORD_MAX = 64

NUMBER_MAX = 1e12
"""Of seconds and of bits a second; what is said beyond is taken as 0."""

_TEXTS = frozenset(("subrip", "ass", "ssa", "mov_text", "webvtt", "text"))
"""Subtitles that are words and not pictures, as ffmpeg calls them."""


class _Stream(msgspec.Struct):
    codec_type: str = ""
    codec_name: str = ""
    pix_fmt: str = ""
    width: int = 0
    height: int = 0
    disposition: dict[str, int] = {}
    tags: dict[str, str] = {}


class _Format(msgspec.Struct):
    duration: str = ""
    start_time: str = ""
    bit_rate: str = ""


class _About(msgspec.Struct):
    streams: list[_Stream] = []
    format: _Format = msgspec.field(default_factory=_Format)


class _Packet(msgspec.Struct):
    pts_time: str = ""
    flags: str = ""


class _Packets(msgspec.Struct):
    packets: list[_Packet] = []


def film_of(source: Source, kind: str, unwanted: threading.Event) -> Film | None:
    """What a film holds; None where it has no pictures, or cannot be read.

    Args:
        source: the file.
        kind: of film that it is.
        unwanted: set where nobody wants it any more.
    """
    program = program_called("ffprobe")
    if program is None or program_called("ffmpeg") is None:
        return None
    children = source.previews.children

    def probe(words: list[str]) -> bytes | None:
        return children.run(["run", program, *words], source.descriptor, OF_PROBES, unwanted)

    about = source.previews.pictures.get((source.key, "about"), lambda: probe(about_words(kind)))
    film = read_film(about or b"", source.version)
    if film is None or not film[1]:
        return film[0] if film else None
    step = max(CUT_SECONDS, math.ceil(film[0].duration / 1e6 / FILM_CUTS_MAX))
    places = range(0, math.ceil(film[0].duration / 1e6), step)
    cuts = source.previews.pictures.get((source.key, "cuts"), lambda: probe(cut_words(kind, places)))
    return msgspec.structs.replace(film[0], cuts=read_cuts(cuts or b"", film[2], film[0].duration))


def read_film(written: bytes, version: Version) -> tuple[Film, bool, float] | None:
    """What ffprobe said of a film; None where that cannot be read or it is none.

    Returns:
        The film without its cuts; whether it may be cut with its pictures as they are; the time at which it begins, in
        seconds.
    """
    try:
        about = msgspec.json.decode(written, type=_About)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    streams = [stream for stream in about.streams if not stream.disposition.get("attached_pic")]
    video = next((stream for stream in streams if stream.codec_type == "video"), None)
    duration = round(_number(about.format.duration) * 1e6)
    if video is None or not 0 < duration <= FILM_MICROSECONDS_MAX or not _is_size(video.width, video.height):
        return None
    audio = next((stream for stream in streams if stream.codec_type == "audio"), _Stream())
    texts = [
        FilmText(number, _word(stream.tags.get("language", "")), _word(stream.tags.get("title", "")))
        for number, stream in enumerate(stream for stream in about.streams if stream.codec_type == "subtitle")
        if stream.codec_name in _TEXTS and number < 256
    ]
    film = Film(
        version,
        duration,
        max(0, round(_number(about.format.bit_rate))) or version.size * 8_000_000 // duration,
        video.width,
        video.height,
        _word(video.codec_name),
        _word(audio.codec_name),
        [],
        texts[:FILM_TEXTS_MAX],
    )
    everywhere = video.codec_name == "h264" and video.pix_fmt in ("yuv420p", "yuvj420p")
    return film, everywhere, _number(about.format.start_time)


def read_cuts(written: bytes, begins: float, duration: int) -> list[int]:
    """Where a film can be cut, in microseconds; none where ffprobe said nothing of use, or it is one piece.

    Args:
        written: what ffprobe said.
        begins: the time at which the film begins, in seconds.
        duration: of the film, in microseconds.
    """
    try:
        packets = msgspec.json.decode(written, type=_Packets).packets
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if any(not packet.flags.startswith("K") for packet in packets):
        return []  # not where it was sought
    moments = {max(0, round((_number(packet.pts_time) - begins) * 1e6)) for packet in packets if packet.pts_time}
    return sorted(moment for moment in moments if moment < duration)[:FILM_CUTS_MAX]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if abs(number) < NUMBER_MAX else 0.0  # and where it is none


def _is_size(width: int, height: int) -> bool:
    return 0 < width < 1 << 16 and 0 < height < 1 << 16


def _word(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:WORD_MAX]
