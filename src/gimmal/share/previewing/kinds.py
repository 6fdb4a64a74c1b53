"""What a file is by its first bytes: its name may say anything, and no decoder is asked to guess."""

from __future__ import annotations

HEAD_BYTES = 400
"""Bytes of a file that tell what it is."""

PICTURE = "picture"

_PACKET = 188
_NO_FILMS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM")
_FILMS = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"OggS", "ogg"),
    (b"FLV\x01", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
)


def kind_of(head: bytes) -> str | None:
    """PICTURE, what ffmpeg calls the kind of film it is, or None where it is neither, as far as is known here.

    Args:
        head: the first HEAD_BYTES bytes, fewer where the file ends.
    """
    if head.startswith(_PICTURES):
        return PICTURE
    if head[:4] == b"RIFF":
        return {b"WEBP": PICTURE, b"AVI ": "avi"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _NO_FILMS else "mov"
    if len(head) > 2 * _PACKET and all(head[at] == 0x47 for at in (0, _PACKET, 2 * _PACKET)):
        return "mpegts"
    return next((name for mark, name in _FILMS if head.startswith(mark)), None)
