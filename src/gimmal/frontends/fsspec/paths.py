"""Paths as fsspec has them and as they travel."""

from __future__ import annotations

from gimmal.base.paths import parse_shared_path

PROTOCOL = "gimmal"


def stripped(path: str) -> str:
    """The path of ``gimmal://SHARE/FOLDER/FILE`` without what stands around it; ``""`` is the list of shares.

    Nothing is decoded: ``%20`` stands for itself, as in a name.
    """
    for prefix in (f"{PROTOCOL}://", f"{PROTOCOL}::"):
        if path.startswith(prefix):
            path = path[len(prefix) :]
            break
    return path.strip("/")


def wire_path(path: str) -> str:
    """The same path, checked: what the rules of names refuse is asked of nobody.

    Raises:
        BadName: docs/spec/names.md refuses it.
    """
    path = stripped(path)
    parse_shared_path(path)
    return path


def parent(path: str) -> str:
    """The folder that holds a path; ``""`` for a share."""
    return path.rpartition("/")[0]


def below(folder: str, name: str) -> str:
    """The path of what is called ``name`` in a folder."""
    return f"{folder}/{name}" if folder else name
