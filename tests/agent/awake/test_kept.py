"""The owner's choice to stay awake: kept sealed for one half, over joinings."""

from __future__ import annotations

from pathlib import Path

import pytest

from gimmal.agent.awake.kept import KeptAwake
from gimmal.agent.plugged import state_directory
from gimmal.base.errors import LocalError
from gimmal.half.reading import open_half
from tests.half.helpers import folders, join


def test_it_is_off_until_somebody_says_otherwise_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    a, b = open_half(one, None), open_half(two, None)
    assert KeptAwake(a).read() is False
    KeptAwake(a).write(True)
    assert KeptAwake(a).read() is True
    assert KeptAwake(b).read() is False
    join(one, two)
    assert KeptAwake(open_half(one, None)).read() is True
    (path,) = (state_directory(a.lineage_id) / "settings").iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], b"x" * 10_000):
        path.write_bytes(damaged)
        with pytest.raises(LocalError, match=r"the choice kept in|is larger than"):
            KeptAwake(a).read()
    KeptAwake(a).write(False)
    assert KeptAwake(a).read() is False
