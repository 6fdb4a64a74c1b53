"""``gimmal play`` as a person uses it: the URL, players, and what is left when the half is pulled out."""

from __future__ import annotations

import http.client
import os
import random
import signal
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.confined import needs_confinement
from tests.endtoend.browser import chromium
from tests.endtoend.conftest import Desk
from tests.endtoend.film import frame_at, make_film, needs, probe, run
from tests.endtoend.processes import Process
from tests.endtoend.world import Plugged, content, until, write_file

SIZE = 2_000_003


def url_of(process: Process) -> str:
    return process.wait_line("play: ")


def get(url: str, **fields: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", parts.path, headers={name.replace("_", "-"): text for name, text in fields.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def end(process: Process, number: int = signal.SIGINT) -> None:
    process.popen.send_signal(number)
    assert process.wait(60).code == 0


def a_player(desk: Desk, name: str, script: str) -> dict[str, str]:
    """A program of this name in front of all others; the environment in which it is found."""
    folder = desk.near / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "DISPLAY": ":99"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_the_url_serves_the_file_until_the_command_is_ended(desk: Desk, number: int) -> None:
    write_file(desk.far / "film.mkv", SIZE)
    process = desk.start("play", "--url-only", desk.at("film.mkv"))
    url = url_of(process)
    assert "film" not in url
    assert get(url) == (200, content(SIZE))
    assert get(url, Range="bytes=1000000-1000009") == (206, content(SIZE)[1_000_000:1_000_010])
    end(process, number)
    with pytest.raises(ConnectionError):
        get(url)


def test_it_works_through_the_agent_and_prints_json(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "song.flac", SIZE)
    agent = world.up(world.b, plugged.mine)
    process: Process = world.start(world.b, "play", "--url-only", "--json", ":shared/song.flac")
    line = process.wait_line('{"event":"play","url":"')
    assert get(line.removesuffix('"}')) == (200, content(SIZE))
    end(process)
    assert agent.running


def test_what_cannot_be_played_is_said(desk: Desk) -> None:
    (desk.far / "folder").mkdir()
    write_file(desk.far / "film.mkv", 10)
    assert "no such file" in desk.run("play", "--url-only", desk.at("missing.mkv"), code=4).error
    result = desk.run("play", "--url-only", desk.at("folder"), code=4)
    assert "it is a folder" in result.error
    assert "hint: name a file instead" in result.err
    assert "names this computer" in desk.run("play", "film.mkv", code=2).error
    assert "no player 'none-such'" in desk.run("play", "--player", "none-such", desk.at("film.mkv"), code=2).error
    assert desk.run("play", "--url-only", "--player", "mpv", desk.at("film.mkv"), code=2).error


def test_a_known_player_learns_the_url_where_nobody_else_sees_it(desk: Desk) -> None:
    write_file(desk.far / "film.mkv", SIZE)
    script = (
        'for word in "$@"; do pipe=${word#--playlist=fd://}; done\n'
        'echo "$@" > arguments\n'
        "cat /dev/fd/$pipe > playlist\n"
        'tr "\\0" "\\n" < /proc/self/environ > surroundings\n'
    )
    result = desk.run("play", desk.at("film.mkv"), environment=a_player(desk, "mpv", script))
    assert result.err == "playing with mpv\n"
    head, title, url = (desk.near / "playlist").read_text().splitlines()
    assert (head, title) == ("#EXTM3U", "#EXTINF:-1,film.mkv")
    assert url.startswith("http://127.0.0.1:")
    secret = urlsplit(url).path.split("/")[1]
    assert secret not in (desk.near / "arguments").read_text()
    assert secret not in (desk.near / "surroundings").read_text()


def test_another_player_gets_the_url_as_an_argument(desk: Desk) -> None:
    write_file(desk.far / "film.mkv", 100)
    environment = a_player(desk, "my-player", 'echo "$1" > url\n') | {"GIMMAL_PLAYER": "my-player"}
    desk.run("play", desk.at("film.mkv"), environment=environment)
    assert (desk.near / "url").read_text().startswith("http://127.0.0.1:")


def test_a_player_that_fails_is_named(desk: Desk) -> None:
    write_file(desk.far / "film.mkv", 100)
    result = desk.run(
        "play", desk.at("film.mkv"), code=9, environment=a_player(desk, "vlc", "exit 3\n") | {"GIMMAL_PLAYER": "vlc"}
    )
    assert result.error == "vlc ended with status 3"


def test_pulling_the_half_ends_server_and_player(plugged: Plugged) -> None:
    world = plugged.world
    desk = Desk(plugged, plugged.shared, plugged.mine)
    write_file(plugged.shared / "film.mkv", SIZE)
    environment = a_player(desk, "mpv", "echo $$ > number; exec sleep 600\n")
    process = desk.start("play", ":shared/film.mkv", environment=environment)
    number = desk.near / "number"
    until(lambda: number.exists() and number.read_text().strip(), "the player runs")
    player = int(number.read_text())
    world.b.half.rename(world.b.half.with_name("pulled"))
    result = process.wait(60)
    assert result.code == 5
    assert result.error == "the half was pulled out"
    assert not Path(f"/proc/{player}").exists()


def test_the_end_of_the_other_side_does_not_freeze_a_player(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "film.mkv", SIZE)
    process: Process = world.start(world.b, "play", "--url-only", ":shared/film.mkv")
    url = url_of(process)
    assert get(url, Range="bytes=0-9")[0] == 206
    plugged.agent_a.popen.send_signal(signal.SIGTERM)
    plugged.agent_a.wait(60)
    world.up(world.a, plugged.shared)
    # The session is over; another one is found while the player waits.
    assert get(url, Range="bytes=1500000-1500009") == (206, content(SIZE)[1_500_000:1_500_010])
    end(process)


@needs("ffmpeg", "ffprobe")
def test_ffprobe_and_ffmpeg_see_the_film_that_lies_at_home(desk: Desk) -> None:
    film = make_film(desk.far / "film.mkv")
    process = desk.start("play", "--url-only", desk.at("film.mkv"))
    url = url_of(process)
    assert probe(url) == probe(film)
    draw = random.Random(8)
    for _ in range(4):
        place = round(draw.uniform(0, 58), 2)
        assert frame_at(url, place) == frame_at(film, place)
    end(process)


@needs("ffmpeg")
def test_an_mp4_with_its_index_at_the_end_is_not_fetched_whole_to_be_looked_at(desk: Desk) -> None:
    film = make_film(desk.far / "film.mp4", 60, 4_000_000)
    assert film.stat().st_size > 25_000_000
    process = desk.start("play", "--url-only", desk.at("film.mp4"))
    url = url_of(process)
    assert frame_at(url, 50) == frame_at(film, 50)
    entries = desk.plugged.world.json(desk.plugged.world.a, "log")
    read = sum(entry.get("bytes", 0) for entry in entries if entry.get("event") == "read" and "film.mp4" in str(entry))
    assert 0 < read < film.stat().st_size * 3 / 4, "its end, and from the frame on what is read ahead"
    end(process)


@needs_confinement
@needs("ffmpeg", "ffprobe", "mpv")
@pytest.mark.parametrize("more", [(), ("--height", "240")], ids=["as it is", "in parts"])
def test_mpv_plays_what_it_is_given(desk: Desk, more: tuple[str, ...]) -> None:
    make_film(desk.far / "film.mkv", 5)
    settings = desk.plugged.world.b.base / "home" / ".config" / "mpv"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "mpv.conf").write_text("vo=null\nao=null\nframes=20\nuntimed=yes\n")
    result = desk.run("play", *more, "--player", "mpv", desk.at("film.mkv"))
    assert "VO: [null] 320x180" in result.out
    left = [path for path in settings.parent.parent.rglob("*") if path.is_file() and b"film" in path.read_bytes()]
    assert left == []


CUES = "1\n00:00:00,000 --> 00:00:30,000\nhello\n\n2\n00:00:30,000 --> 00:01:00,000\n<b>good</b> bye\n"


@needs("ffmpeg", "mpv")
def test_mpv_is_handed_the_subtitles_that_lie_beside_the_film(desk: Desk) -> None:
    make_film(desk.far / "film.mkv", 5)
    (desk.far / "film.en.srt").write_text(CUES)
    settings = desk.plugged.world.b.base / "home" / ".config" / "mpv"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "mpv.conf").write_text("vo=null\nao=null\nframes=20\nuntimed=yes\nterm-status-msg=[${sub-text}]\n")
    result = desk.run("play", "--player", "mpv", desk.at("film.mkv"))
    assert "(webvtt)" in result.out + result.err, (result.out, result.err)
    assert "[hello]" in result.out + result.err, (result.out, result.err)


@needs("ffmpeg", "chromium")
def test_chromium_shows_the_subtitles_on_the_page(desk: Desk) -> None:
    make_film(desk.far / "film.mp4", 60)
    (desk.far / "film.en.srt").write_text(CUES)
    process = desk.start("play", "--url-only", desk.at("film.mp4"))
    page = process.wait_line("page: ")
    shown = """new Promise(done => {
        const track = document.querySelector("video").textTracks[0];
        const look = () => track.activeCues && track.activeCues.length
            ? done([track.label, track.language, track.activeCues[0].text]) : setTimeout(look, 20);
        track.mode = "showing";
        document.querySelector("video").currentTime = 45;
        look();
    })"""
    with chromium() as browser:
        browser.open(page)
        until(lambda: browser.evaluate('(document.querySelector("video") || {}).readyState >= 1'), "the film is there")
        assert browser.evaluate(shown) == ["en", "en", "<b>good</b> bye"]
        assert browser.evaluate("document.title") == "gimmal"
    end(process)


def make_odd_film(path: Path, seconds: int = 30) -> Path:
    """A film as browsers do not play it: sound in AC-3, words inside."""
    words = path.with_suffix(".words")
    words.write_text("1\n00:00:00,000 --> 00:00:10,000\nhello\n")
    run(
        *("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25:duration={seconds}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-f", "srt", "-i", words),
        *("-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast", "-g", "100"),
        *("-pix_fmt", "yuv420p", "-c:a", "ac3", "-c:s", "srt", "-metadata:s:s:0", "language=eng", path),
    )
    words.unlink()
    return path


PLAYED = """new Promise((done, failed) => {
    const film = document.querySelector("video");
    film.onerror = () => failed(film.error.message);
    film.onseeked = () => {
        const heard = film.webkitAudioDecodedByteCount;
        const look = () => film.readyState >= 3 && film.currentTime > PLACE && film.webkitAudioDecodedByteCount > heard
            ? done([film.currentTime, film.videoHeight, film.currentSrc]) : setTimeout(look, 20);
        film.play();
        look();
    };
    film.muted = true;
    film.currentTime = PLACE;
})"""


@needs_confinement
@needs("ffmpeg", "ffprobe", "chromium")
def test_chromium_plays_in_parts_what_it_cannot_play_as_it_is(desk: Desk) -> None:
    film = make_odd_film(desk.far / "film.mkv")
    process = desk.start("play", "--url-only", desk.at("film.mkv"))
    page = process.wait_line("page: ")
    with chromium() as browser:
        browser.open(page)
        until(lambda: browser.evaluate('(document.querySelector("video") || {}).readyState >= 1'), "the film is there")
        assert browser.evaluate('document.querySelector("video").duration') == pytest.approx(30, abs=0.6)
        for place in (20, 3):
            at, height, source = browser.evaluate(PLAYED.replace("PLACE", str(place)))
            assert source == page + "hls/index.m3u8"
            assert height in (180, 90), height
            assert place < at < place + 10
        assert browser.evaluate('document.querySelector("video").textTracks.length') >= 1
    end(process)
    entries = desk.plugged.world.json(desk.plugged.world.a, "log")
    assert any(entry.get("event") == "read" and "film.mkv" in str(entry) for entry in entries)
    assert film.exists()


@needs_confinement
@needs("ffmpeg", "ffprobe")
def test_a_film_is_made_smaller_at_home_for_a_slow_line(desk: Desk) -> None:
    film = desk.far / "film.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=4", "-vf", "noise=alls=40:allf=t")
    run("ffmpeg", "-v", "error", *source, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", film)
    assert film.stat().st_size > 1_500_000
    process = desk.start("play", "--url-only", "--height", "240", desk.at("film.mp4"))
    url = url_of(process)
    assert url.endswith("/hls/240.m3u8")
    seen = run("ffmpeg", "-v", "error", "-i", url, "-f", "null", "-progress", "-", "-").stdout
    assert b"frame=100\n" in seen, "every picture of it"
    end(process)
    entries = desk.plugged.world.json(desk.plugged.world.a, "log")
    read = sum(
        entry.get("bytes", 0) for entry in entries if entry.get("event") == "read" and desk.far.name in str(entry)
    )
    assert 0 < read < film.stat().st_size / 4


@needs_confinement
@needs("ffmpeg", "ffprobe")
def test_picture_and_parts_come_through_the_agent(plugged: Plugged) -> None:
    world = plugged.world
    make_film(plugged.shared / "film.mkv", 6)
    world.up(world.b, plugged.mine)
    process: Process = world.start(world.b, "play", "--url-only", ":shared/film.mkv")
    page = process.wait_line("page: ")
    status, picture = get(page + "poster.jpg")
    assert (status, picture[:2]) == (200, b"\xff\xd8")
    status, part = get(page + "hls/original/0.ts")
    assert (status, part[0], len(part) % 188) == (200, 0x47, 0)
    end(process)


def test_what_cannot_be_converted_is_said(desk: Desk) -> None:
    write_file(desk.far / "film.mkv", 1000)
    result = desk.run("play", "--url-only", "--height", "480", desk.at("film.mkv"), code=9)
    assert result.error == "the other side converts nothing of this file"


@needs("ffmpeg", "chromium")
def test_chromium_plays_the_url_and_seeks(desk: Desk) -> None:
    make_film(desk.far / "film.mp4", 60)
    process = desk.start("play", "--url-only", desk.at("film.mp4"))
    url = url_of(process)
    seek = """new Promise((done, failed) => {
        const film = document.querySelector("video");
        film.onseeked = () => done([film.currentTime, film.readyState >= 2, film.videoWidth]);
        film.onerror = () => failed(film.error.message);
        film.currentTime = PLACE;
    })"""
    with chromium() as browser:
        browser.open(url)
        until(lambda: browser.evaluate('(document.querySelector("video") || {}).readyState >= 1'), "the film is there")
        assert browser.evaluate('document.querySelector("video").duration') == pytest.approx(60, abs=0.2)
        for place in (40, 5, 55, 21.5):
            at, there, width = browser.evaluate(seek.replace("PLACE", str(place)))
            assert (there, width) == (True, 320)
            assert at == pytest.approx(place, abs=0.1), "it goes to the frame that is nearest"
        # A page from elsewhere that knows the URL gets nothing.
        browser.open("data:text/html,<video></video>")
        until(lambda: browser.evaluate('document.URL.startsWith("data:")'), "the other page")
        refused = """new Promise(done => {
            const film = document.querySelector("video");
            film.onerror = () => done("refused");
            film.onloadedmetadata = () => done("played");
            film.src = "URL";
        })"""
        assert browser.evaluate(refused.replace("URL", url)) == "refused"
    end(process)
