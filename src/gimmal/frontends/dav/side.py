"""The other side as a network drive needs it: its tree, its files, and whether it can be asked now."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.files import Files


@dataclass(frozen=True)
class Side:
    """One other side.

    Attributes:
        tree: what is shown, with what was written while the line was down.
        leads_there: whether what is asked now comes to the other side, as far as is known.
    """

    tree: EditedTree
    leads_there: Callable[[], Coroutine[Any, Any, bool]]

    async def files(self) -> Files:
        """For what is done over there as a whole; raises GimmalError."""
        return await self.tree.cache.files()

    async def sends_now(self) -> bool:
        """Whether what is written now goes home at once: the line leads there, and nothing else waits for it."""
        return not self.tree.waiting and await self.leads_there()
