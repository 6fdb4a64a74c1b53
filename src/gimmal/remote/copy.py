"""One copy command: open both ends, place, move, and go on after an interruption."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gimmal.base.errors import GimmalError, RemoteError, UsageError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.copy_plan import Named, goes_into, place
from gimmal.remote.copy_tree import CopyOptions, TreeCopier
from gimmal.remote.files import Files
from gimmal.remote.progress import Progress
from gimmal.remote.verifying import verifying


@dataclass(frozen=True)
class CopyJob:
    """What one command copies.

    Attributes:
        sources: in the order typed.
        target: as typed.
        recursive: folders are copied too.
        options: how.
        placement: kept over all tries.
    """

    sources: list[Named]
    target: Named
    recursive: bool
    options: CopyOptions
    placement: Placement = field(default_factory=lambda: Placement())


@dataclass
class Placement:
    """Whether the sources go into the target, decided once: a folder that the copy itself made must not change that.

    Attributes:
        into: what was decided; None before.
        keep: called with a new decision, before anything is written.
    """

    into: bool | None = None
    keep: Callable[[bool], Awaitable[None]] | None = None

    async def decided(self, target: Files, job: CopyJob) -> bool:
        """The decision; see goes_into for what it raises."""
        if self.into is None:
            into = await goes_into(target, job.target, job.sources)
            if self.keep is not None and not job.options.dry_run:
                await self.keep(into)
            self.into = into
        return self.into


async def copy_once(source: Files, target: Files, job: CopyJob, progress: Progress) -> None:
    """Copy all of a job once; what failed is in ``progress``.

    Raises:
        RemoteError: the job as a whole cannot be done: the target is no folder, a disk is full.
        UnreachableError: cut; running it again continues.
        UsageError: the list of shares was named as a source, or a folder would be copied into itself.
    """
    if not all(named.path for named in job.sources):
        raise UsageError("the list of shares cannot be copied", "name a share: gimmal cp -r :SHARE .")
    placed = place(job.target, job.sources, into=await job.placement.decided(target, job))
    if source.side is target.side:
        _refuse_into_itself(job.sources, placed)
    wanted = job.options.verify and not job.options.dry_run
    async with verifying(source, target, job.target.path, progress, wanted=wanted) as verifier:
        copier = TreeCopier(source, target, job.options, progress, verifier)
        for named, path in zip(job.sources, placed, strict=True):
            try:
                attributes = await source.stat(named.path)
                await _copy_one(copier, named, attributes, path, recursive=job.recursive)
            except RemoteError as exc:
                if exc.code in ("no_space", "read_only"):
                    raise
                # The side that said no names its own path: it may be the target that is missing.
                name, _colon, reason = exc.message.rpartition(": ")
                failure = (name or named.as_typed, reason)
                # What stopped a whole tree was counted where it happened.
                if failure not in progress.failures:
                    progress.fail(*failure)
    progress.walked = True
    progress.bare += target.bare
    progress.finish()


def _refuse_into_itself(sources: list[Named], placed: list[str]) -> None:
    for named, path in zip(sources, placed, strict=True):
        parts = named.path.split("/")
        if path.split("/")[: len(parts)] == parts:
            raise UsageError(f"{named.as_typed} cannot be copied into itself", "choose another target")


async def _copy_one(copier: TreeCopier, named: Named, attributes: Attributes, path: str, *, recursive: bool) -> None:
    if attributes.kind is Kind.DIRECTORY:
        if not recursive:
            raise error_of_code(Code.IS_A_DIRECTORY, "")
        await copier.copy_folder(named.path, attributes, path)
    elif attributes.kind is Kind.FILE:
        await copier.copy_file(named.path, attributes, path)
    elif attributes.kind is Kind.LINK and recursive:
        await copier.copy_link(named.path, attributes, path)
    elif attributes.kind is Kind.LINK:
        raise error_of_code(Code.LINK_REFUSED, "")
    else:
        raise error_of_code(Code.SPECIAL_FILE, "")


def reason_of(error: GimmalError) -> str:
    """The sentence of an error without the name in front of it."""
    return error.message.rpartition(": ")[2]
