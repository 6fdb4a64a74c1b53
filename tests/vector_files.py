"""Reading of the vector files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent / "vectors"


def load(name: str) -> Any:
    """Return the JSON document of that name below tests/vectors."""
    return json.loads((VECTORS / name).read_text("utf-8"))


def wycheproof(name: str) -> list[dict[str, Any]]:
    """Return all tests of a Wycheproof file, each with the fields of its group added."""
    return [
        {**{key: value for key, value in group.items() if key != "tests"}, **test}
        for group in load(name)["testGroups"]
        for test in group["tests"]
    ]
