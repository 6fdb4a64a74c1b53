"""The two ends of a copy as named: which side each is on, and the folders of this computer concerned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError
from gimmal.remote.copy import CopyJob, copy_once
from gimmal.remote.copy_deciding import CopyOptions
from gimmal.remote.copy_plan import Named, all_named, local_source, local_target, remote_named
from gimmal.remote.files import Files
from gimmal.remote.progress import Progress
from gimmal.share.shares import Share


@dataclass
class CopyEnds:
    """What is copied from where to where.

    Attributes:
        shares: folders of this computer concerned.
        upload: the target is on the other side.
        far: the sources are there too.
        missing: sources of this computer that are not there, with the reason; the others are copied all the same.
    """

    shares: list[Share]
    job: CopyJob
    upload: bool
    far: bool
    missing: list[tuple[str, str]]

    async def work(self, local: Files, other: Files, progress: Progress) -> None:
        """Copy all of it once; see copy_once. What is missing counts as failed."""
        ways: tuple[Files, Files] = (other, other) if self.far else (local, other) if self.upload else (other, local)
        job = self.job
        if self.far or not self.upload:
            job = replace(job, sources=await all_named(other, job.sources))
        await copy_once(*ways, job, progress)
        for name, reason in self.missing:
            progress.fail(name, reason)


def other_side_hint(names: Sequence[str], program: str) -> str:
    """What may have been meant where no name begins with a colon: ``host:path`` is how scp and rsync are told.

    Args:
        names: as typed.
        program: that does it between two places of this computer.
    """
    for name in names:
        host, colon, path = name.partition(":")
        if colon and "/" not in host and not os.path.lexists(name):
            return f"no name of a computer goes before the colon: write :{displayable(path)}"
    return f"write :PATH for the other side, or use {program}"


def copy_ends(names: Sequence[str], target_name: str, options: CopyOptions, *, recursive: bool) -> CopyEnds:
    """Look at what was named; may block on the disk.

    Args:
        names: of the sources, with a colon in front where they are on the other side.
        target_name: likewise.
        options: how to copy.
        recursive: folders are copied too.

    Raises:
        UsageError: it cannot mean anything.
        LocalError: no source is there, or not the folder of the target.
    """
    from_far = [name.startswith(":") for name in names]
    to_far = target_name.startswith(":")
    if any(from_far) != all(from_far):
        raise UsageError("the sources lie on both sides", "copy those of one side at a time")
    if not to_far and not any(from_far):
        raise UsageError("neither source nor target is on the other side", other_side_hint([*names, target_name], "cp"))
    shares: list[Share] = []
    sources: list[Named] = []
    missing: list[tuple[str, str]] = []
    if any(from_far):
        sources = [remote_named(name) for name in names]
    else:
        for index, name in enumerate(names):
            try:
                share, named = local_source(name, index)
            except LocalError as exc:
                missing.append((displayable(name), exc.message.rpartition(": ")[2]))
                if len(missing) == len(names):
                    raise
                continue
            shares.append(share)
            sources.append(named)
    if to_far:
        target = remote_named(target_name)
    else:
        share, target = local_target(target_name)
        shares.append(share)
    if len(names) > 1:
        target = replace(target, into=True)
    job = CopyJob(sources, target, recursive, options)
    return CopyEnds(shares, job, upload=to_far, far=to_far and any(from_far), missing=missing)
