"""Films of the other side in parts: asked for by a few questions, and believed only where it fits together."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gimmal.base.errors import ProtocolViolation, RemoteError
from gimmal.protocol.codes import Code
from gimmal.protocol.features import FILM, OFFERED
from gimmal.protocol.film_messages import AboutFilm, Film, FilmBytes, FilmPart, ReadFilmText
from gimmal.protocol.limits import FILM_BYTES_MAX, FILM_PART_MAX
from gimmal.protocol.messages import Answer, Done, Failed, Request, Version
from gimmal.remote.files import Files
from gimmal.remote.files_around import FilesAround
from gimmal.remote.films import about_film, film_part, film_text
from tests.confined import needs_confinement
from tests.endtoend.film import make_film, needs
from tests.remote.two_sides import Sides, TwoSides

VERSION = Version(1, 2, 3)
SAID = Film(VERSION, 10_000_000, 1, 2, 2, "h264", "aac", [0, 5])
MADE = random.Random(5).randbytes(5 * FILM_BYTES_MAX + 77)


class OtherSide(FilesAround):
    """Answers as it is told to, and counts."""

    def __init__(self, inner: Files, answer: Callable[[Request], Answer]) -> None:
        super().__init__(inner)
        self._answer = answer
        self.asked: list[Request] = []

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        assert deadline is None
        self.asked.append(request)
        return self._answer(request)


def honest(request: Request) -> Answer:
    if isinstance(request, FilmPart | ReadFilmText):
        return FilmBytes(len(MADE), MADE[request.offset : request.offset + request.length])
    return SAID


def ask(tmp_path: Path, answer: Callable[[Request], Answer], work: Callable[[OtherSide], Awaitable[None]]) -> None:
    async def main(sides: Sides) -> None:
        await work(OtherSide(sides.far, answer))

    TwoSides(tmp_path).run(main)


def test_all_bytes_are_put_together(tmp_path: Path) -> None:
    async def work(other: OtherSide) -> None:
        assert await film_part(other, "far/a", SAID, 0, 5, 480, 1_000_000) == MADE
        assert len(other.asked) == 6
        first = other.asked[0]
        assert first == FilmPart("far/a", VERSION, 0, 5, 480, 1_000_000, 0)
        assert await film_text(other, "far/a", SAID, 3) == MADE

    ask(tmp_path, honest, work)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda _request: FilmBytes(0, b""), RemoteError),
        (lambda _request: FilmBytes(FILM_PART_MAX + 1, bytes(FILM_BYTES_MAX)), RemoteError),
        (lambda _request: FilmBytes(10, b"123"), ProtocolViolation),
        (lambda _request: FilmBytes(2, b"123"), ProtocolViolation),
        (lambda request: FilmBytes(len(MADE), MADE[:FILM_BYTES_MAX]), ProtocolViolation),
        (
            lambda request: FilmBytes(len(MADE) + (request.offset > 0), MADE[request.offset :][:FILM_BYTES_MAX]),
            RemoteError,
        ),
        (lambda _request: Failed(Code.UNSUPPORTED), RemoteError),
        (lambda _request: Done(), ProtocolViolation),
    ],
    ids=["nothing", "too much", "too few", "too many", "the same again", "another", "refused", "another question"],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, answer: Callable[[Request], Answer], error: type[Exception]
) -> None:
    async def work(other: OtherSide) -> None:
        with pytest.raises(error):
            await film_part(other, "far/a", SAID, 0, 5, 480, 1_000_000)

    ask(tmp_path, answer, work)


def test_what_is_said_of_a_film(tmp_path: Path) -> None:
    odd = Film(VERSION, 10, 1, 2, 2, "h264", "aac", [5, 5])

    async def honest_one(other: OtherSide) -> None:
        assert await about_film(other, "far/a", VERSION) == SAID
        with pytest.raises(ProtocolViolation):
            await about_film(other, "far/a", Version(3, 2, 1))
        assert other.asked[0] == AboutFilm("far/a", VERSION)

    async def lying_one(other: OtherSide) -> None:
        with pytest.raises(ProtocolViolation):
            await about_film(other, "far/a")

    async def unable_one(other: OtherSide) -> None:
        assert await about_film(other, "far/a") is None

    ask(tmp_path, honest, honest_one)
    ask(tmp_path, lambda _request: odd, lying_one)
    ask(tmp_path, lambda _request: Failed(Code.UNSUPPORTED), unable_one)


def test_a_peer_that_knows_no_films_is_not_asked(tmp_path: Path) -> None:
    async def work(sides: Sides) -> None:
        assert await about_film(sides.far, "far/none") is None

    TwoSides(tmp_path, far_features=OFFERED & ~FILM).run(work)


@needs_confinement
@needs("ffmpeg", "ffprobe")
def test_a_part_travels_and_the_film_does_not(tmp_path: Path) -> None:
    two = TwoSides(tmp_path)
    film = make_film(two.far / "film.mp4", 10, 3_000_000)

    async def work(sides: Sides) -> None:
        said = await about_film(sides.far, "far/film.mp4")
        assert said is not None and said.cuts
        before = sides.wire_bytes
        made = await film_part(sides.far, "far/film.mp4", said, 4_000_000, 8_000_000, 90, 100_000)
        assert made[0] == 0x47
        assert sides.wire_bytes - before < len(made) + 10_000 < film.stat().st_size / 10

    two.run(work)
