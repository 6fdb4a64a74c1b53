"""Extended attributes of entries, asked for once where a program asks for them one by one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from gimmal.remote.edits.tree import EditedTree

USER = b"user."
"""What the names of all that travel begin with; of others nobody at home is asked."""

ASKED_SECONDS = 1.0
KEPT_MAX = 256


class Xattrs:
    """What was asked for lately.

    Args:
        tree: the other side's.
    """

    def __init__(self, tree: EditedTree) -> None:
        self._tree = tree
        self._kept: OrderedDict[str, tuple[float, dict[bytes, bytes]]] = OrderedDict()

    async def of(self, path: str) -> dict[bytes, bytes]:
        """Name and value of each; of shares and their list there are none.

        Raises:
            GimmalError: what the other side says, or why it does not.
        """
        if "/" not in path:
            return {}
        now = asyncio.get_running_loop().time()
        known = self._kept.get(path)
        if known is None or now - known[0] > ASKED_SECONDS:
            told = await self._tree.xattrs(path)
            known = now, {name.encode(): value for name, value in told.items()}
            self._kept[path] = known
            self._kept.move_to_end(path)
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return known[1]

    def forget(self, path: str) -> None:
        """They were changed from here."""
        self._kept.pop(path, None)
