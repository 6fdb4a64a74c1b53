"""``--json``: names are exact, and none of them reaches the terminal raw."""

from __future__ import annotations

import json
import os

import pytest

from gimmal.frontends.cli.listing import entry_json
from gimmal.frontends.cli.output import print_json
from gimmal.protocol.messages import Attributes, Kind

HOSTILE = [
    "line\nbreak",
    "escape \x1b[31m",
    "delete \x7f",
    "eight-bit escape \x9b31m",
    "right-to-left \u202egnp.exe",
    "no width \u200b\ufeff",
    "beyond \U0001f512 \U000e0041",
    os.fsdecode(b"no utf-8 \xff\xfe"),
    'quote " and \\ backslash',
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_exact_and_printable(capsys: pytest.CaptureFixture[str], name: str) -> None:
    attributes = Attributes(Kind.LINK, 1, 2, 0o777, 3, name)
    print_json(entry_json(name, attributes))
    (line,) = capsys.readouterr().out.split("\n")[:-1]
    assert line.isascii()
    assert line.isprintable()
    shown = json.loads(line)
    assert shown["name"] == shown["target"] == name
