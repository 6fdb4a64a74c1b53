"""The rig of this room's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.share.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Shares rw, ro and drop in a scratch folder, and a session."""
    rig = Rig(tmp_path / "side")
    yield rig
    rig.close()
