"""A film made for a test, and the programs of other people that play it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE


def needs(*programs: str) -> pytest.MarkDecorator:
    """A mark that skips a test where one of these programs is missing; `make test` installs them where it may."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: see scripts/players.sh")


def run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its good end."""
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done


def make_film(path: Path, seconds: int = 60, rate: int = 0) -> Path:
    """Pictures that count, and a tone; with ``rate`` of so many bits a second, filled up where they need fewer."""
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"]
    if rate:
        video += ["-b:v", str(rate), "-minrate", str(rate), "-maxrate", str(rate), "-bufsize", str(rate // 2)]
        video += ["-x264-params", "nal-hrd=cbr"]
    source = f"testsrc2=size=320x180:rate=25:duration={seconds}"
    sound = f"sine=frequency=440:duration={seconds}"
    quiet = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y"]
    run(*quiet, "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", sound, *video, "-c:a", "aac", path)
    return path


def probe(source: str | Path) -> dict[str, Any]:
    """What ffprobe says of a film."""
    words = ("ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", source)
    found: dict[str, Any] = json.loads(run(*words).stdout)
    found["format"].pop("filename")
    return found


def frame_at(source: str | Path, seconds: float) -> bytes:
    """The digest of the picture at a place of a film."""
    words = ("ffmpeg", "-v", "error", "-ss", str(seconds), "-i", source, "-frames:v", "1", "-an", "-f", "md5", "-")
    return run(*words).stdout
