"""The one sentence: it names the part that lets the least through, each way."""

from __future__ import annotations

from gimmal.remote.narrow_part import Part, narrowest, sentence


def shown(rate: float) -> str:
    return f"{rate:.0f} B/s"


def test_the_least_each_way_is_named() -> None:
    parts = [Part("the disk there", 100, 50), Part("the line, direct", 40, 45), Part("the disk here", 90, 300)]
    assert narrowest(parts, to_there=False) == (parts[1], 40)
    assert narrowest(parts, to_there=True) == (parts[1], 45)
    assert sentence(parts, shown) == (
        "the narrow part is the line, direct: "
        "a copy from there is bounded by it, 40 B/s, and so is one to there, 45 B/s"
    )


def test_two_ways_may_have_two_narrow_parts() -> None:
    parts = [Part("the disk there", 100, 20), Part("the line, relayed", 40, 45)]
    assert sentence(parts, shown) == (
        "a copy from there is bounded by the line, relayed, 40 B/s; one to there by the disk there, 20 B/s"
    )


def test_what_was_not_measured_is_left_out() -> None:
    parts = [Part("the disk there", 100, None), Part("the line, direct")]
    assert sentence(parts, shown) == "the narrow part is the disk there: a copy from there is bounded by it, 100 B/s"
    parts = [Part("the disk there", None, 7)]
    assert sentence(parts, shown) == "the narrow part is the disk there: a copy to there is bounded by it, 7 B/s"
    assert sentence([Part("the disk there")], shown) == "nothing could be measured"
    assert sentence([], shown) == "nothing could be measured"
