"""The file system of ``gimmal://`` against a real agent: what fsspec's own suite leaves open."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.callbacks import Callback

from gimmal.frontends.fsspec.file_system import GimmalFileSystem
from gimmal.protocol.limits import BLOCK_SIZE, BUNDLE_CONTENT_MAX, PARTS_MAX
from gimmal.transport.session import Session
from tests.endtoend.world import Plugged, content, part_files, until
from tests.frontends.fsspec.conftest import Place

LARGE = content(3 * BLOCK_SIZE + 1000)


def grow(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


# Looking -------------------------------------------------------------------------------------------------------------


def test_the_entry_point_names_it(place: Place) -> None:
    grow(place.far, "file")
    assert fsspec.get_filesystem_class("gimmal") is GimmalFileSystem
    fs, path = fsspec.url_to_fs(place.url("file"))
    assert fs is place.fs
    assert fs.info(path)["size"] == 4
    assert fs.unstrip_protocol(path) == place.url("file")


def test_the_root_lists_the_shares(place: Place) -> None:
    assert [info["name"] for info in place.fs.ls("")] == ["shared"]
    assert place.fs.ls("gimmal://", detail=False) == ["shared"]
    assert place.fs.info("")["type"] == "directory"
    assert place.fs.isdir("shared")
    assert f"{place.path}/" not in place.fs.find("")


def test_a_file_is_listed_as_itself_and_links_as_links(place: Place) -> None:
    grow(place.far, "file", "folder/x")
    (place.far / "link").symlink_to("file")
    assert [info["name"] for info in place.fs.ls(place.at("file"))] == [place.at("file")]
    kinds = {info["name"].rpartition("/")[2]: info["type"] for info in place.fs.ls(place.path)}
    assert kinds == {"file": "file", "folder": "directory", "link": "link"}
    with pytest.raises(OSError, match="symbolic links are not followed"):
        place.fs.cat_file(place.at("link"))
    with pytest.raises(IsADirectoryError, match="name a file instead"):
        place.fs.cat_file(place.at("folder"))
    with pytest.raises(FileNotFoundError):
        place.fs.ls(place.at("missing"))


def test_a_tree_is_found_whole_or_as_deep_as_wanted(place: Place) -> None:
    grow(place.far, "a", "one/b", "one/two/c", "one/two/three/d")
    (place.far / "empty").mkdir()
    fs = place.fs
    assert fs.find(place.path) == [place.at(name) for name in ("a", "one/b", "one/two/c", "one/two/three/d")]
    assert fs.find(place.path, maxdepth=1) == [place.at("a")]
    assert fs.find(place.path, maxdepth=2) == [place.at("a"), place.at("one/b")]
    assert fs.find(place.at("a")) == [place.at("a")]
    assert fs.find(place.at("missing")) == []
    with_folders = fs.find(place.path, withdirs=True, detail=True)
    assert list(with_folders)[:3] == [place.path, place.at("a"), place.at("empty")]
    assert with_folders[place.at("empty")]["type"] == "directory"
    assert fs.glob(place.at("**/[cd]")) == [place.at("one/two/c"), place.at("one/two/three/d")]
    assert fs.glob(place.at("*")) == [place.at(name) for name in ("a", "empty", "one")]
    assert fs.du(place.path) == 1 + 5 + 9 + 15
    walked = {path: (sorted(folders), sorted(files)) for path, folders, files in fs.walk(place.path)}
    assert walked[place.at("one")] == (["two"], ["b"])


def test_times_and_keys_follow_the_version(place: Place) -> None:
    grow(place.far, "file")
    fs, path = place.fs, place.at("file")
    os.utime(place.far / "file", ns=(0, 1_700_000_000_000_000_000))
    assert fs.modified(path) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    key, number = fs.ukey(path), fs.checksum(path)
    assert (fs.ukey(path), fs.checksum(path)) == (key, number)
    fs.touch(path, truncate=False)
    assert (place.far / "file").read_text() == "file"
    assert abs(fs.modified(path) - datetime.now(UTC)) < timedelta(hours=1)
    assert fs.ukey(path) != key
    assert fs.checksum(path) != number
    with pytest.raises(NotImplementedError):
        fs.created(path)


def test_a_tree_and_a_small_file_cost_one_question_each(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(place.far, *(f"{one}/{two}/{three}" for one in "abcd" for two in "efgh" for three in "ijkl"))
    asked: list[str] = []
    exchange = Session.exchange

    async def counted(session: Session, request: Any, *arguments: Any, **named: Any) -> Any:
        asked.append(type(request).__name__)
        return await exchange(session, request, *arguments, **named)

    monkeypatch.setattr(Session, "exchange", counted)
    for ask, questions in (
        (lambda: place.fs.find(place.path), ["Tree"]),
        (lambda: place.fs.ls(place.path), ["List"]),
        (lambda: place.fs.info(place.at("a")), ["Stat"]),
        (lambda: place.fs.cat_file(place.at("a/e/i")), ["ReadBundle"]),
        (lambda: place.fs.cat_file(place.at("a/e/i"), 1, 3), ["Read"]),
        (lambda: place.fs.pipe_file(place.at("a/e/i"), b"new"), ["WriteBundle"]),
        (lambda: place.fs.rm_file(place.at("a/e/j")), ["RemoveMany"]),
        (lambda: place.fs.open(place.at("a/e/i")).read(10), ["Stat", "Read"]),
    ):
        asked.clear()
        ask()
        assert asked == questions


# Reading -------------------------------------------------------------------------------------------------------------


def test_ranges_are_read_side_by_side(place: Place) -> None:
    (place.far / "large").write_bytes(LARGE)
    fs, path = place.fs, place.at("large")
    assert fs.cat_file(path) == LARGE
    assert fs.cat_file(path, start=-10) == LARGE[-10:]
    assert fs.cat_file(path, start=10, end=-10) == LARGE[10:-10]
    assert fs.cat_file(path, end=5) == LARGE[:5]
    assert fs.cat_file(path, start=len(LARGE) + 5) == b""
    starts = list(range(0, len(LARGE), 100_000))
    ends = [start + 777 for start in starts]
    assert fs.cat_ranges([path] * len(starts), starts, ends) == [
        LARGE[start:end] for start, end in zip(starts, ends, strict=True)
    ]
    (failed,) = fs.cat_ranges([place.at("missing")], [0], [5])
    assert isinstance(failed, FileNotFoundError)
    assert fs.head(path, 100) == LARGE[:100]
    assert fs.tail(path, 100) == LARGE[-100:]


def test_many_small_files_at_once(place: Place) -> None:
    fs = place.fs
    values = {place.at(f"many/{number}"): content(number * 100, number) for number in range(150)}
    fs.pipe(values)
    assert fs.cat(fs.find(place.at("many"))) == values
    assert {path.name: path.read_bytes() for path in (place.far / "many").iterdir()} == {
        path.rpartition("/")[2]: value for path, value in values.items()
    }


def test_more_large_files_at_once_than_the_other_side_holds_open(place: Place, tmp_path: Path) -> None:
    names = [str(number) for number in range(PARTS_MAX + 20)]
    data = LARGE[: BUNDLE_CONTENT_MAX + 1]
    for name in names:
        (tmp_path / name).write_bytes(data)
    place.fs.put([str(tmp_path / name) for name in names], [place.at(name) for name in names])
    assert all((place.far / name).read_bytes() == data for name in names)
    place.fs.pipe({place.at(name): data[::-1] for name in names})
    place.fs.get([place.at(name) for name in names], [str(tmp_path / name) for name in names])
    assert all((tmp_path / name).read_bytes() == data[::-1] for name in names)
    assert part_files(place.far) == part_files(tmp_path) == []


# Moving both ways ----------------------------------------------------------------------------------------------------


class Counting(Callback):
    """Keeps what was told of one file, and of the files in it."""

    def __init__(self) -> None:
        super().__init__()
        self.branches: list[Callback] = []

    def branched(self, path_1: str, path_2: str, **more: object) -> Callback:
        self.branches.append(Callback())
        return self.branches[-1]


@pytest.mark.parametrize("size", [0, 1000, BUNDLE_CONTENT_MAX + 1, len(LARGE)])
def test_files_are_put_and_got_with_their_progress(place: Place, tmp_path: Path, size: int) -> None:
    source, back = tmp_path / "source", tmp_path / "deep" / "back"
    source.write_bytes(LARGE[:size])
    for told in (Counting(), Counting()):
        place.fs.put(str(source), place.at("there/file"), callback=told)
        place.fs.get(place.at("there/file"), str(back), callback=told)
        assert [(one.size, one.value) for one in told.branches] == [(size, size)] * 2
    assert (place.far / "there" / "file").read_bytes() == back.read_bytes() == LARGE[:size]
    assert part_files(place.far) == part_files(tmp_path) == []


def test_what_is_got_replaces_only_when_it_is_whole(place: Place, tmp_path: Path) -> None:
    (place.far / "large").touch()
    os.truncate(place.far / "large", 20 * BLOCK_SIZE)
    target = tmp_path / "target"
    target.write_text("before")
    target.chmod(0o640)

    class Changing(Callback):
        def relative_update(self, increment: int = 1) -> None:
            (place_far / "large").write_bytes(b"another")

    place_far = place.far
    with pytest.raises(OSError, match="changed meanwhile"):
        place.fs.get_file(place.at("large"), str(target), callback=Changing())
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    place.fs.get_file(place.at("large"), str(target))
    assert target.read_text() == "another"
    assert target.stat().st_mode & 0o777 == 0o640


def test_what_is_got_may_go_to_an_open_file_or_a_pipe(place: Place, tmp_path: Path) -> None:
    (place.far / "large").write_bytes(LARGE)
    with (tmp_path / "open").open("wb") as file:
        place.fs.get_file(place.at("large"), file)
    assert (tmp_path / "open").read_bytes() == LARGE
    place.fs.get_file(place.at("large"), os.devnull)
    assert not Path(os.devnull).is_file()


def test_what_is_put_as_new_replaces_nothing(place: Place, tmp_path: Path) -> None:
    grow(place.far, "file")
    (tmp_path / "source").write_bytes(LARGE)
    with pytest.raises(FileExistsError):
        place.fs.put_file(str(tmp_path / "source"), place.at("file"), mode="create")
    assert (place.far / "file").read_text() == "file"


# Changing ------------------------------------------------------------------------------------------------------------


def test_copies_and_moves_stay_on_the_other_side(place: Place, home: Plugged) -> None:
    (place.far / "large").write_bytes(LARGE)
    grow(place.far, "folder/a", "folder/deep/b")
    fs = place.fs
    fs.cp(place.at("large"), place.at("new/copy"))
    assert (place.far / "new" / "copy").read_bytes() == LARGE
    before = (place.far / "folder").stat().st_ino
    fs.mv(place.at("folder"), place.at("moved"))
    assert (place.far / "moved").stat().st_ino == before
    assert (place.far / "moved" / "deep" / "b").read_text() == "folder/deep/b"
    fs.mv(place.at("large"), place.at("moved"))
    assert (place.far / "moved" / "large").read_bytes() == LARGE
    fs.mv(place.at("moved/a"), place.at("above/that/is/missing"))
    assert (place.far / "above/that/is/missing").read_text() == "folder/a"
    fs.mv(place.at("moved/deep/"), place.at("contents"), recursive=True)
    assert (place.far / "contents" / "b").exists()
    with pytest.raises(FileNotFoundError):
        fs.mv(place.at("missing"), place.at("nowhere"))
    assert not (place.far / "nowhere").exists()


def test_links_are_copied_as_links(place: Place, tmp_path: Path) -> None:
    grow(place.far, "folder/file")
    (place.far / "folder" / "link").symlink_to("../outside")
    place.fs.cp(place.at("folder"), place.at("copy"), recursive=True)
    assert os.readlink(place.far / "copy" / "link") == "../outside"
    assert (place.far / "copy" / "file").read_text() == "folder/file"
    with pytest.raises(OSError, match="symbolic links are not followed"):
        place.fs.get(place.at("folder"), str(tmp_path / "here"), recursive=True)
    assert not (tmp_path / "here" / "link").exists()


def test_folders_are_made_and_removed(place: Place) -> None:
    fs = place.fs
    fs.mkdir(place.at("a/b"))
    with pytest.raises(FileExistsError):
        fs.mkdir(place.at("a/b"))
    with pytest.raises(FileNotFoundError):
        fs.mkdir(place.at("x/y"), create_parents=False)
    fs.makedirs(place.at("a/b"), exist_ok=True)
    grow(place.far, "a/b/file")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(place.at("a/b"))
    with pytest.raises(NotADirectoryError):
        fs.rmdir(place.at("a/b/file"))
    with pytest.raises(IsADirectoryError):
        fs.rm(place.at("a"))
    fs.rm(place.at("a"), recursive=True)
    fs.mkdir(place.at("empty"))
    fs.rmdir(place.at("empty"))
    assert list(place.far.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        fs.rm(place.at("a"))
    with pytest.raises(PermissionError):
        fs.rm("shared", recursive=True)
    with pytest.raises(FileNotFoundError):
        fs.pipe_file("elsewhere/file", b"no such share")


def test_a_pattern_removes_what_fits(place: Place) -> None:
    grow(place.far, "a.txt", "b.txt", "c.csv")
    place.fs.rm(place.at("*.txt"))
    assert [path.name for path in place.far.iterdir()] == ["c.csv"]
    grow(place.far, "[x]*", "x1", "x*")
    place.fs.rm(place.at("[x]*"))
    assert sorted(path.name for path in place.far.iterdir()) == ["c.csv", "x*", "x1"]
    place.fs.mv(place.at("x*"), place.at("moved"))
    assert sorted(path.name for path in place.far.iterdir()) == ["c.csv", "moved", "x1"]


def test_missing_folders_are_not_made_where_that_is_not_wanted(place: Place) -> None:
    strict = GimmalFileSystem(auto_mkdir=False)
    with pytest.raises(FileNotFoundError):
        strict.pipe_file(place.at("missing/file"), b"x")
    with pytest.raises(FileNotFoundError), strict.open(place.at("missing/file"), "wb") as file:
        file.write(LARGE)
    assert list(place.far.iterdir()) == []
    strict.close()


def test_names_that_may_not_travel_are_refused_here(place: Place) -> None:
    with pytest.raises(OSError, match="forbidden character"):
        place.fs.pipe_file(place.at("a\\b"), b"x")
    there = f"{place.path}/../{place.far.name}"
    assert not (place.fs.exists(there) or place.fs.isdir(there) or place.fs.isfile(there))
    with pytest.raises(OSError, match="two dots"):
        place.fs.ls(there)


# Processes and loops -------------------------------------------------------------------------------------------------


def test_it_is_sent_to_other_processes_as_its_options(place: Place) -> None:
    grow(place.far, "file")
    again = pickle.loads(pickle.dumps(place.fs))
    assert again is place.fs  # of one process there is one for the same options
    assert GimmalFileSystem.from_json(place.fs.to_json()) == place.fs
    with place.fs.open(place.at("file")) as file:
        file.read(2)
        other = pickle.loads(pickle.dumps(file))
        assert other.read() == file.read() == b"le"
        other.close()


def test_coroutines_read_and_write(place: Place) -> None:
    async def main() -> None:
        fs = GimmalFileSystem(asynchronous=True)
        await fs._pipe_file(place.at("file"), b"one")
        assert await fs._cat_file(place.at("file")) == b"one"
        async with await fs.open_async(place.at("large"), "wb") as file:
            assert await file.write(LARGE) == len(LARGE)
        async with await fs.open_async(place.at("large"), "ab") as file:
            await file.write(b"end")
        async with await fs.open_async(place.at("large")) as file:
            assert await file.read(100) == LARGE[:100]
            assert await file.read() == LARGE[100:] + b"end"
        with pytest.raises(FileExistsError):
            await fs.open_async(place.at("large"), "xb")
        with pytest.raises(KeyError):
            async with await fs.open_async(place.at("none"), "wb") as file:
                await file.write(b"half of it")
                raise KeyError
        assert await fs._find(place.path) == [place.at("file"), place.at("large")]
        await fs.aclose()

    asyncio.run(main())
    asyncio.run(main())  # another loop, another session


def test_a_loop_that_ended_takes_nothing_with_it(place: Place) -> None:
    grow(place.far, "file")
    fs = GimmalFileSystem(asynchronous=True)
    for _ in range(2):
        assert asyncio.run(fs._cat_file(place.at("file"))) == b"file"
    asyncio.run(fs.aclose())


def test_the_session_ends_by_close_and_the_next_question_opens_another(place: Place, home: Plugged) -> None:
    grow(place.far, "file")
    fs = GimmalFileSystem(skip_instance_cache=True)
    before = home.world.agent_status(home.world.a)["sessions"]
    assert fs.exists(place.at("file"))
    assert home.world.agent_status(home.world.a)["sessions"] == before + 1
    fs.close()
    until(lambda: home.world.agent_status(home.world.a)["sessions"] == before, "the session's end")
    assert fs.cat_file(place.at("file")) == b"file"
    del fs
    gc.collect()
    until(lambda: home.world.agent_status(home.world.a)["sessions"] == before, "the end of what nobody holds")
