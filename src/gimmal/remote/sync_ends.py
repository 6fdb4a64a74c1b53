"""The two ends of a sync as named: which side each is on, and the folders of this computer concerned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, UsageError
from gimmal.base.own_mounts import refuse_own_mount
from gimmal.remote.copy_deciding import CopyOptions
from gimmal.remote.copy_ends import other_side_hint
from gimmal.remote.copy_plan import local_target, typed_path
from gimmal.remote.files import Files
from gimmal.remote.filters import Filters
from gimmal.remote.progress import Progress
from gimmal.remote.sync import SyncJob, sync_once
from gimmal.share.shares import Rights, Share


@dataclass
class SyncEnds:
    """What is synced from where to where.

    Attributes:
        shares: folders of this computer concerned.
        from_far, to_far: which ends are on the other side.
    """

    shares: list[Share]
    job: SyncJob
    from_far: bool
    to_far: bool

    @property
    def sweep(self) -> bool:
        """Whether a folder of this computer is synced into, whose trash has to be looked after."""
        return not self.to_far and not self.job.options.dry_run

    async def work(self, local: Files, other: Files, progress: Progress) -> None:
        """Sync once; see sync_once."""
        ways: tuple[Files, Files] = (other if self.from_far else local, other if self.to_far else local)
        await sync_once(*ways, self.job, progress)


def sync_ends(
    source_name: str,
    target_name: str,
    options: CopyOptions,
    patterns: Sequence[str],
    *,
    delete: bool,
    trash: bool,
    confirmed: bool,
    make: bool,
) -> SyncEnds:
    """Look at what was named; may block on the disk.

    Args:
        source_name, target_name: with a colon in front on the other side.
        options: how files are copied.
        patterns: of filters.
        delete, trash, confirmed: see SyncJob.
        make: make a target on this computer that is missing.

    Raises:
        UsageError: it cannot mean anything.
        LocalError: a folder of this computer is not there or cannot be read.
    """
    from_far, to_far = source_name.startswith(":"), target_name.startswith(":")
    if not from_far and not to_far:
        raise UsageError("neither folder is on the other side", other_side_hint([source_name, target_name], "rsync"))
    shares: list[Share] = []
    if from_far:
        source = typed_path(source_name.removesuffix("/."))
    else:
        shares.append(_folder(source_name, Rights.READ_ONLY))
        source = shares[0].name
    if to_far:
        target = typed_path(target_name.removesuffix("/."))
    else:
        share, target = _target(target_name, make=make)
        shares.append(share)
    job = SyncJob(source, target, options, Filters(patterns), delete=delete, trash=trash, confirmed=confirmed)
    return SyncEnds(shares, job, from_far, to_far)


def writable_folder(text: str) -> Share:
    """A folder of this computer as a share of this side alone.

    Raises:
        LocalError: it is not there or cannot be read.
    """
    return _folder(text, Rights.READ_WRITE)


def _folder(text: str, rights: Rights) -> Share:
    refuse_own_mount(Path(text), text, below=True)
    try:
        real = Path(text).resolve(strict=True)
        os.listdir(real)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "cannot be opened").lower()
        raise LocalError(
            f"{displayable(text)}: {reason}", "check the name, and that its disk is there; `:` names the other side"
        ) from error
    return Share("here", real, rights, own=True)


def _target(text: str, *, make: bool) -> tuple[Share, str]:
    """The target as a share of its own, so that its trash lies at its root; made where it is missing."""
    if not Path(text).exists():
        share, named = local_target(text)
        if not make:
            return share, named.path
        try:
            Path(text).mkdir()
        except OSError as error:
            raise LocalError(
                f"{displayable(text)}: {(error.strerror or '').lower()}", "choose another target"
            ) from error
    share = _folder(text, Rights.READ_WRITE)
    if share.path == share.path.parent:
        raise UsageError("the root folder cannot be a target", "name a folder below it")
    return share, share.name
