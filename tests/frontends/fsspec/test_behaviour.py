"""The behaviour suite of all front ends, over fsspec."""

from __future__ import annotations

import pytest

from gimmal.frontends.fsspec.file_system import GimmalFileSystem
from tests.frontends.behaviour import Behaviour, Front
from tests.frontends.fsspec.conftest import Place


class FsspecFront(Front):
    """``gimmal://``, by its calls for threads."""

    parts = False
    links = False
    times = False

    def __init__(self, place: Place) -> None:
        super().__init__(place.far)
        self.fs = GimmalFileSystem(auto_mkdir=False)
        self.path = place.path

    def at(self, path: str) -> str:
        return f"{self.path}/{path}" if path else self.path

    def write(self, path: str, data: bytes) -> None:
        with self.fs.open(self.at(path), "wb") as file:
            file.write(data)

    def read(self, path: str) -> bytes:
        with self.fs.open(self.at(path)) as file:
            data: bytes = file.read()
        assert self.fs.cat_file(self.at(path)) == data
        return data

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        with self.fs.open(self.at(path)) as file:
            file.seek(offset)
            data: bytes = file.read(length)
        assert self.fs.cat_file(self.at(path), offset, offset + length) == data
        return data

    def names(self, folder: str) -> set[str]:
        return {info["name"].rpartition("/")[2] for info in self.fs.ls(self.at(folder))}

    def size(self, path: str) -> int:
        size: int = self.fs.size(self.at(path))
        return size

    def is_folder(self, path: str) -> bool:
        return bool(self.fs.isdir(self.at(path)))

    def mtime(self, path: str) -> float:
        return self.fs.modified(self.at(path)).timestamp()

    def make_folder(self, path: str) -> None:
        self.fs.mkdir(self.at(path), create_parents=False)

    def remove(self, path: str) -> None:
        self.fs.rm(self.at(path))

    def remove_folder(self, path: str) -> None:
        self.fs.rmdir(self.at(path))

    def rename(self, source: str, target: str) -> None:
        self.fs.mv(self.at(source), self.at(target))

    def make_new(self, path: str, data: bytes) -> None:
        with self.fs.open(self.at(path), "xb") as file:
            file.write(data)


class TestFsspec(Behaviour):
    """By its calls for threads."""

    @pytest.fixture
    def front(self, place: Place) -> Front:
        return FsspecFront(place)
