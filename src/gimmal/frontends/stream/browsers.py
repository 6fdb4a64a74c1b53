"""What browsers play by themselves."""

from __future__ import annotations

from gimmal.protocol.film_messages import Film

_KINDS = {
    "video/mp4": ({"h264", "av1", "vp9"}, {"aac", "mp3", "opus", "flac"}),
    "video/webm": ({"vp8", "vp9", "av1"}, {"vorbis", "opus"}),
}
"""Pictures and sound by media type, as ffmpeg calls them: about what Chromium, Firefox and Safari have in common."""


def plays_as_it_is(content_type: str, film: Film) -> bool:
    """Whether a browser can be expected to play a film in the file that it lies in, with its sound."""
    video, audio = _KINDS.get(content_type, (frozenset(), frozenset()))
    whole = film.video != "h264" or bool(film.cuts)  # of more than 8 bits, say
    return film.video in video and whole and film.audio in {*audio, ""}
