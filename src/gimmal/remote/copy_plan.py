"""What a copy moves where: sources and target as typed, placed as coreutils cp places them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import BadName, LocalError, RemoteError, UsageError
from gimmal.base.own_mounts import refuse_own_mount
from gimmal.base.paths import is_mapped, local_name_to_wire, parse_shared_path
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Kind
from gimmal.remote.files import Files
from gimmal.remote.matching import matching
from gimmal.remote.placing import stat_or_none
from gimmal.share.shares import Rights, Share


@dataclass(frozen=True)
class Named:
    """A file or folder as its tree names it.

    Attributes:
        path: wire path.
        name: last component, for placing into a folder; empty where only the contents are meant (``dir/.``).
        as_typed: displayable.
        into: the person ended it with a slash: it must be a folder.
    """

    path: str
    name: str
    as_typed: str
    into: bool = False


def remote_named(text: str) -> Named:
    """A name of the other side.

    Args:
        text: as typed, with its colon.

    Raises:
        UsageError: it is none that can travel.
    """
    contents = text.endswith("/.")
    path = typed_path(text.removesuffix("/."))
    name = "" if contents else path.rpartition("/")[2]
    return Named(path, name, displayable(text), text.endswith("/"))


async def all_named(files: Files, named: list[Named]) -> list[Named]:
    """Names of the other side with their patterns filled in (`matching`)."""
    filled = []
    for one in named:
        for path in await matching(files, one.path):
            if path == one.path:
                filled.append(one)
            else:
                name = path.rpartition("/")[2] if one.name else ""
                filled.append(Named(path, name, displayable(":" + path), one.into))
    return filled


def typed_path(text: str) -> str:
    """The wire path of ``:path`` as typed.

    Raises:
        UsageError: it is none that can travel.
    """
    path = text[1:].rstrip("/")
    if path or text != ":":
        try:
            parse_shared_path(path)
        except BadName as exc:
            raise UsageError(
                f"{displayable(text)} is no path of the other side",
                "write :SHARE/FOLDER/FILE; `gimmal ls` shows the shares",
            ) from exc
    return path


def local_source(text: str, index: int) -> tuple[Share, Named]:
    """A source on this computer and the folder that holds it, as a share of this side alone.

    Args:
        text: as typed; a link named by the person is followed, links below are not.
        index: which source it is; names the share.

    Raises:
        LocalError: it is not there.
        UsageError: it lies in a mount of gimmal's.
    """
    refuse_own_mount(Path(text), text, below=True)
    try:
        real = Path(text).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as exc:
        raise _local(text, exc) from exc
    typed = text.rstrip("/")
    contents = typed in ("", ".", "..") or typed.endswith(("/.", "/.."))
    share = Share(f"s{index}", real.parent, Rights.READ_ONLY, own=True)
    if real == real.parent:
        raise UsageError("the root folder cannot be copied whole", "name the folders below it")
    wire, _mapped = local_name_to_wire(os.fsencode(real.name))
    shown_name, _mapped = local_name_to_wire(os.fsencode(Path(typed).name or real.name))
    return share, Named(f"{share.name}/{wire}", "" if contents else shown_name, displayable(text), text.endswith("/"))


def local_target(text: str) -> tuple[Share, Named]:
    """A target on this computer and the folder it lies in, as a share of this side alone.

    Raises:
        LocalError: the folder it would lie in is not there.
        UsageError: its name is one that gimmal cannot place, or it lies in a mount of gimmal's.
    """
    refuse_own_mount(Path(text), text)
    path = Path(text)
    into = text.endswith(("/", "/.", "/..")) or path.name in ("", ".", "..")
    try:
        real = path.resolve(strict=True) if into or path.is_dir() else path.parent.resolve(strict=True) / path.name
    except (OSError, RuntimeError, ValueError) as exc:
        raise _local(text, exc) from exc
    if real == real.parent or (into and not real.name):
        raise UsageError("the root folder cannot be a target", "name a folder below it")
    share = Share("here", real.parent, Rights.READ_WRITE, own=True)
    name, mapped = local_name_to_wire(os.fsencode(real.name))
    if mapped or is_mapped(name):
        raise UsageError(f"the name {displayable(text)} cannot be written by gimmal", "choose a plainer name")
    return share, Named(f"here/{name}", name, displayable(text), into)


def _local(text: str, exc: Exception) -> LocalError:
    reason = (getattr(exc, "strerror", None) or "cannot be opened").lower()
    return LocalError(f"{displayable(text)}: {reason}", "check the name; `:` in front names the other side")


async def goes_into(target: Files, wanted: Named, sources: list[Named]) -> bool:
    """Whether the target is a folder that the sources are placed in; else it is the name of the one source.

    Args:
        target: the tree copied into.
        wanted: the target as named.
        sources: what is copied.

    Raises:
        RemoteError: the target must be a folder and is none.
        UsageError: the list of shares was named.
    """
    if not wanted.path:
        raise UsageError("the list of shares is no place to copy to", "name a share: gimmal cp FILE :SHARE/")
    try:
        there = await stat_or_none(target, wanted.path)
    except RemoteError as exc:
        # Below a drop share nothing can be looked at; a new name can be made all the same.
        if exc.code != "not_granted" or wanted.into or len(sources) > 1:
            raise
        there = None
    folder = there is not None and there.kind is Kind.DIRECTORY
    if not folder and (wanted.into or len(sources) > 1):
        code = Code.NOT_FOUND if there is None else Code.NOT_A_DIRECTORY
        raise error_of_code(code, wanted.as_typed)
    return folder


def place(wanted: Named, sources: list[Named], *, into: bool) -> list[str]:
    """The exact target path of each source.

    Args:
        wanted: the target as named.
        sources: what is copied.
        into: what `goes_into` said.

    Raises:
        UsageError: two sources would end in one place.
    """
    placed = [f"{wanted.path}/{source.name}" if into and source.name else wanted.path for source in sources]
    for index, path in enumerate(placed):
        if sources[index].name and path in placed[:index]:
            raise UsageError(
                f"{sources[index].as_typed} and another source would both become {displayable(path)}",
                "copy them one at a time to different names",
            )
    return placed
