"""Write the vector files of the protocol, by an independent implementation.

Uses the standard library and `blake3` after docs/spec/protocol.md, and no code of gimmal.
Run from the project's root: .venv/bin/python tests/vectors/protocol/make.py
"""

from __future__ import annotations

import json
from typing import Any

from contents import chunks, digests
from encoding import HERE
from messages import answers, bodies, evolved, requests
from records import bundles, packed
from refused import bad


def write(name: str, vectors: Any) -> None:
    (HERE / name).write_text(json.dumps(vectors, indent=1, ensure_ascii=True) + "\n", "utf-8")


if __name__ == "__main__":
    write("good.json", [*requests(), *answers(), *bodies()])
    write("evolved.json", evolved())
    write("bundles.json", bundles())
    write("packed.json", packed())
    write("bad.json", bad())
    write("digests.json", digests())
    write("chunks.json", chunks())
