"""One sync: the contents of a folder are made the contents of another, one way (docs/decisions/0052-sync.md).

First everything is copied by the engine that cp uses. Only where nothing of that failed and the source was listed to
its end is anything deleted, the deepest first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gimmal.base.errors import ExitCode, GimmalError, RemoteError, UsageError
from gimmal.protocol.codes import Code
from gimmal.protocol.features import TRASH
from gimmal.protocol.messages import Attributes, FolderTimes, Kind
from gimmal.remote.copy_deciding import CopyOptions, names_of
from gimmal.remote.copy_tree import TreeCopier
from gimmal.remote.files import Files
from gimmal.remote.filters import Filters
from gimmal.remote.progress import Progress
from gimmal.remote.sync_kinds import KindSettler
from gimmal.remote.sync_views import SourceView, TargetView
from gimmal.remote.verifying import Verifier, verifying


@dataclass(frozen=True)
class SyncJob:
    """What one command syncs.

    Attributes:
        source, target: wire paths of folders; the target is made where it is missing.
        options: how files are copied; what is to be done where one differs is REPLACE.
        filters: what is left out on both sides.
        delete: remove from the target what the source does not hold.
        trash: what is replaced or deleted goes to the trash of the target.
        confirmed: also where the source is empty.
    """

    source: str
    target: str
    options: CopyOptions
    filters: Filters
    delete: bool = False
    trash: bool = True
    confirmed: bool = False


async def sync_once(source: Files, target: Files, job: SyncJob, progress: Progress) -> None:
    """Sync once; what failed is in ``progress``.

    Raises:
        RemoteError: it cannot be done as a whole.
        UsageError: no folder was named, or one lies in the other.
        GimmalError: the source is empty and things would be deleted.
        UnreachableError: cut; running it again continues.
    """
    _check(source, target, job)
    attributes = await source.stat(job.source)
    if attributes.kind is not Kind.DIRECTORY:
        raise UsageError(f"{source.shown(job.source)} is no folder", "gimmal cp copies single files")
    wanted = job.options.verify and not job.options.dry_run
    async with verifying(source, target, job.target, progress, wanted=wanted) as verifier:
        sync = _Sync(source, target, job, progress, verifier)
        await sync.copy(attributes)
        await sync.settle_kinds()
    # By now all was read again: where a disk does not hold what was copied, nothing is deleted.
    if job.delete:
        await sync.delete(attributes)
    progress.bare += target.bare
    progress.walked = True
    progress.finish()


def _check(source: Files, target: Files, job: SyncJob) -> None:
    if not job.source or not job.target:
        raise UsageError("the list of shares cannot be synced", "name a share: gimmal sync :SHARE FOLDER")
    if source.side is target.side:
        one, other = job.source.split("/"), job.target.split("/")
        shared = min(len(one), len(other))
        if one[:shared] == other[:shared]:
            raise UsageError("one of the two folders lies in the other", "choose another target")
    if job.trash and not target.offers(TRASH):
        raise RemoteError(
            "unsupported", "gimmal on the other side is too old to have a trash", "update it there, or add --no-trash"
        )


class _Sync:
    def __init__(
        self, source: Files, target: Files, job: SyncJob, progress: Progress, verifier: Verifier | None
    ) -> None:
        self._job = job
        self._progress = progress
        self.target = TargetView(target, job.target, job.filters, keep=job.trash)
        self._source = SourceView(source, job.source, job.filters, self.target)
        self._copier = TreeCopier(self._source, self.target, job.options, progress, verifier, target_first=True)
        self._stale: set[str] = set()
        """Folders of the target whose time a removal has changed."""
        self._removed: set[str] = set()
        self._failed: set[str] = set()
        """What could not be removed."""

    async def copy(self, attributes: Attributes) -> None:
        """Copy what is new or differs."""
        await self._copier.copy_folder(self._job.source, attributes, self._job.target)

    async def settle_kinds(self) -> None:
        """Where a name is a file on one side and a folder or link on the other, the source's takes its place."""
        job = self._job
        settler = KindSettler(
            self._source,
            self.target,
            (job.source, job.target),
            self._copier,
            self._progress,
            remove=self._remove,
            delete=job.delete,
            would=self._would if job.options.dry_run else None,
        )
        await settler.settle(self._kept_above())
        await settler.clear()
        await self._give_times()

    # What the source does not hold -----------------------------------------------------------------------------------

    async def delete(self, attributes: Attributes) -> None:
        """Delete what the source does not hold, unless anything so far says that it may not be known."""
        doomed = self._doomed()
        if not doomed:
            return
        if not self._source.complete or self._progress.failed:
            self._progress.not_deleted = len(doomed)
            return
        if not self._source.seen and not self._job.confirmed:
            error = GimmalError(
                f"the source is empty: {len(doomed)} entries of the target were not deleted",
                "see that its disk is there; add --yes if this is meant",
            )
            error.exit_code = ExitCode.REFUSED
            raise error
        now = await self._source.stat(self._job.source)
        if (now.kind, now.identity) != (Kind.DIRECTORY, attributes.identity):
            self._progress.fail(self._source.shown(self._job.source), "another folder came in its place meanwhile")
            self._progress.not_deleted = len(doomed)
            return
        await self._remove(doomed)
        await self._give_times()

    def _doomed(self) -> list[str]:
        """Names of the target, in the order listed, that the source does not hold and that are not protected."""
        kept_above = self._kept_above()
        gone = self._removed
        return [
            name
            for name, entry in self.target.there.items()
            if name not in gone
            and name not in kept_above
            and name not in self.target.protected
            and not any(each in self._source.seen for each in names_of(entry))
        ]

    def _kept_above(self) -> set[str]:
        """Folders that hold something protected."""
        above: set[str] = set(self.target.protected)
        for name in self.target.protected:
            while (name := name.rpartition("/")[0]) and name not in above:
                above.add(name)
        return above

    async def _remove(self, names: list[str]) -> set[str]:
        """Remove entries, given with all that they hold and folders first; returns those that stayed."""
        job = self._job
        chosen = set(names)
        self._removed.update(chosen)
        if job.options.dry_run:
            for name in reversed(names):
                self._would(name, "delete")
            self._progress.deleted += len(names)
            return set()
        if job.trash:
            # A folder goes with all that it holds, in one step.
            tops = [name for name in names if not self._inside(name, chosen)]
            await self._remove_by(self.target.trash, list(reversed(tops)))
        else:
            await self._remove_by(self.target.remove_many, list(reversed(names)))
        failed = self._failed
        self._progress.deleted += sum(1 for name in names if not (name in failed or self._inside(name, failed)))
        return failed & chosen

    async def _remove_by(self, remove: Callable[[list[str]], Awaitable[list[int]]], names: list[str]) -> None:
        codes = await remove([f"{self._job.target}/{name}" for name in names])
        for name, code in zip(names, codes, strict=True):
            self._stale.add(name.rpartition("/")[0])
            if code and code != Code.NOT_FOUND:
                self._failed.add(name)
                path = f"{self._job.target}/{name}"
                self._progress.fail(self.target.shown(path), self.target.error(code).message)

    @staticmethod
    def _inside(name: str, folders: set[str]) -> bool:
        while name := name.rpartition("/")[0]:
            if name in folders:
                return True
        return False

    async def _give_times(self) -> None:
        """A removal has set the time of the folder it was in; give it the source's again."""
        items = []
        for name in self._stale:
            attributes = self._source.seen.get(name)
            if attributes is not None and attributes.kind is Kind.DIRECTORY:
                items.append(FolderTimes(f"{self._job.target}/{name}", attributes.mtime_ns, None))
        self._stale.clear()
        if items:
            await self.target.set_attributes(items)

    def _would(self, name: str, what: str) -> None:
        if self._job.options.would is not None:
            self._job.options.would(self.target.shown(f"{self._job.target}/{name}"), what)
