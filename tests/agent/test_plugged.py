"""What an opened half gives to the rooms below, and where things are kept on the computer."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gimmal.agent.addresses import own_addresses
from gimmal.agent.plugged import computer_id, identity_of, journal_key_of, relay_identity_of, state_directory
from gimmal.base.errors import LocalError
from gimmal.half.reading import open_half
from gimmal.protocol.relay.proof import pair_id_of
from tests.half.helpers import folders, join


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))


def test_identities_of_two_halves_fit_each_other(tmp_path: Path) -> None:
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    a, b = open_half(one, None), open_half(two, None)
    identity_a, identity_b = identity_of(a, agent=True), identity_of(b, agent=False)
    assert (identity_a.side, identity_b.side) == ("a", "b")
    assert identity_a.keys() == identity_b.keys()
    assert (identity_a.agent, identity_b.agent) == (True, False)
    assert identity_a.computer == identity_b.computer, "both run on this computer"
    relay_a, relay_b = relay_identity_of(a), relay_identity_of(b)
    assert relay_a.pair_id == relay_b.pair_id == pair_id_of(a.lock, a.sign_a, a.sign_b)
    assert journal_key_of(a) != journal_key_of(b)
    assert journal_key_of(a) not in (a.storage_key, a.root)
    shown = repr((identity_a, relay_a, a))
    for secret in (a.root, a.static_private, a.sign_private, a.storage_key):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


def test_the_state_folder_is_owner_only_and_its_name_tells_nothing(tmp_path: Path) -> None:
    lineage = os.urandom(16)
    folder = state_directory(lineage)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert state_directory(lineage) == folder
    assert state_directory(os.urandom(16)) != folder
    assert lineage.hex() not in str(folder)


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(LocalError) as caught:
        state_directory(bytes(16))
    assert "XDG_STATE_HOME" in caught.value.hint
    # A relative one means nothing; the home folder's is used.
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_directory(bytes(16)).is_relative_to(tmp_path / ".local" / "state")


def test_the_computer_is_the_same_for_all_programs_and_different_for_each_pair() -> None:
    assert computer_id(bytes(16)) == computer_id(bytes(16))
    assert computer_id(bytes(16)) != computer_id(b"\1" * 16)
    assert len(computer_id(bytes(16))) == 16


def test_own_addresses() -> None:
    assert own_addresses("127.0.0.1", 7) == [("127.0.0.1", 7)]
    assert own_addresses("a-name", 7) == []
    everywhere = own_addresses("", 7)
    assert everywhere == own_addresses("0.0.0.0", 7)
    for address, port in everywhere:
        assert port == 7
        assert not address.startswith(("127.", "169.254.", "fe80", "::1"))
    families = [":" in address for address, _port in everywhere]
    assert families == sorted(families), "IPv4 first"
