"""What was made is kept, and no more of it than may be."""

from __future__ import annotations

import pytest

from gimmal.share.previewing.previews import KEPT_ITEMS, Kept, Previews


def test_it_is_made_once() -> None:
    kept, made = Kept(1000), []
    for _ in range(3):
        assert kept.get("a", lambda: made.append(1) or b"x") == b"x"
        assert kept.get("b", lambda: made.append(2)) is None
    assert made == [1, 2]


def test_what_fails_is_tried_again() -> None:
    kept = Kept(1000)

    def fail() -> bytes:
        raise OSError

    with pytest.raises(OSError):
        kept.get("a", fail)
    assert kept.get("a", lambda: b"x") == b"x"


def test_what_is_kept_is_bounded() -> None:
    previews = Kept(1000)
    for number in range(KEPT_ITEMS + 10):
        previews.get(number, lambda: None)
    assert len(previews._kept) == KEPT_ITEMS
    for number in range(100):
        previews.get(("large", number), lambda: bytes(100))
    assert previews._bytes <= 1000
    assert sum(len(kept or b"") for kept in previews._kept.values()) == previews._bytes
    previews.get("at once", lambda: previews.get("at once", lambda: b"x" * 10))
    assert sum(len(kept or b"") for kept in previews._kept.values()) == previews._bytes
    previews.close()
    assert previews.get(2, lambda: b"late") == b"late"
    assert not previews._kept


def test_closing_forgets_all() -> None:
    previews = Previews()
    for kept in (previews.pictures, previews.parts):
        kept.get("a", lambda: b"x")
    previews.close()
    assert previews.children.closed
    assert not previews.pictures._kept and not previews.parts._kept
