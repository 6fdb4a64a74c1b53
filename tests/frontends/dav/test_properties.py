"""Dead properties: kept, copied, moved and forgotten with their places, and bounded."""

from __future__ import annotations

import pytest
from wsgidav.dav_error import DAVError

from gimmal.frontends.dav import properties as properties_module
from gimmal.frontends.dav.properties import PLACES_MAX, PROPERTIES_MAX, Properties


@pytest.fixture
def kept() -> Properties:
    made = Properties()
    made.write_property("/a/", "{x}p", b"1")
    made.write_property("/a/b", "{x}p", b"2")
    made.write_property("/ab", "{x}p", b"3")
    return made


def test_a_property_belongs_to_its_place(kept: Properties) -> None:
    assert kept.get_properties("/a") == ["{x}p"]
    assert kept.get_property("/a/b/", "{x}p") == b"2"
    assert kept.get_property("/a/b", "{x}q") is None
    kept.remove_property("/a/b", "{x}p", dry_run=True)
    assert kept.get_property("/a/b", "{x}p") == b"2"
    kept.remove_property("/a/b", "{x}p")
    kept.remove_property("/a/b", "{x}p")
    assert kept.get_properties("/a/b") == []


def test_what_lies_below_goes_along(kept: Properties) -> None:
    kept.copy_properties("/a/", "/c")
    assert kept.get_property("/c/b", "{x}p") == b"2"
    kept.move_properties("/a", "/d/")
    assert kept.get_properties("/a/b") == []
    assert (kept.get_property("/d", "{x}p"), kept.get_property("/d/b", "{x}p")) == (b"1", b"2")
    kept.remove_properties("/d")
    assert kept.get_properties("/d/b") == []
    assert kept.get_property("/ab", "{x}p") == b"3"


def test_properties_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Properties()
    for number in range(PROPERTIES_MAX):
        kept.write_property("/a", f"{{x}}{number}", b"")
    for dry_run in (True, False):
        with pytest.raises(DAVError):
            kept.write_property("/a", "{x}more", b"", dry_run)
    kept.write_property("/a", "{x}0", b"another")
    for number in range(PLACES_MAX - 1):
        kept.write_property(f"/b{number}", "{x}p", b"")
    with pytest.raises(DAVError):
        kept.write_property("/more", "{x}p", b"")
    kept.copy_properties("/b1", "/more")
    assert kept.get_properties("/more") == []
    monkeypatch.setattr(properties_module, "BYTES_MAX", 10)
    with pytest.raises(DAVError):
        Properties().write_property("/a", "{x}p", bytes(10))
