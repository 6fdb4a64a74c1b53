"""What PROPFIND tells of files and folders, as XML (RFC 4918, sections 9.1 and 13).

Written as text, entry by entry: as a tree of elements a folder of some ten thousand files takes the memory of a small
computer, and four times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from wsgidav.dav_error import DAVError
from wsgidav.util import etree, get_http_status_string, get_rfc1123_time

from gimmal.frontends.dav.resources import File, Folder

PROPERTIES_MAX = 256
"""Properties that one request may ask for by name."""

PIECE_RESPONSES = 128
"""Files and folders that one piece of a body tells of."""

_DAV = "{DAV:}"
_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
_TAIL = "</D:multistatus>\n"
_LOCKS = (
    "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
    "<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
)

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may hold; in an href it is behind percent signs."""


class Wanted(Enum):
    """Which properties a request asks for."""

    ALL = "allprop"
    NAMES = "propname"
    NAMED = "prop"


class BadQuestion(ValueError):
    """The body of a PROPFIND is not what it should be."""


def question(root: Any) -> tuple[Wanted, list[str]]:
    """What the body of a PROPFIND asks for.

    Args:
        root: the parsed body, None where there is none.

    Returns:
        which properties, and of NAMED their names as ``{namespace}name``.

    Raises:
        BadQuestion: it asks for nothing, for two things, or for too much.
    """
    if root is None:
        return Wanted.ALL, []
    if root.tag != _DAV + "propfind":
        raise BadQuestion
    asked = [child for child in root if child.tag in {_DAV + one.value for one in Wanted}]
    if len(asked) != 1:
        raise BadQuestion
    wanted = Wanted(asked[0].tag.removeprefix(_DAV))
    names = [child.tag for child in asked[0]] if wanted is Wanted.NAMED else []
    if len(names) > PROPERTIES_MAX or not all(isinstance(name, str) for name in names):
        raise BadQuestion
    return wanted, names


def multistatus(resources: Iterable[File | Folder], wanted: Wanted, names: Sequence[str]) -> list[bytes]:
    """The body of an answer, in pieces.

    Args:
        resources: what is told of, one after the other.
        wanted, names: as ``question`` gives them.
    """
    pieces, texts = [], [_HEAD]
    for count, one in enumerate(resources, 1):
        texts.append(_response(one, wanted, names))
        if not count % PIECE_RESPONSES:
            pieces.append("".join(texts).encode())
            texts.clear()
    pieces.append("".join((*texts, _TAIL)).encode())
    return pieces


def _response(resource: File | Folder, wanted: Wanted, names: Sequence[str]) -> str:
    if wanted is not Wanted.NAMED:
        names = resource.get_property_names(is_allprop=wanted is Wanted.ALL)
    stats: dict[str, list[str]] = {}
    for name in names:
        status, text = "200 OK", ""
        try:
            text = _empty(name) if wanted is Wanted.NAMES else _property(resource, name)
        except DAVError as error:
            status, text = get_http_status_string(error), _empty(name)
        stats.setdefault(status, []).append(text)
    told = "".join(
        f"<D:propstat><D:prop>{''.join(texts)}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
        for status, texts in stats.items()
    )
    if not told:  # nothing was asked for
        told = "<D:propstat><D:prop/><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"<D:response><D:href>{escape(resource.get_href())}</D:href>{told}</D:response>"


def _property(resource: File | Folder, name: str) -> str:
    """One property as an element; raises DAVError where there is none."""
    live = _live(resource, name)
    if live is not None:
        begin, end = _tags(name)
        return begin + live + end if live else _empty(name)
    value = resource.get_property_value(name)
    if isinstance(value, str):
        begin, end = _tags(name)
        return begin + escape(value) + end
    return str(etree.tostring(value, encoding="unicode"))


def _live(resource: File | Folder, name: str) -> str | None:
    """What is in the element of a property that is known without asking anyone; None for another one."""
    if name == "{DAV:}displayname":
        return escape(_ILLEGAL.sub("\ufffd", resource.name))
    if name == "{DAV:}resourcetype":
        return "<D:collection/>" if isinstance(resource, Folder) else ""
    if name == "{DAV:}supportedlock":
        return _LOCKS
    if name == "{DAV:}getlastmodified" and resource.attributes is not None:
        return str(get_rfc1123_time(resource.get_last_modified()))
    if isinstance(resource, File):
        if name == "{DAV:}getcontentlength":
            return str(resource.attributes.size)
        if name == "{DAV:}getetag":
            return escape(resource.validators.etag)
    return None


def _tags(name: str) -> tuple[str, str]:
    """What stands before and behind the text of a property."""
    namespace, _brace, local = name[1:].rpartition("}") if name.startswith("{") else ("", "", name)
    if namespace == "DAV:":
        return f"<D:{local}>", f"</D:{local}>"
    if not namespace:
        return f'<{local} xmlns="">', f"</{local}>"
    return f"<x:{local} xmlns:x={quoteattr(namespace)}>", f"</x:{local}>"


def _empty(name: str) -> str:
    begin, _end = _tags(name)
    return begin[:-1] + "/>"
