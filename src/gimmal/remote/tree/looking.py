"""What may be told of what is kept, and what has to be asked first: the rules of age. Only the order of use changes."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.tree.numbers import ROOT
from gimmal.remote.tree.records import Absent, Ask, Folder, Known, Name, Question, split
from gimmal.remote.tree.store import Store

CHECK_SECONDS = 1.0
"""How long something that is not watched is told without asking again."""

SETTLED_SECONDS = 2.5
"""Longer than the steps in which any disk keeps times: a change this long after another one shows in the time."""

ASKED_MAX = 2
"""Entries of one folder that are asked for one by one; for more, it is listed."""

ROOT_ATTRIBUTES = Attributes(Kind.DIRECTORY, 0, 0, 0o555, 0)


class Borne(NamedTuple):
    """What of an entry a watch bears out: that it is there, or is not, under this name; and its attributes."""

    name: bool
    attributes: bool


def borne_out(store: Store, path: str) -> Borne:
    """What of an entry a change would be told of; the list of shares is never watched."""
    if not path:
        return Borne(True, False)
    above, name = split(path)
    folder = store.folders.get(above)
    if folder is None or not folder.watch or name in folder.doubtful:
        return Borne(False, False)
    known = folder.entries.get(name)
    return Borne(True, known is not None and known.sure and _is_borne_out(store, folder, known, path))


def find(store: Store, path: str, now: float) -> Known | Absent | Ask:
    """The entry at a path."""
    if not path:
        return Known(ROOT_ATTRIBUTES, False, now, ROOT)
    above, name = split(path)
    folder = store.folders.get(above)
    if folder is None:
        return Ask(Question.STAT, path)
    store.folders.move_to_end(above)
    known = folder.entries.get(name)
    if known is not None:
        if known.sure and is_fresh(store, folder, known, path, now):
            return known
    elif name not in folder.doubtful:
        if folder.listed and (folder.watch or now - folder.at <= CHECK_SECONDS):
            return Absent()
        since = folder.absent.get(name)
        if since is not None and (folder.watch or now - since <= CHECK_SECONDS):
            return Absent()
    if folder.asked < ASKED_MAX or folder.unlistable:
        return Ask(Question.STAT, path)
    return Ask(Question.LIST, above)


def listing(store: Store, path: str, now: float) -> list[Name] | Ask:
    """All entries of a folder, in the order in which they were told."""
    ask = before_listing(store, path, now)
    if ask is not None and ask.question is Question.LIST:
        return ask
    store.folders.move_to_end(path)
    return ask if ask is not None else list(_names(store.folders[path]))


def before_listing(store: Store, path: str, now: float) -> Ask | None:
    """What has to be asked before a folder is listed; None for nothing."""
    folder = store.folders.get(path)
    if folder is None or not folder.listed or folder.doubtful:
        return Ask(Question.LIST, path)
    if folder.watch or now - folder.at <= CHECK_SECONDS:
        return None
    if path and (folder.version is None or is_settled(folder)):
        return Ask(Question.STAT, path)
    return Ask(Question.LIST, path)


def find_anyway(store: Store, path: str) -> Known | Absent | None:
    """The entry as it was told last, however long ago; None where nothing was."""
    if not path:
        return Known(ROOT_ATTRIBUTES, False, 0.0, ROOT)
    above, name = split(path)
    folder = store.folders.get(above)
    if folder is None:
        return None
    known = folder.entries.get(name)
    return known if known is not None else Absent() if folder.whole or name in folder.absent else None


def listing_anyway(store: Store, path: str) -> list[Name] | None:
    """The entries as they were told last, however long ago; None where they never were."""
    folder = store.folders.get(path)
    return list(_names(folder)) if folder is not None and folder.listed_at > -inf else None


def folders_in(store: Store, path: str) -> tuple[list[str], int] | None:
    """Names of the folders in a folder as it was listed last, and how many entries it has; None where it never was."""
    folder = store.folders.get(path)
    if folder is None or folder.listed_at == -inf:
        return None
    return [name for name, known in folder.entries.items() if known.is_folder], len(folder.entries)


def is_fresh(store: Store, folder: Folder, known: Known, path: str, now: float) -> bool:
    """Whether all attributes of an entry are recent enough, or borne out by a watch."""
    return now - known.at <= CHECK_SECONDS or _is_borne_out(store, folder, known, path)


def _is_borne_out(store: Store, folder: Folder, known: Known, path: str) -> bool:
    if known.is_folder:
        itself = store.folders.get(path)
        return itself is not None and itself.watch != 0 and known.at >= itself.watched_at
    return folder.watch != 0 and known.at >= folder.watched_at and is_covered(known.attributes)


def is_settled(folder: Folder) -> bool:
    """Whether another change after it was listed would show in the time of the folder."""
    return folder.version is not None and folder.version_since + SETTLED_SECONDS <= folder.listed_at


def is_covered(attributes: Attributes) -> bool:
    """Whether the watch of a folder covers all attributes of an entry in it."""
    return attributes.kind is not Kind.DIRECTORY and not attributes.linked


def _names(folder: Folder) -> Iterator[Name]:
    for name, known in folder.entries.items():
        yield Name(name, known.attributes.kind, known.number, known.mapped)
