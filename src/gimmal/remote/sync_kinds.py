"""Where a name is a file on one side of a sync and a folder or link on the other, the source's takes its place.

No disk replaces a folder by a file in one step. So what comes is first made whole under a name beside its own; only
then does the old go, and the new one gets its name (docs/decisions/0062-what-comes-stands-before-the-old-goes.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gimmal.base.errors import RemoteError
from gimmal.base.primitives import blake3_digest
from gimmal.protocol.messages import Attributes, Kind, Replace
from gimmal.remote.copy import reason_of
from gimmal.remote.copy_tree import TreeCopier
from gimmal.remote.placing import stat_or_none
from gimmal.remote.progress import Progress
from gimmal.remote.removing import remove
from gimmal.remote.sync_views import SourceView, TargetView, Withheld
from gimmal.remote.verifying import Verifier

STAGE_PREFIX = ".gimmal-new-"
"""Begins the name under which what replaces another kind of entry is made."""


def stage_name(name: str) -> str:
    """The name beside ``name`` under which its replacement is made: the same each time, so that a cut one goes on."""
    above, slash, last = name.rpartition("/")
    return f"{above}{slash}{STAGE_PREFIX}{blake3_digest(last.encode())[:12].hex()}"


class KindSettler:
    """Puts the withheld entries of the source in the place of what has their names.

    Args:
        source, target: both trees as the sync sees them.
        roots: wire paths of the folders that are synced.
        copier: of this sync.
        progress: what is counted.
        remove: removes entries of the target, given by their names with all that they hold; the names that stayed.
        delete: whether a folder of the target may go.
        would: told a name and what would be done in a dry run; None where it is done.
        verifier: of this sync, None where nothing is read again.
    """

    def __init__(
        self,
        source: SourceView,
        target: TargetView,
        roots: tuple[str, str],
        copier: TreeCopier,
        progress: Progress,
        *,
        remove: Callable[[list[str]], Awaitable[set[str]]],
        delete: bool,
        would: Callable[[str, str], None] | None,
        verifier: Verifier | None = None,
    ) -> None:
        self._source, self._target = source, target
        self._source_root, self._target_root = roots
        self._copier = copier
        self._progress = progress
        self._remove = remove
        self._delete = delete
        self._would = would
        self._verifier = verifier

    async def settle(self, kept_above: set[str]) -> None:
        """Settle all; what cannot be is in the progress.

        Args:
            kept_above: folders of the target that hold something protected.
        """
        settled: set[str] = set()
        refused: set[str] = set()
        if self._source.withheld:
            # What is found bad from now on is what was made from now on.
            await self._read_again()
        for item in self._source.withheld:
            above = item.name.rpartition("/")[0]
            if above in settled or above in refused:
                (settled if above in settled else refused).add(item.name)
                if self._would is not None and above in settled:
                    self._would(item.name, "make folder" if item.attributes.kind is Kind.DIRECTORY else "copy")
                continue
            try:
                await self._settle(item, kept_above)
                if item.attributes.kind is Kind.DIRECTORY:
                    settled.add(item.name)
            except RemoteError as error:
                refused.add(item.name)
                self._progress.fail(self._target.shown(self._placed(item.name)), reason_of(error))

    async def _settle(self, item: Withheld, kept_above: set[str]) -> None:
        there = self._target.own_name(item.name)
        if self._target.kinds[item.name] is Kind.DIRECTORY:
            if not self._delete:
                raise RemoteError("is_a_directory", "a folder is there, which --delete would remove", "")
            if there in kept_above:
                raise RemoteError("not_empty", "a folder is there that holds what is left out", "")
        old = self._with_all_below(there)
        if self._would is not None:
            await self._remove(old)
            self._would(item.name, "make folder" if item.attributes.kind is Kind.DIRECTORY else "copy")
            return
        stage = stage_name(item.name)
        if not await self._make(item, stage):
            self._target.protected.update(old)
            return
        stayed = await self._remove(old)
        if stayed:
            # Said already; without its place the new one would be in the way.
            await remove(self._target, [self._placed(stage)], recursive=True, missing_ok=True)
            return
        await self._target.rename(self._placed(stage), self._placed(item.name), Replace.NEVER)
        for name in self._with_all_below(stage):
            del self._target.there[name]

    async def _make(self, item: Withheld, stage: str) -> bool:
        """Make what comes, whole, under its name beside; False where it found no place and that has been said."""
        source, target = f"{self._source_root}/{item.name}", self._placed(stage)
        left = await stat_or_none(self._target, target)
        if left is not None and left.kind is not item.attributes.kind:
            await remove(self._target, [target], recursive=True, missing_ok=True)
        failed = self._progress.failed
        await self._copy(source, item.attributes, target)
        copied = self._progress.failed
        # Under the name it has now, and before the old goes.
        await self._read_again()
        if self._progress.failed > copied:
            # Another time it would be taken for what is to be there.
            await remove(self._target, [target], recursive=True, missing_ok=True)
        if self._progress.failed > failed:
            raise RemoteError("failed", "not all of what is to replace it could be copied, so it stays", "")
        return await stat_or_none(self._target, target) is not None

    async def _read_again(self) -> None:
        if self._verifier is not None:
            await self._verifier.finish()

    async def _copy(self, source: str, attributes: Attributes, target: str) -> None:
        if attributes.kind is Kind.DIRECTORY:
            await self._copier.copy_folder(source, attributes, target)
        elif attributes.kind is Kind.LINK:
            await self._copier.copy_link(source, attributes, target)
        else:
            await self._copier.copy_file(source, attributes, target)

    async def clear(self) -> None:
        """Remove what an interrupted sync had made beside names whose conflict is gone by now."""
        if self._would is not None:
            return
        for name in list(self._target.there):
            above, _slash, last = name.rpartition("/")
            if not last.startswith(STAGE_PREFIX) or name in self._source.seen:
                continue
            names = (*self._target.there, *self._source.seen)
            if any(each.rpartition("/")[0] == above and stage_name(each) == name for each in names):
                await self._remove(self._with_all_below(name))

    def _with_all_below(self, name: str) -> list[str]:
        below = name + "/"
        return [each for each in self._target.there if each == name or each.startswith(below)]

    def _placed(self, name: str) -> str:
        return f"{self._target_root}/{name}"
