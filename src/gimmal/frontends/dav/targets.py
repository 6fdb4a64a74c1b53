"""From what a request names to a path of the other side, without a doubt which one is meant.

The server and wsgidav undo percent signs at several places, in ways that lose what a name was: ``%252F`` and ``%2F``
become the same, and a ``?`` in a name ends it. So the target is read here, from the line as it came.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urlsplit

from gimmal.base.errors import BadName
from gimmal.base.paths import parse_shared_path

TARGET_MAX = 16 * 1024
"""Characters of a target: every path that may travel has fewer, also with each byte behind a percent sign."""

_SAFE = "/!*'(),$-_.~"
"""What stands for itself in the path of a URL (RFC 3986), as wsgidav leaves it."""


class BadTarget(ValueError):
    """What a request names is no place here."""


def path_of_target(target: str) -> str:
    """The path that a request's target names, with ``/`` at its beginning, percent signs undone once.

    A ``/`` at its end, by which clients name folders, stays.

    Args:
        target: of the request line, or the path of a Destination field: still with percent signs.

    Raises:
        BadTarget: it is no path, or holds what no name may hold, a ``/`` behind a percent sign included.
    """
    path = target.partition("?")[0]
    if not path.startswith("/") or len(target) > TARGET_MAX:
        raise BadTarget
    components = [_component(one) for one in path.split("/") if one]
    return "/".join(("", *components, "")) if path.endswith("/") and components else "/" + "/".join(components)


def path_of_destination(field: str, hosts: tuple[str, ...]) -> str:
    """The path that a Destination field names on this server.

    Args:
        field: its value, a whole URL or an absolute path.
        hosts: values of Host that are this server.

    Raises:
        BadTarget: it is no place on this server.
    """
    if len(field) > TARGET_MAX:
        raise BadTarget
    if field.startswith("/"):
        return path_of_target(field)
    try:
        parts = urlsplit(field)
    except ValueError:
        raise BadTarget from None
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme.lower() != "http" or host.lower() not in hosts:
        raise BadTarget
    return path_of_target(parts.path)


def wire_path(path: str) -> str:
    """The path of the other side that a path of the drive is; empty for the list of shares.

    Raises:
        BadName: no such path can travel.
    """
    wire = path.strip("/")
    parse_shared_path(wire)
    return wire


def quoted(path: str) -> str:
    """A path as it stands in a URL."""
    return quote(path, safe=_SAFE)


def _component(text: str) -> str:
    try:
        # Bytes that came without percent signs are characters of Latin-1 by now.
        name = unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise BadTarget from None
    if "/" in name or name in (".", ".."):
        raise BadTarget
    return name


__all__ = ["BadName", "BadTarget", "path_of_destination", "path_of_target", "quoted", "wire_path"]
