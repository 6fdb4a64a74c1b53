"""Figures that tests report beside passing or failing."""

from __future__ import annotations

import json
import os


def figure(name: str, value: str | float, bar: str) -> None:
    """Append one figure to the file named by GIMMAL_FIGURES; without it do nothing.

    Args:
        name: what was counted or measured, as the threat model calls it.
        value: the result.
        bar: what it must be.
    """
    path = os.environ.get("GIMMAL_FIGURES")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
            file.write(json.dumps({"name": name, "value": value, "bar": bar, "test": test}) + "\n")
