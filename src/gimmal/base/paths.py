"""Names and paths that travel between two halves (docs/spec/names.md, sections 1 to 4).

A wire path is UTF-8 text, components split on ``/`` only. What a name may hold is decided here and nowhere
else. A local name that may not travel as it is travels mapped: each byte of what is refused becomes one
private-use character, U+EE00 plus the byte, so that the serving side finds the file again and no one else needs
to know. Nothing is decoded, expanded, folded or normalized.
"""

from __future__ import annotations

import re
import unicodedata

from gimmal.base.display import displayable
from gimmal.base.errors import BadName

COMPONENT_BYTES_MAX = 255
"""Bytes of one component, counted as the local name that it stands for."""

PATH_BYTES_MAX = 4096
"""UTF-8 bytes of a whole wire path."""

DEPTH_MAX = 64
"""Components below a share."""

_MAP_BASE = 0xEE00
_HINT = "rename it where it is"

_REFUSED = (
    "\\x00-\\x1f\\x7f-\\x9f\\\\"
    "\\u200b\\u2060\\ufeff\\u202a-\\u202e\\u2066-\\u2069"
    "\\U000e0000-\\U000e007f"
    "\\ud800-\\udfff"
)
_MAPPING = "\\uee00-\\ueeff"
_refused = re.compile(f"[{_REFUSED}]")
_untravelled = re.compile(f"[{_REFUSED}{_MAPPING}]")
_mapping_run = re.compile(f"[{_MAPPING}]+")
_drive = re.compile("[A-Za-z]:")
_windows_device = re.compile(
    "(?:con|prn|aux|nul|clock\\$|conin\\$|conout\\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]) *(?:\\..*)?",
    re.IGNORECASE | re.DOTALL,
)
_windows_refused = re.compile('[<>:"|?*]|[. ]$')


def parse_wire_path(text: str) -> tuple[str, ...]:
    """The components of a path below a share.

    Args:
        text: a path as it came; not the empty path, which the caller knows to mean the share itself.

    Raises:
        BadName: docs/spec/names.md, section 2, refuses it.
    """
    _check_length(text)
    if _refused.search(text):
        # Surrogates are among the refused, so from here on the text has UTF-8 bytes.
        raise _bad(text, "it holds a forbidden character")
    components = tuple(text.split("/"))
    if len(components) > DEPTH_MAX:
        raise _bad(text, f"it is more than {DEPTH_MAX} folders deep")
    for component in components:
        _check_component(component, text)
    return components


def parse_shared_path(text: str) -> tuple[str, tuple[str, ...]]:
    """A whole wire path as share name and components below it; ``("", ())`` is the list of shares.

    Raises:
        BadName: docs/spec/names.md, section 2, refuses it.
    """
    if not text:
        return "", ()
    _check_length(text)
    share, slash, below = text.partition("/")
    return parse_wire_path(share)[0], parse_wire_path(below) if slash else ()


def local_name_to_wire(name: bytes) -> tuple[str, bool]:
    """The component that stands for a local name, and whether it had to be mapped.

    Args:
        name: one entry of a folder as the local system names it, at most 255 bytes.

    Raises:
        BadName: it is no name at all (empty, ``.``, ``..``, with ``/`` or NUL) or too long to travel.
    """
    if len(name) > COMPONENT_BYTES_MAX:
        raise _bad(name, "it is too long")
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise _bad(name, "it names no single entry")
    return map_text(name)


def map_text(data: bytes) -> tuple[str, bool]:
    """Any bytes of the local system, such as the target of a link, mapped as a name is; NUL and ``/`` stay."""
    text = data.decode("utf-8", "surrogateescape")
    mapped = _untravelled.sub(_map, text)
    if _drive.match(mapped):
        mapped = mapped[0] + chr(_MAP_BASE + ord(":")) + mapped[2:]
    return mapped, mapped != text


def wire_name_to_local(name: str) -> bytes:
    """The local name that a component stands for: the reverse of :func:`local_name_to_wire`.

    Raises:
        BadName: not a component that may travel, or mapped otherwise than :func:`local_name_to_wire` does.
    """
    if _refused.search(name) or "/" in name:
        raise _bad(name, "it holds a forbidden character")
    _check_component(name, name)
    return _unmapped(name)


def mapped_text_to_local(text: str) -> bytes:
    """The bytes that a mapped text stands for: the reverse of :func:`map_text`, for the target of a link.

    Raises:
        BadName: empty, with NUL or a character that does not travel, or mapped otherwise than :func:`map_text` does.
    """
    if not text or _refused.search(text) or (text[1:2] == ":" and _drive.match(text)):
        raise _bad(text, "it is empty or holds a forbidden character")
    local = _bytes_of(text)
    if b"\0" in local or map_text(local)[0] != text:
        raise _bad(text, "it is not mapped as it should be")
    return local


def is_mapped(name: str) -> bool:
    """Whether a component holds mapping characters, so that its local name is other than its UTF-8."""
    return not name.isascii() and _mapping_run.search(name) is not None


def collision_key(name: str) -> str:
    """What two names have in common if some file system takes them for one: NFC, case folding, no trailing
    dots or spaces."""
    folded = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", folded).rstrip(". ")


def windows_refuses(component: str) -> bool:
    """Whether Windows cannot create a file of this name: devices, streams, wildcards, trailing dots or spaces."""
    return bool(_windows_refused.search(component) or _windows_device.fullmatch(component))


def may_create(path: str | bytes, *, windows: bool = False) -> bool:
    """The verdict on a path below a share: may a receiver create it under its root?

    Args:
        path: as received; bytes that are not UTF-8 are refused.
        windows: judge for a Windows disk, which refuses more.
    """
    try:
        components = parse_wire_path(path.decode() if isinstance(path, bytes) else path)
    except (BadName, UnicodeDecodeError):
        return False
    return not (windows and any(map(windows_refuses, components)))


def _check_length(text: str) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > PATH_BYTES_MAX:
        raise _bad(text, "it is too long")


def _check_component(component: str, whole: str) -> None:
    if component in ("", ".", ".."):
        raise _bad(whole, "a part of it is empty, a dot or two dots")
    if component[1:2] == ":" and _drive.match(component):
        raise _bad(whole, "a part of it begins like a drive")
    local = _unmapped(component) if is_mapped(component) else component.encode()
    if len(local) > COMPONENT_BYTES_MAX:
        raise _bad(whole, f"a part of it is longer than {COMPONENT_BYTES_MAX} bytes")


def _map(match: re.Match[str]) -> str:
    return "".join(chr(_MAP_BASE + byte) for byte in match.group().encode("utf-8", "surrogateescape"))


def _unmapped(component: str) -> bytes:
    name = _bytes_of(component)
    # One form only: otherwise a mapped dot, slash or NUL would pass where the plain one is refused.
    if b"/" in name or b"\0" in name or map_text(name)[0] != component:
        raise _bad(component, "it is not mapped as it should be")
    return name


def _bytes_of(text: str) -> bytes:
    local = bytearray()
    end = 0
    for run in _mapping_run.finditer(text):
        local += text[end : run.start()].encode()
        local += bytes(ord(character) - _MAP_BASE for character in run.group())
        end = run.end()
    return bytes(local + text[end:].encode())


def _bad(name: str | bytes, reason: str) -> BadName:
    return BadName(f"the name {displayable(name, 100)} is not allowed: {reason}", _HINT)
