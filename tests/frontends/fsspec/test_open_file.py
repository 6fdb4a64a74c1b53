"""Open files of ``gimmal://`` against a real agent."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from gimmal.protocol.features import EDIT
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.spool import BLOCKS_IN_MEMORY
from gimmal.transport.session import Session
from tests.endtoend.world import content, part_files
from tests.frontends.fsspec.conftest import Place

LARGE = content((BLOCKS_IN_MEMORY + 1) * BLOCK_SIZE + 1000)


def test_a_file_is_read_anywhere_in_any_steps(place: Place) -> None:
    (place.far / "large").write_bytes(LARGE)
    chance = random.Random(5)
    with place.fs.open(place.at("large"), "rb") as file:
        assert file.size == len(LARGE)
        for _ in range(60):
            offset = chance.randrange(len(LARGE))
            length = chance.choice([1, 100, 4096, 70_000, 2 * BLOCK_SIZE])
            file.seek(offset)
            assert file.read(length) == LARGE[offset : offset + length]
        file.seek(-10, 2)
        assert file.read() == LARGE[-10:]
        assert file.read(5) == b""
        file.seek(0)
        assert file.read() == LARGE


def test_lines_are_read_as_from_a_file_here(place: Place) -> None:
    chance = random.Random(3)
    lines = [bytes([65 + number % 26]) * chance.choice([0, 1, 50, 9000, 200_000]) for number in range(50)]
    data = b"\n".join(lines)
    (place.far / "lines").write_bytes(data)
    with place.fs.open(place.at("lines"), "rb") as file:
        assert b"".join(file) == data
    with place.fs.open(place.at("lines"), "rt") as file, (place.far / "lines").open("rt") as here:
        assert list(file) == list(here)
    with place.fs.open(place.at("lines"), "rb") as file, (place.far / "lines").open("rb") as here:
        while step := here.readline(1000):
            assert file.readline(1000) == step
        assert file.readline(1000) == b""


def test_an_open_file_stays_the_version_that_was_opened(place: Place) -> None:
    (place.far / "file").write_bytes(LARGE)
    with place.fs.open(place.at("file"), "rb") as file:
        assert file.read(10) == LARGE[:10]
        (place.far / "new").write_bytes(LARGE[::-1])
        os.replace(place.far / "new", place.far / "file")
        with pytest.raises(OSError, match="changed meanwhile"):
            file.seek(len(LARGE) - 100)
            file.read(100)
    with place.fs.open(place.at("file"), "rb") as file:
        assert file.read(10) == LARGE[::-1][:10]


@pytest.mark.parametrize("size", [0, 10, 5 * 1024 * 1024, len(LARGE)])
def test_what_is_written_appears_whole_at_the_end(place: Place, size: int) -> None:
    with place.fs.open(place.at("file"), "wb") as file:
        for at in range(0, size, 1_000_003):
            assert file.tell() == at
            file.write(LARGE[at : min(size, at + 1_000_003)])
            file.flush()
        assert list(place.far.iterdir()) == []
    assert (place.far / "file").read_bytes() == LARGE[:size]
    assert part_files(place.far) == []


@pytest.mark.parametrize("mode", ["wb", "w", "ab", "at"])
def test_an_exception_leaves_what_was_there(place: Place, mode: str) -> None:
    (place.far / "file").write_text("before")
    with pytest.raises(KeyError), place.fs.open(place.at("file"), mode) as file:
        file.write(LARGE if "b" in mode else "text")
        raise KeyError
    assert (place.far / "file").read_text() == "before"
    assert part_files(place.far) == []


@pytest.mark.parametrize("size", [0, 3, 2 * BLOCK_SIZE - 1, 2 * BLOCK_SIZE])
@pytest.mark.parametrize("more", [0, 5, BLOCK_SIZE + 7])
@pytest.mark.parametrize("knows", [True, False])
def test_a_file_is_written_on_at_its_end(
    place: Place, size: int, more: int, knows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not knows:
        offers = RemoteFiles.offers
        monkeypatch.setattr(RemoteFiles, "offers", lambda files, bit: offers(files, bit) and bit != EDIT)
    path = place.far / "file"
    path.write_bytes(LARGE[:size])
    path.chmod(0o640)
    with place.fs.open(place.at("file"), "ab") as file:
        assert file.tell() == size
        file.write(LARGE[size : size + more])
        assert path.read_bytes() == LARGE[:size]
    assert path.read_bytes() == LARGE[: size + more]
    assert path.stat().st_mode & 0o777 == 0o640


def test_text_is_written_as_it_is_read(place: Place) -> None:
    with place.fs.open(place.at("text"), "w", encoding="latin-1", newline="\r\n") as file:
        file.write("grüße\nzwei\n")
    assert (place.far / "text").read_bytes().decode("latin-1") == "grüße\r\nzwei\r\n"
    with place.fs.open(place.at("text"), "rt", encoding="latin-1") as file:
        assert file.read() == "grüße\nzwei\n"


def test_writing_on_sends_only_what_is_new(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.far / "log").write_bytes(LARGE)
    asked: list[str] = []
    exchange = Session.exchange

    async def counted(session: Session, request: Any, *arguments: Any, **named: Any) -> Any:
        asked.append(type(request).__name__)
        return await exchange(session, request, *arguments, **named)

    monkeypatch.setattr(Session, "exchange", counted)
    with place.fs.open(place.at("log"), "ab") as file:
        file.write(b"one more line")
    assert asked == ["Stat", "QuickEdit"]
    assert (place.far / "log").read_bytes() == LARGE + b"one more line"


def test_writing_on_loses_nothing_that_came_meanwhile(place: Place) -> None:
    (place.far / "log").write_text("one\n")
    file = place.fs.open(place.at("log"), "ab")
    file.write(b"two\n")
    (place.far / "log").write_text("one\nfrom there\n")
    with pytest.raises(OSError, match="changed meanwhile"):
        file.close()
    assert (place.far / "log").read_text() == "one\nfrom there\n"
    with place.fs.open(place.at("new"), "ab") as file:
        file.write(b"new")
    assert (place.far / "new").read_text() == "new"


def test_a_new_file_is_new_at_its_end_too(place: Place) -> None:
    file = place.fs.open(place.at("file"), "xb")
    file.write(b"ours")
    (place.far / "file").write_text("theirs")
    with pytest.raises(FileExistsError):
        file.close()
    assert (place.far / "file").read_text() == "theirs"


def test_a_transaction_places_all_at_its_end_or_nothing(place: Place) -> None:
    fs = place.fs
    (place.far / "1").write_text("before")
    with fs.transaction:
        for number in range(40):  # more than the other side holds without their names
            with fs.open(place.at(str(number)), "wb") as file:
                file.write(LARGE[: 1_100_000 if number % 3 else 10])
        assert fs.cat_file(place.at("1")) == b"before"
        assert fs.find(place.path) == [place.at("1")]
    assert len(fs.find(place.path)) == 40
    assert (place.far / "1").read_bytes() == LARGE[:1_100_000]
    with pytest.raises(KeyError), fs.transaction:
        for name in ("1", "new"):
            with fs.open(place.at(name), "wb") as file:
                file.write(LARGE)
        raise KeyError
    assert (place.far / "1").read_bytes() == LARGE[:1_100_000]
    assert not fs.exists(place.at("new"))
    assert part_files(place.far) == []
    assert fs.line.deferred == 0


def test_wrong_uses_are_said(place: Place) -> None:
    (place.far / "file").write_text("x")
    with pytest.raises(FileNotFoundError):
        place.fs.open(place.at("missing"))
    with pytest.raises(IsADirectoryError):
        place.fs.open(place.path)
    with pytest.raises(NotImplementedError):
        place.fs.open(place.at("file"), "r+b")
    with place.fs.open(place.at("file")) as file, pytest.raises(ValueError, match="write mode"):
        file.write(b"x")
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    with place.fs.open(place.at("file"), "wb") as writing, pytest.raises(ValueError, match="read mode"):
        writing.read(1)
    with pytest.raises(ValueError, match="closed"):
        writing.write(b"x")
