"""In which steps a target keeps times, learnt only where it matters: a file there that could be the source's copy.

The side that holds the disk tries it and says so; which folders lie on which disk is not seen from here
(docs/spec/protocol.md, section 5). A side too old to be asked counts as keeping all of a time.
"""

from __future__ import annotations

from gimmal.base.errors import RemoteError
from gimmal.protocol.features import GRAIN
from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.copy_deciding import grain_of
from gimmal.remote.files import Files

_GRAIN_MOST = 2_000_000_000
_REMEMBERED_MAX = 65_536


class Grains:
    """The steps of one target.

    Args:
        target: the tree written to.
    """

    def __init__(self, target: Files) -> None:
        self._target = target
        self._asks = target.offers(GRAIN)
        self._by_folder: dict[str, int] = {}

    async def of(self, source: Attributes, there: Attributes | None, target_path: str) -> int:
        """Steps, in nanoseconds, that may make of the source's time that of the file there; 0 where none do.

        Args:
            source: a file.
            there: what has its name.
            target_path: of what is there.
        """
        if not self._asks or there is None or not source.kind is there.kind is Kind.FILE or source.size != there.size:
            return 0
        apart = abs(source.mtime_ns - there.mtime_ns)
        if not 0 < apart < _GRAIN_MOST or apart >= grain_of(there.mtime_ns):
            return 0
        folder = target_path.rpartition("/")[0]
        above = folder
        while above:
            known = self._by_folder.get(above)
            # A folder below one on a coarse disk, with times that fit, lies there too. Below one on a fine disk it
            # may be another disk: only the folder itself says.
            if known is not None and (above == folder or (known > apart and there.mtime_ns % known == 0)):
                return known
            above = above.rpartition("/")[0]
        if len(self._by_folder) >= _REMEMBERED_MAX:
            self._by_folder.clear()
        grain = self._by_folder[folder] = await self._ask(folder)
        return grain

    async def _ask(self, folder: str) -> int:
        try:
            return (await self._target.room(folder, grain=True)).grain
        except RemoteError:
            return 0
