"""Films in parts: put one behind the other they are the film, without a gap in pictures or sound."""

from __future__ import annotations

import itertools
import json
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gimmal.protocol.codes import Code
from gimmal.protocol.film_messages import AboutFilm, Film, FilmBytes, FilmPart, FilmText, ReadFilmText
from gimmal.protocol.limits import FILM_BYTES_MAX, FILM_PART_MICROSECONDS_MAX
from gimmal.protocol.messages import Failed, Version
from gimmal.share.attributes import version_of
from gimmal.share.previewing.transport_stream import CLOCK
from tests.confined import needs_confinement
from tests.endtoend.film import needs, run
from tests.share.rig import Rig

pytestmark = [needs_confinement, needs("ffmpeg", "ffprobe")]

SECONDS = 9
CUES = "1\n00:00:01,000 --> 00:00:05,000\nhello\n"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film as browsers do not play it: Matroska, AC-3, pictures that are stored in another order than shown."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "words.srt").write_text(CUES)
    made = folder / "film.mkv"
    run(
        *("ffmpeg", "-v", "error", "-y"),
        *("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=24000/1001:duration={SECONDS}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}", "-i", folder / "words.srt"),
        *("-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "70"),
        *("-c:a", "ac3", "-c:s", "srt", "-metadata:s:s:0", "language=eng", made),
    )
    return made


@pytest.fixture
def rig(tmp_path: Path, film: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    os.link(film, made.ro / "film.mkv")
    yield made
    made.close()


def about(rig: Rig, path: str = "ro/film.mkv") -> Film:
    answer = rig.session.answer(AboutFilm(path))
    assert isinstance(answer, Film), answer
    return answer


def whole(rig: Rig, request: Any) -> bytes:
    """All bytes of what is made, by as many questions as it takes."""
    made = b""
    while True:
        answer = rig.session.answer(type(request)(**{**_fields(request), "offset": len(made)}))
        assert isinstance(answer, FilmBytes), answer
        made += answer.data
        if len(made) == answer.size:
            return made
        assert answer.data


def _fields(request: Any) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__struct_fields__}


def packets(path: Path, kind: str) -> list[dict[str, str]]:
    words = ("ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts,flags,size", "-of", "json")
    found: list[dict[str, str]] = json.loads(run(*words, path).stdout)["packets"]
    return found


def picture_digest(path: Path) -> bytes:
    words = ("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "md5", "-")
    return run(*words).stdout


def sound_steps(path: Path) -> set[int]:
    times = [int(packet["pts"]) for packet in packets(path, "a")]
    return {after - before for before, after in itertools.pairwise(times)}


def clicks(path: Path) -> int:
    """How many samples of a tone of 440 Hz are not what the two before them foretell."""
    run("ffmpeg", "-v", "error", "-y", "-i", path, "-map", "0:a", "-ac", "1", "-f", "s16le", path.with_suffix(".raw"))
    data = path.with_suffix(".raw").read_bytes()
    heard = struct.unpack(f"<{len(data) // 2}h", data)
    twice = 1.996683  # 2 cos(2 pi 440 / 48000)
    end = SECONDS * 48_000 - 2048  # where the tone itself breaks off
    return sum(abs(heard[at] - twice * heard[at - 1] + heard[at - 2]) > 200 for at in range(2, end))


def test_what_is_said_of_a_film(rig: Rig, film: Path) -> None:
    said = about(rig)
    assert said.version == version_of(film.stat())
    assert (said.video, said.audio, said.width, said.height) == ("h264", "ac3", 320, 180)
    assert said.duration == pytest.approx(SECONDS * 1e6, abs=1e5)
    assert said.rate == pytest.approx(8 * film.stat().st_size / SECONDS, rel=0.02)
    assert said.texts == [FilmText(0, "eng", "")]
    assert said.cuts[0] < 50_000
    keys = [int(packet["pts"]) * 1000 for packet in packets(film, "v") if packet["flags"].startswith("K")]
    # In kilobytes of words nothing is rounded but the beginning of the film, which is 0 here.
    assert set(said.cuts) <= {key - 6_000 for key in keys} | set(keys)
    assert len(said.cuts) >= 3


def test_parts_with_their_pictures_as_they_are(rig: Rig, film: Path, tmp_path: Path) -> None:
    said = about(rig)
    joined = tmp_path / "joined.ts"
    edges = [*said.cuts, said.duration + 100_000]
    parts = [whole(rig, FilmPart("ro/film.mkv", said.version, start, end)) for start, end in itertools.pairwise(edges)]
    joined.write_bytes(b"".join(parts))
    assert picture_digest(joined) == picture_digest(film)
    assert len(packets(joined, "v")) == len(packets(film, "v"))
    assert sound_steps(joined) == {1024 * CLOCK // 48_000}
    assert clicks(joined) == 0
    (tmp_path / "one.ts").write_bytes(parts[1])
    assert packets(tmp_path / "one.ts", "v")[0]["flags"].startswith("K"), "each can be played by itself"


def test_parts_with_pictures_made_smaller(rig: Rig, film: Path, tmp_path: Path) -> None:
    said = about(rig)
    joined = tmp_path / "joined.ts"
    made = []
    for start in range(0, SECONDS * 1_000_000 + 100_000, 3_000_000):
        part = FilmPart("ro/film.mkv", said.version, start, start + 3_000_000, 90, 200_000)
        made.append(whole(rig, part))
    edges = [*said.cuts, said.duration + 100_000]
    at_cuts = [
        whole(rig, FilmPart("ro/film.mkv", said.version, start, end, 90, 200_000))
        for start, end in itertools.pairwise(edges)
    ]
    joined.write_bytes(b"".join(at_cuts))
    assert len(packets(joined, "v")) == len(packets(film, "v"))
    joined.write_bytes(b"".join(made))
    assert len(packets(joined, "v")) == len(packets(film, "v"))
    assert sound_steps(joined) == {1024 * CLOCK // 48_000}
    assert clicks(joined) == 0
    size = run(
        "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=height", "-of", "csv=p=0", joined
    )
    assert set(size.stdout.split()) == {b"90"}
    assert max(map(len, made)) < 8 * 3 * (200_000 + 128_000) / 8


def test_a_film_without_sound_and_one_that_begins_late(rig: Rig, film: Path, tmp_path: Path) -> None:
    quiet = rig.rw / "quiet.mp4"
    run("ffmpeg", "-v", "error", "-y", "-i", film, "-map", "0:v", "-c", "copy", quiet)
    said = about(rig, "rw/quiet.mp4")
    assert (said.audio, said.texts) == ("", [])
    assert whole(rig, FilmPart("rw/quiet.mp4", said.version, said.cuts[0], said.cuts[1]))
    late = rig.rw / "late.ts"
    run(
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-i",
        film,
        "-map",
        "0:v",
        "-map",
        "0:a",
        "-c",
        "copy",
        "-output_ts_offset",
        "50",
        late,
    )
    said = about(rig, "rw/late.ts")
    assert said.cuts and said.cuts[0] < 100_000
    assert whole(rig, FilmPart("rw/late.ts", said.version, 0, 2_000_000, 90))


def test_pictures_that_not_every_browser_plays_are_not_left_as_they_are(rig: Rig) -> None:
    odd = rig.rw / "odd.avi"
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:duration=2", "-c:v", "mpeg4", odd)
    said = about(rig, "rw/odd.avi")
    assert (said.video, said.cuts) == ("mpeg4", [])
    assert whole(rig, FilmPart("rw/odd.avi", said.version, 0, 2_000_000, 90))


def test_words_in_the_film(rig: Rig) -> None:
    said = about(rig)
    assert (
        whole(rig, ReadFilmText("ro/film.mkv", said.version, 0)).decode()
        == "WEBVTT\n\n00:01.006 --> 00:05.006\nhello\n"
    )
    assert rig.code(ReadFilmText("ro/film.mkv", said.version, 1)) == Code.UNSUPPORTED


def test_bytes_are_given_from_any_place(rig: Rig) -> None:
    said = about(rig)
    part = FilmPart("ro/film.mkv", said.version, 0, 3_000_000, 90, 200_000)
    made = whole(rig, part)
    assert len(made) < FILM_BYTES_MAX
    for offset, length in ((0, 1), (5, 188), (len(made) - 1, 100), (len(made), 5), (1 << 62, 5)):
        answer = rig.session.answer(FilmPart("ro/film.mkv", said.version, 0, 3_000_000, 90, 200_000, offset, length))
        assert answer == FilmBytes(len(made), made[offset : offset + length])


def test_what_is_refused(rig: Rig, film: Path) -> None:
    version = about(rig).version
    path = "ro/film.mkv"
    (rig.rw / "no.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(1000))
    (rig.rw / "no.txt").write_bytes(b"hello")
    os.link(film, rig.drop / "film.mkv")
    assert rig.code(FilmPart(path, version, 5, 5, 90)) == Code.INVALID
    assert rig.code(FilmPart(path, version, 6, 5, 90)) == Code.INVALID
    assert rig.code(FilmPart(path, version, 0, FILM_PART_MICROSECONDS_MAX + 1, 90)) == Code.INVALID
    assert rig.code(FilmPart(path, version, 1 << 36, (1 << 36) + 5, 90)) == Code.UNSUPPORTED, "behind the end"
    assert rig.code(FilmPart(path, Version(1, 2, 3), 0, 5, 90)) == Code.CHANGED
    assert rig.code(AboutFilm("drop/film.mkv")) == Code.NOT_GRANTED
    assert rig.code(AboutFilm("ro/none")) == Code.NOT_FOUND
    assert rig.code(AboutFilm("ro")) == Code.IS_A_DIRECTORY
    for name in ("no.mkv", "no.txt"):
        version = version_of((rig.rw / name).stat())
        assert rig.code(AboutFilm(f"rw/{name}")) == Code.UNSUPPORTED
        assert rig.code(FilmPart(f"rw/{name}", version, 0, 5, 90)) == Code.UNSUPPORTED
        assert rig.code(ReadFilmText(f"rw/{name}", version, 0)) == Code.UNSUPPORTED


def test_what_nobody_wants_any_more_is_broken_off(rig: Rig) -> None:
    said = about(rig)
    unwanted = threading.Event()
    unwanted.set()
    part = FilmPart("ro/film.mkv", said.version, 0, 3_000_000, 90)
    assert rig.session.make(part, unwanted) == Failed(Code.FAILED)
    assert isinstance(rig.session.make(part, threading.Event()), FilmBytes), "and is made when it is wanted again"
