"""Which files are subtitles of which film, and how they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.frontends.stream.tracks import TRACKS_MAX, Track, find_tracks, read_track
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files
from tests.patience import PATIENCE
from tests.remote.two_sides import Sides, TwoSides

CUE = b"1\n00:00:01,000 --> 00:00:02,000\nhello\n"


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    return TwoSides(tmp_path)


def found(two: TwoSides, path: str = "far/film.mkv") -> list[Track]:
    async def work(sides: Sides) -> list[Track]:
        return await find_tracks(sides.far, path)

    return two.run(work)


def test_those_that_begin_as_the_film_is_called(two: TwoSides) -> None:
    for name in ("film.srt", "film.en.vtt", "film.de.forced.SRT", "film.ass", "film2.srt", "other.srt", "film.txt"):
        (two.far / name).write_bytes(CUE)
    (two.far / "film.fr.srt").mkdir()
    (two.far / "film.it.srt").symlink_to("film.srt")
    assert found(two) == [
        Track("far/film.ass", "ass", "", "subtitles"),
        Track("far/film.de.forced.SRT", "srt", "de", "de.forced"),
        Track("far/film.en.vtt", "vtt", "en", "en"),
        Track("far/film.srt", "srt", "", "subtitles"),
    ]


def test_a_folder_that_cannot_be_listed_has_none(two: TwoSides) -> None:
    assert found(two, "far/none/film.mkv") == []
    assert found(two, "elsewhere/film.mkv") == []


def test_few_are_offered_and_what_they_are_called_is_displayable(two: TwoSides) -> None:
    for number in range(TRACKS_MAX + 5):
        (two.far / f"film.{number:03}.srt").write_bytes(CUE)
    (two.far / "film.0\u202ex.srt").write_bytes(CUE)
    tracks = found(two)
    assert len(tracks) == TRACKS_MAX
    assert not any("\u202e" in track.label for track in tracks)


def test_one_is_read_as_webvtt_and_a_change_of_it_is_seen(two: TwoSides) -> None:
    (two.far / "film.srt").write_bytes(CUE)

    async def work(sides: Sides) -> None:
        async def open_files() -> Files:
            return sides.far

        cache = FileCache(open_files)
        (track,) = await find_tracks(sides.far, "far/film.mkv")
        assert b"hello" in await read_track(cache, track, PATIENCE)
        (two.far / "film.srt").write_bytes(CUE.replace(b"hello", b"good bye"))
        await cache.open(track.path, anew=True)
        assert b"good bye" in await read_track(cache, track, PATIENCE)
        (two.far / "film.srt").unlink()
        with pytest.raises(RemoteError, match="no such file"):
            await cache.open(track.path, anew=True)
        await cache.close()

    two.run(work)
