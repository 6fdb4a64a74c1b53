"""The other side as a network drive needs it: its tree, its files, and whether it can be asked now."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.remote_files import RemoteFiles


@dataclass(frozen=True)
class Side:
    """One other side.

    Attributes:
        tree: what is shown, with what was written while the line was down.
        files: for what is done over there as a whole; raises GimmalError.
        leads_there: whether what is asked now comes to the other side, as far as is known.
    """

    tree: EditedTree
    files: Callable[[], Coroutine[Any, Any, RemoteFiles]]
    leads_there: Callable[[], Coroutine[Any, Any, bool]]
