"""Feature bits of Hello: what a side offers beyond the first messages of version 1 (docs/spec/protocol.md, 2.5)."""

from __future__ import annotations

FIDELITY = 1
"""Examine and MakeLinks, sparse Reads and Writes, extended attributes."""

TRASH = 2
"""Requests 20 to 23, and ``keep`` in Commit, WriteBundle, Copy and MakeLinks."""

DELTA = 4
"""ListChunks, and ``reused`` in Write."""

PACKED = 8
"""Streams and bundles in records of Zstandard frames, wherever ``packing`` allows them."""

MEASURE = 32
"""Requests 36 to 39: digests of what a disk holds, and measurements."""

GRAIN = 64
"""``grain`` in StatFileSystem and Room."""

PUNCH = 128
"""Request 48: both sides connect at the same time, through routers that let nothing in by itself."""

WATCH = 256
"""Requests 52 to 54, NOTICES, and ``watch`` in List and Page."""

EDIT = 512
"""Requests 56 to 63: parts of a file are changed where it lies."""

THUMBNAIL = 1024
"""Request 40: small pictures that are made where the file lies."""

FILM = 2048
"""Requests 41 to 43: films in parts that any browser plays, made where the film lies."""

OFFERED = FIDELITY | TRASH | DELTA | PACKED | MEASURE | GRAIN | PUNCH | WATCH | EDIT | THUMBNAIL | FILM
"""All that this program offers."""
