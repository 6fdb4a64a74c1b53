"""Small pictures of files, as a session of the other side is given them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gimmal.protocol.codes import Code
from gimmal.protocol.jpeg import jpeg_size
from gimmal.protocol.limits import PICTURE_BYTES_MAX
from gimmal.protocol.messages import Picture, Thumbnail, Version
from gimmal.share.attributes import version_of
from gimmal.share.previewing import pictures
from tests.confined import needs_confinement
from tests.endtoend.film import make_film, needs
from tests.share.rig import Rig

pytestmark = needs_confinement


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def ask(rig: Rig, path: str, edge: int = 128) -> Image.Image:
    answer = rig.session.answer(Thumbnail(path, edge))
    assert isinstance(answer, Picture), answer
    assert len(answer.jpeg) <= PICTURE_BYTES_MAX
    share, _slash, below = path.partition("/")
    assert answer.version == version_of((rig.base / share / below).stat())
    image = Image.open(io.BytesIO(answer.jpeg))
    assert image.size == jpeg_size(answer.jpeg)
    assert max(image.size) <= edge
    return image


HALVES = Image.new("RGB", (600, 300), (200, 0, 0))
HALVES.paste((0, 0, 200), (0, 0, 300, 300))


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp", "bmp"])
def test_a_picture(rig: Rig, kind: str) -> None:
    HALVES.save(rig.rw / "picture.txt", kind)  # whatever it is called
    image = ask(rig, "rw/picture.txt")
    assert image.size == (128, 64)
    left, right = image.getpixel((20, 30)), image.getpixel((110, 30))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    assert left[2] > 150 > 60 > left[0] and right[0] > 150 > 60 > right[2]


def test_a_picture_that_is_turned_and_one_that_is_transparent(rig: Rig) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    HALVES.save(rig.rw / "turned", "jpeg", exif=turned)
    assert ask(rig, "rw/turned").size == (64, 128)
    Image.new("RGBA", (100, 100), (0, 0, 0, 0)).save(rig.rw / "glass", "png")
    assert ask(rig, "rw/glass").getpixel((50, 50)) == (255, 255, 255)


def test_a_small_picture_is_not_made_larger_and_a_noisy_one_fits(rig: Rig) -> None:
    Image.new("RGB", (3, 2)).save(rig.rw / "dot", "png")
    assert ask(rig, "rw/dot").size == (3, 2)
    Image.frombytes("RGB", (900, 900), os.urandom(900 * 900 * 3)).save(rig.rw / "noise", "png")
    assert ask(rig, "rw/noise", 512).size == (512, 512)


@needs("ffmpeg")
@pytest.mark.parametrize(("name", "seconds"), [("film.mkv", 12), ("film.mp4", 3), ("film.avi", 3), ("film.ts", 3)])
def test_a_film(rig: Rig, name: str, seconds: int) -> None:
    make_film(rig.ro / name, seconds)
    assert ask(rig, f"ro/{name}", 160).size == (160, 90)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"\xff\xd8\xff" + bytes(1000),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\x1a\x45\xdf\xa3" + bytes(1000),
        b"\0\0\0\x20ftypisom" + bytes(500),
    ],
    ids=range(7),
)
def test_what_is_no_picture_and_no_film(rig: Rig, content: bytes) -> None:
    (rig.rw / "file").write_bytes(content)
    assert rig.code(Thumbnail("rw/file", 64)) == Code.UNSUPPORTED


def test_a_picture_that_unpacks_to_too_much_comes_to_nothing(rig: Rig) -> None:
    Image.new("1", (20_000, 5_000)).save(rig.rw / "bomb", "png")
    assert (rig.rw / "bomb").stat().st_size < 1 << 20
    assert rig.code(Thumbnail("rw/bomb", 64)) == Code.UNSUPPORTED


def test_what_is_not_granted_not_there_or_of_another_version(rig: Rig) -> None:
    HALVES.save(rig.drop / "a.png")
    HALVES.save(rig.rw / "a.png")
    (rig.rw / "link").symlink_to("a.png")
    (rig.rw / "folder").mkdir()
    assert rig.code(Thumbnail("drop/a.png")) == Code.NOT_GRANTED
    assert rig.code(Thumbnail("rw/none.png")) == Code.NOT_FOUND
    assert rig.code(Thumbnail("rw/link")) == Code.LINK_REFUSED
    assert rig.code(Thumbnail("rw/folder")) == Code.IS_A_DIRECTORY
    assert rig.code(Thumbnail("rw")) == Code.IS_A_DIRECTORY
    assert rig.code(Thumbnail("rw/a.png", 64, Version(1, 2, 3))) == Code.CHANGED
    version = version_of((rig.rw / "a.png").stat())
    assert isinstance(rig.session.answer(Thumbnail("rw/a.png", 64, version)), Picture)


def test_it_is_made_once_for_each_version_and_size(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    really = pictures.make_picture
    monkeypatch.setattr(pictures, "make_picture", lambda *words: made.append(words[2]) or really(*words))
    HALVES.save(rig.rw / "a.png")
    for edge in (64, 64, 32, 64):
        ask(rig, "rw/a.png", edge)
    rig.again()
    ask(rig, "rw/a.png", 32)
    assert made == [64, 32]
    HALVES.crop((0, 0, 10, 10)).save(rig.rw / "b.png")
    (rig.rw / "b.png").rename(rig.rw / "a.png")
    assert ask(rig, "rw/a.png", 32).size == (10, 10)
    assert made == [64, 32, 32]


def test_without_programs_nothing_is_made(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "pillow", lambda: False)
    monkeypatch.setattr(pictures, "program_called", lambda name: None)
    HALVES.save(rig.rw / "a.png")
    (rig.rw / "a.mkv").write_bytes(b"\x1a\x45\xdf\xa3")
    assert rig.code(Thumbnail("rw/a.png")) == rig.code(Thumbnail("rw/a.mkv")) == Code.UNSUPPORTED


def test_who_wants_no_decoder_to_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIMMAL_NO_PREVIEWS", "1")
    rig = Rig(tmp_path)
    HALVES.save(rig.rw / "a.png")
    assert rig.code(Thumbnail("rw/a.png")) == Code.UNSUPPORTED
    rig.close()
