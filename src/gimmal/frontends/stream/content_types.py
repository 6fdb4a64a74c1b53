"""What a file is called in HTTP, by the end of its name; nothing that a browser would run as a page."""

from __future__ import annotations

_TYPES = {
    # Not from the system's table: it differs from one computer to the next, and lacks half of these.
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "wmv": "video/x-ms-wmv",
    "flv": "video/x-flv",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
    "vob": "video/mpeg",
    "ts": "video/mp2t",
    "mts": "video/mp2t",
    "m2ts": "video/mp2t",
    "3gp": "video/3gpp",
    "ogv": "video/ogg",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "m4b": "audio/mp4",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "wma": "audio/x-ms-wma",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "mka": "audio/x-matroska",
    "mid": "audio/midi",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "pdf": "application/pdf",
    "srt": "text/plain; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}

OTHER = "application/octet-stream"


def ending_of(name: str) -> str:
    """The end of a name behind its last dot in lower case, where it is one of the table; empty otherwise."""
    ending = name.rpartition(".")[2].lower()
    return ending if ending in _TYPES and "." in name else ""


def content_type_of(name: str) -> str:
    """The media type for a file of this name; application/octet-stream where it is none of those played or shown."""
    return _TYPES.get(ending_of(name), OTHER)


def is_film(name: str) -> bool:
    """Whether a file of this name has moving pictures, as far as its name tells."""
    return content_type_of(name).startswith("video/")
