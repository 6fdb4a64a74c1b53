"""Real halves in real folders, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gimmal.base.side import Side
from gimmal.half.joining import Joined, pair
from gimmal.half.pairing import PairRequest
from gimmal.half.password import PasswordCost
from gimmal.half.reading import HalfHeader

CHEAP = PasswordCost(iterations=1, memory_kib=65_536, lanes=4)
GOOD_PASSWORD = "tram violet kettle orbit"


def folders(base: Path, *names: str) -> list[Path]:
    """Make folders, as two sticks."""
    made = []
    for name in names:
        (base / name).mkdir()
        made.append(base / name)
    return made


def join(
    one: Path,
    two: Path,
    name: str | None = None,
    *,
    passwords: dict[Side, str] | None = None,
    old: tuple[str, ...] = (),
    replace: bool = False,
    answer: bool | None = None,
    questions: list[str] | None = None,
) -> Joined:
    """Join with cheap passwords; a question without an answer is a failure."""

    def confirm(question: str) -> bool:
        if questions is not None:
            questions.append(question)
        assert answer is not None, question
        return answer

    def old_passwords(_: HalfHeader) -> Iterator[str]:
        return iter(old)

    request = PairRequest(name, None, passwords or {}, replace, CHEAP)
    return pair(one, two, request, old_passwords, confirm, lambda joined: None)
