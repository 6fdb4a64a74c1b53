"""No test here fails because the machine is busy: what is made may take as long as it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gimmal.share.previewing import films, pictures, probing
from tests.patience import PATIENCE


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (pictures, "OF_PICTURES"),
        (pictures, "OF_FILMS"),
        (probing, "OF_PROBES"),
        (films, "OF_PARTS"),
        (films, "OF_TEXTS"),
    ):
        monkeypatch.setattr(module, name, replace(getattr(module, name), seconds=PATIENCE))
