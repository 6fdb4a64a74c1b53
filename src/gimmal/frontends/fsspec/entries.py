"""What fsspec is told of one file or folder, and what of a listing is believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gimmal.base.errors import BadName
from gimmal.base.paths import parse_wire_path
from gimmal.frontends.fsspec.paths import below
from gimmal.protocol.messages import Attributes, Entry, Kind

Info = dict[str, Any]

_TYPES = {Kind.FILE: "file", Kind.DIRECTORY: "directory", Kind.LINK: "link", Kind.OTHER: "other"}


def info_of(path: str, attributes: Attributes) -> Info:
    """What ``info`` and ``ls`` tell: ``name``, ``size`` in bytes, ``type``, and more for those who know it."""
    info: Info = {
        "name": path,
        "size": attributes.size if attributes.kind is Kind.FILE else 0,
        "type": _TYPES[attributes.kind],
        "mtime": attributes.mtime_ns / 1e9,
        "mtime_ns": attributes.mtime_ns,
        "mode": attributes.mode,
        "ino": attributes.identity,
        "islink": attributes.kind is Kind.LINK,
    }
    if attributes.kind is Kind.LINK:
        info["destination"] = attributes.target
    return info


def root_info() -> Info:
    """The same of the list of shares."""
    return {"name": "", "size": 0, "type": "directory"}


def version_text(info: Info) -> str:
    """Changes whenever the entry does."""
    return f"{info.get('ino')}.{info['size']}.{info.get('mtime_ns')}"


def infos_in(folder: str, entries: Iterable[Entry]) -> Iterator[Info]:
    """What a listing of a folder holds.

    A name that may not travel is left out, as in every listing: programs make paths of this computer of what they get.
    """
    for entry in entries:
        if _may_travel(entry.name, single=True):
            yield info_of(below(folder, entry.name), entry.attributes)


def infos_below(folder: str, entries: Iterable[Entry]) -> Iterator[Info]:
    """The same of a tree, where names are relative paths."""
    for entry in entries:
        if _may_travel(entry.name, single=False):
            yield info_of(below(folder, entry.name), entry.attributes)


def _may_travel(name: str, *, single: bool) -> bool:
    try:
        components = parse_wire_path(name)
    except BadName:
        return False
    return not single or len(components) == 1
