"""When the line counts as down."""

from __future__ import annotations

from gimmal.remote.edits.line import DOWN_SECONDS, Line


def test_it_is_down_for_a_while_after_a_question_without_an_answer() -> None:
    line = Line()
    assert not line.is_down(0.0)
    line.failed(5.0)
    assert line.is_down(5.0)
    assert line.is_down(5.0 + DOWN_SECONDS - 0.1)
    assert not line.is_down(5.0 + DOWN_SECONDS)
    line.failed(9.0)
    line.worked()
    assert not line.is_down(9.0)


def test_while_somebody_tries_again_and_again_it_is_down_until_it_works() -> None:
    line = Line()
    line.probed = True
    assert not line.is_down(0.0)
    line.failed(5.0)
    assert line.is_down(1000.0)
    line.worked()
    assert not line.is_down(1000.0)
