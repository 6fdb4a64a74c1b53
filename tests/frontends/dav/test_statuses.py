"""Every error has a status, and the right ones say when to try again."""

from __future__ import annotations

import pytest

from gimmal.base.errors import BadName, DeadlinePassed, GimmalError, HalfGone, InternalError, PeerAbsent
from gimmal.frontends.dav.statuses import answer_of, status_of
from gimmal.protocol.codes import Code, error_of_code


@pytest.mark.parametrize("code", list(Code))
def test_every_code_of_the_other_side(code: Code) -> None:
    assert 400 <= status_of(error_of_code(code, "")) < 600


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (error_of_code(Code.NOT_FOUND, ""), 404, False),
        (error_of_code(Code.NO_SPACE, ""), 507, False),
        (error_of_code(Code.NOT_GRANTED, ""), 403, False),
        (error_of_code(Code.LIMIT, ""), 503, True),
        (BadName("no"), 400, False),
        (DeadlinePassed("late"), 504, True),
        (PeerAbsent("away"), 503, True),
        (HalfGone("gone"), 503, True),
        (InternalError("bug"), 502, False),
    ],
)
def test_statuses(error: GimmalError, status: int, again: bool) -> None:
    answer = answer_of(error)
    assert answer.value == status
    assert (answer.add_headers is not None) == again
    assert answer.context_info == error.message
