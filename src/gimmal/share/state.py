"""What one session holds on the answering side."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gimmal.share.cursors import Cursors
from gimmal.share.edit_table import EditTable
from gimmal.share.part_table import PartTable
from gimmal.share.places import Places
from gimmal.share.previewing.previews import Previews
from gimmal.share.session_watches import SessionWatches
from gimmal.share.trash_filling import TrashFilling


@dataclass(slots=True)
class SessionState:
    """Handed to every operation; its parts lock themselves."""

    places: Places
    cursors: Cursors
    parts: PartTable
    new_file_mode: int
    """Permission bits of a file that came without any."""
    trash: TrashFilling
    """What the session puts into the trash of a share."""
    clock: Callable[[], float] = time.time
    """Seconds since 1970."""
    watches: SessionWatches = field(default_factory=SessionWatches)
    """What it is told the changes of."""
    edits: EditTable = field(default_factory=EditTable)
    previews: Previews | None = None
    """Makes pictures of files; None where nothing is made."""
