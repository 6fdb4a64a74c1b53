"""The behaviour suite's adapter for a network drive: a client that asks by HTTP, as a file manager would."""

from __future__ import annotations

import posixpath
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from tests.frontends.behaviour import Front
from tests.frontends.dav.drive import Answer, Client

_ERRORS: dict[int, type[OSError]] = {
    403: PermissionError,
    404: FileNotFoundError,
    405: FileExistsError,
    409: FileNotFoundError,
    412: FileExistsError,
}


class DavFront(Front):
    """Reads and writes through a drive.

    Args:
        home: the folder as the other side's own disk has it.
        client: of the drive.
        place: of the folder on it, with ``/`` at its beginning.
    """

    parts = links = False

    def __init__(self, home: Path, client: Client, place: str) -> None:
        super().__init__(home)
        self.client = client
        self.place = place

    def _at(self, path: str) -> str:
        return quote(f"{self.place}/{path}".rstrip("/"))

    def _ask(self, method: str, path: str, body: object = None, **fields: str) -> Answer:
        answer = self.client.ask(method, self._at(path), body, **fields)
        if answer.status >= 300:
            raise _ERRORS.get(answer.status, OSError)(f"{method} {path}: {answer.status} {answer.body!r}")
        return answer

    def _found(self, path: str, depth: str) -> dict[str, ElementTree.Element]:
        answer = self._ask("PROPFIND", path, depth=depth)
        return {unquote(str(one.findtext("{DAV:}href"))): one for one in ElementTree.fromstring(answer.body)}

    def _property(self, path: str, name: str) -> str:
        (found,) = self._found(path, "0").values()
        return str(found.findtext(f".//{{DAV:}}{name}"))

    def write(self, path: str, data: bytes) -> None:
        self._ask("PUT", path, data)

    def make_new(self, path: str, data: bytes) -> None:
        self._ask("PUT", path, data, if_none_match="*")

    def read(self, path: str) -> bytes:
        if self.is_folder(path):
            raise IsADirectoryError(path)
        return self._ask("GET", path).body

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        answer = self.client.ask("GET", self._at(path), range=f"bytes={offset}-{offset + length - 1}")
        assert answer.status in (206, 416), answer
        return answer.body if answer.status == 206 else b""

    def names(self, folder: str) -> set[str]:
        found = self._found(folder, "1")
        here = unquote(self._at(folder)) + "/"
        if here not in found:
            raise NotADirectoryError(folder)
        return {posixpath.basename(place.rstrip("/")) for place in found if place != here}

    def size(self, path: str) -> int:
        return int(self._property(path, "getcontentlength"))

    def mtime(self, path: str) -> float:
        return parsedate_to_datetime(self._property(path, "getlastmodified")).timestamp()

    def set_mtime(self, path: str, seconds: float) -> None:
        date = formatdate(seconds, usegmt=True)
        body = (
            "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop>"
            f"<D:getlastmodified>{date}</D:getlastmodified></D:prop></D:set></D:propertyupdate>"
        )
        assert b"200 OK" in self._ask("PROPPATCH", path, body.encode()).body

    def is_folder(self, path: str) -> bool:
        (found,) = self._found(path, "0").values()
        return found.find(".//{DAV:}collection") is not None

    def make_folder(self, path: str) -> None:
        self._ask("MKCOL", path)

    def remove(self, path: str) -> None:
        self._ask("DELETE", path)

    def remove_folder(self, path: str) -> None:
        # WebDAV removes all that a folder holds: whoever wants less looks first, as davfs2 does.
        if self.names(path):
            raise OSError(f"{path} is not empty")
        self._ask("DELETE", path)

    def rename(self, source: str, target: str) -> None:
        self._ask("MOVE", source, destination=self._at(target))
