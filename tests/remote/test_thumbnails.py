"""Small pictures of the other side's files, asked for over a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gimmal.base.errors import RemoteError
from gimmal.protocol.features import OFFERED, THUMBNAIL
from gimmal.protocol.jpeg import jpeg_size
from gimmal.protocol.messages import Answer, Picture, Request, Version
from gimmal.remote import thumbnails
from gimmal.remote.files import Files, version_of
from gimmal.remote.files_around import FilesAround
from gimmal.remote.thumbnails import thumbnail
from tests.confined import needs_confinement
from tests.remote.two_sides import Sides, TwoSides

pytestmark = needs_confinement


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    Image.effect_noise((2000, 1500), 80).save(made.far / "a.png")
    (made.far / "text").write_text("hello")
    return made


def test_it_comes_and_the_file_does_not(two: TwoSides) -> None:
    size = (two.far / "a.png").stat().st_size

    async def work(sides: Sides) -> None:
        version = version_of(await sides.far.stat("far/a.png"))
        before = sides.wire_bytes
        made = await thumbnail(sides.far, "far/a.png", edge=64, version=version)
        assert made is not None and jpeg_size(made) == (64, 48)
        assert sides.wire_bytes - before < 8_000 < size
        assert await thumbnail(sides.far, "far/text") is None
        with pytest.raises(RemoteError) as caught:
            await thumbnail(sides.far, "far/a.png", version=Version(1, 2, 3))
        assert caught.value.code == "changed"
        with pytest.raises(RemoteError) as caught:
            await thumbnail(sides.far, "far/none")
        assert caught.value.code == "not_found"

    two.run(work)


def test_a_peer_that_makes_none_is_not_asked(tmp_path: Path) -> None:
    two = TwoSides(tmp_path, far_features=OFFERED & ~THUMBNAIL)

    async def work(sides: Sides) -> None:
        assert await thumbnail(sides.far, "far/none") is None

    two.run(work)


class Liar(FilesAround):
    """Answers with something else."""

    def __init__(self, inner: Files, jpeg: bytes, version: Version) -> None:
        super().__init__(inner)
        self._answer = Picture(version, jpeg)

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        return self._answer


def test_what_is_no_such_picture_is_taken_as_none(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        version = version_of(await sides.far.stat("far/a.png"))
        good = await thumbnail(sides.far, "far/a.png", edge=64)
        assert good is not None
        assert await thumbnail(Liar(sides.far, good, version), "far/a.png", edge=64, version=version) == good
        assert await thumbnail(Liar(sides.far, good, version), "far/a.png", edge=63) is None
        assert await thumbnail(Liar(sides.far, good + b"\0", version), "far/a.png", edge=64) is None
        assert await thumbnail(Liar(sides.far, b"<svg/>", version), "far/a.png", edge=64) is None
        other = Version(version.identity + 1, version.size, version.mtime_ns)
        assert await thumbnail(Liar(sides.far, good, other), "far/a.png", edge=64, version=version) is None

    two.run(work)


def test_one_that_takes_too_long_is_given_up(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "THUMBNAIL_SECONDS", 0.0)

    async def work(sides: Sides) -> None:
        with pytest.raises(thumbnails.DeadlinePassed):
            await thumbnail(sides.far, "far/a.png")

    two.run(work)
