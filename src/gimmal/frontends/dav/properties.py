"""Properties that only clients understand: in memory, for as long as the drive lasts, and never more than so many.

What wsgidav calls a property manager. Not the one that it brings: it bounds nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from wsgidav.dav_error import DAVError

PLACES_MAX = 4096
"""Files and folders that have some."""

PROPERTIES_MAX = 256
"""Properties of one of them."""

BYTES_MAX = 16 << 20
"""Of all of them, names included."""


class Properties:
    """Dead properties by place. Places are quoted paths; a ``/`` at their end does not count."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._places: dict[str, dict[str, bytes]] = {}

    def get_properties(self, norm_url: str, environ: Any = None) -> list[str]:
        """Names of the properties of a place."""
        with self._guard:
            return list(self._places.get(_place(norm_url), ()))

    def get_property(self, norm_url: str, name: str, environ: Any = None) -> bytes | None:
        """One of them, as XML; None where there is none."""
        with self._guard:
            return self._places.get(_place(norm_url), {}).get(name)

    def write_property(
        self, norm_url: str, name: str, property_value: bytes, dry_run: bool = False, environ: Any = None
    ) -> None:
        """Keep a property, or with ``dry_run`` see whether it would be kept.

        Raises:
            DAVError: there are too many.
        """
        place = _place(norm_url)
        with self._guard:
            held = self._places.get(place)
            full = len(self._places) >= PLACES_MAX if held is None else len(held) >= PROPERTIES_MAX and name not in held
            if full or self._bytes() + len(name) + len(property_value) > BYTES_MAX:
                raise DAVError(HTTPStatus.INSUFFICIENT_STORAGE, "too many properties")
            if not dry_run:
                self._places.setdefault(place, {})[name] = property_value

    def remove_property(self, norm_url: str, name: str, dry_run: bool = False, environ: Any = None) -> None:
        """Forget a property; it need not be there."""
        place = _place(norm_url)
        with self._guard:
            held = self._places.get(place)
            if held is not None and not dry_run:
                held.pop(name, None)
                if not held:
                    del self._places[place]

    def remove_properties(self, norm_url: str, environ: Any = None) -> None:
        """Forget all of a place, and of what lies below it."""
        with self._guard:
            for place in list(self._within(_place(norm_url))):
                del self._places[place]

    def copy_properties(self, src_url: str, dest_url: str, environ: Any = None) -> None:
        """Those of a place become those of another, and so below it."""
        source, target = _place(src_url), _place(dest_url)
        with self._guard:
            for place in list(self._within(source)):
                fits = len(self._places) < PLACES_MAX and 2 * self._bytes() <= BYTES_MAX
                if fits:
                    self._places[target + place[len(source) :]] = dict(self._places[place])

    def move_properties(self, src_url: str, dest_url: str, with_children: bool = True, environ: Any = None) -> None:
        """Those of a place, and of what lies below it, go along with it."""
        source, target = _place(src_url), _place(dest_url)
        with self._guard:
            for place in list(self._within(source)):
                self._places[target + place[len(source) :]] = self._places.pop(place)

    def _within(self, place: str) -> Iterator[str]:
        return (one for one in self._places if one == place or one.startswith(place + "/"))

    def _bytes(self) -> int:
        return sum(len(name) + len(value) for held in self._places.values() for name, value in held.items())


def _place(url: str) -> str:
    return url.rstrip("/")
