"""fsspec's own suite for file systems, against a real agent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fsspec.tests import abstract

from gimmal.frontends.fsspec.file_system import GimmalFileSystem
from tests.frontends.fsspec.conftest import Place


class GimmalFixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, place: Place) -> GimmalFileSystem:
        return place.fs

    @pytest.fixture
    def fs_path(self, place: Place) -> str:
        return place.path

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)


class TestCopy(abstract.AbstractCopyTests, GimmalFixtures):
    pass


class TestGet(abstract.AbstractGetTests, GimmalFixtures):
    pass


class TestPut(abstract.AbstractPutTests, GimmalFixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, GimmalFixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, GimmalFixtures):
    pass
