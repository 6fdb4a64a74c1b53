"""Which pictures may travel."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gimmal.protocol.jpeg import jpeg_size
from gimmal.protocol.limits import PICTURE_BYTES_MAX


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 30), **more: object) -> bytes:
    made = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(made, "JPEG", **more)
    return made.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("restart", [0, 1])
def test_a_plain_picture_has_its_size(mode: str, progressive: bool, restart: int) -> None:
    assert jpeg_size(picture(mode, progressive=progressive, restart_marker_blocks=restart)) == (40, 30)


PLAIN = picture()
EXIF = Image.Exif()
EXIF[0x010F] = "a camera"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        PLAIN + b"\0",
        b"\0" + PLAIN,
        PLAIN + PLAIN,
        PLAIN[:-2],
        PLAIN[:-1],
        picture("CMYK"),
        picture(exif=EXIF),
        picture(comment=b"hello"),
        picture(icc_profile=b"x" * 200),
        picture(size=(3000, 3000), quality=95),
        PLAIN.replace(b"JFIF", b"JFXX", 1),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=range(15),
)
def test_anything_else_is_none(data: bytes) -> None:
    assert jpeg_size(data) is None


def test_nothing_cut_short_or_with_another_length_is_taken() -> None:
    for end in range(len(PLAIN)):
        assert jpeg_size(PLAIN[:end]) is None


@given(st.binary(max_size=200), st.integers(0, len(PLAIN)))
def test_any_bytes_are_judged(extra: bytes, at: int) -> None:
    for data in (extra, PLAIN[:at] + extra + PLAIN[at:], PLAIN[:at] + extra):
        size = jpeg_size(data)
        assert size is None or (min(size) > 0 and len(data) <= PICTURE_BYTES_MAX)
