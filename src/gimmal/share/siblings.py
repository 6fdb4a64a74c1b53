"""Places of many files that lie in few folders: what was found out about a folder holds for all files of one request.

`Places` is the guard. Here each folder passes it once; of a file in it only its own name is left to be judged, and a
name that is not of the plainest kind goes the whole way.
"""

from __future__ import annotations

import os

from gimmal.base.paths import DEPTH_MAX, PATH_BYTES_MAX
from gimmal.share.places import Access, Place, Places
from gimmal.share.plain_names import plain_wire_name
from gimmal.share.refused import RefusedError
from gimmal.share.shares import HALF_FOLDER

_HALF = HALF_FOLDER.decode()

_SHARE_BYTES = 2
"""What `Places.below` counts beside the path."""


class Siblings:
    """Finds places below one folder, for the length of one request.

    Args:
        places: the guard.
        folder: a place found by it.
        access: what is done with the files.
    """

    def __init__(self, places: Places, folder: Place, access: Access) -> None:
        self._places = places
        self._folder = folder
        self._access = access
        self._known: dict[str, tuple[Place, int] | None] = {}

    def find(self, path: str) -> Place:
        """As `Places.below`."""
        head, slash, name = path.rpartition("/")
        if slash and not head:
            return self._places.below(self._folder, path, self._access)
        if head not in self._known:
            self._known[head] = self._learn(head)
        known = self._known[head]
        if known is not None and len(name) <= known[1] and plain_wire_name(name) and name.lower() != _HALF:
            folder = known[0]
            return Place(folder.share, (*folder.names, name.encode()))
        return self._places.below(self._folder, path, self._access)

    def _learn(self, head: str) -> tuple[Place, int] | None:
        """A folder, and how long a name in it may be; None where names in it have to be judged one by one."""
        try:
            place = self._places.below(self._folder, head, self._access) if head else self._folder
        except (RefusedError, OSError):
            return None
        own = place.names[-1] if place.names else os.fsencode(place.share.share.path.name)
        granted = place.share.grants(self._access)
        if not granted or own.lower() == HALF_FOLDER or head.count("/") + 2 > DEPTH_MAX:
            return None
        return place, PATH_BYTES_MAX - _SHARE_BYTES - len(head.encode()) - len("/")
