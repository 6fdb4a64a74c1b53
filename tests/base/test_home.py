"""The home folder is named by the environment, else by the system, else an error says what to set."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from gimmal.base.errors import LocalError
from gimmal.base.home import home_folder


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder() == tmp_path


def test_a_user_whom_the_system_does_not_know_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_number: int) -> pwd.struct_passwd:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(LocalError) as caught:
        home_folder()
    assert "HOME" in caught.value.hint
