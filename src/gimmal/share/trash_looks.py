"""How long things have been in a trash, told by looks at it: a clock that was wrong ages nothing by years.

The time in the name of a batch is that of the clock when it was begun. Where that was behind by more than 30 days, all
would be destroyed as soon as the clock is right. So each look counts the time since the look before it, a day at most,
and a batch has been there for what was counted since the first look that met it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass, field

from gimmal.share.trash_batches import read_bounded, sync_directory, write_new
from gimmal.share.trash_names import LOOKS, NEW_LOOKS, is_batch_name

COUNTED_MAX = 24 * 3600
"""Seconds that one look counts at most."""

COUNTED_MIN = 3600
"""Fewer seconds since the look before are left for the next to count, unless there is a batch that none has met."""

_VERSION = 1
_SECONDS_MAX = 1 << 53


@dataclass
class Looks:
    """What the looks at one trash have counted.

    Attributes:
        looked: when the last was, seconds since 1970 by the clock of that time.
        seconds: what they counted in all.
        met: by batch: ``seconds`` when a look met it first.
    """

    looked: int
    seconds: int = 0
    met: dict[bytes, int] = field(default_factory=dict)

    def age(self, batch: bytes) -> int:
        """For how many seconds a batch has surely been there."""
        return self.seconds - self.met.get(batch, self.seconds)


def look(trash: int, batches: Collection[bytes], now: float) -> Looks:
    """Look at a trash, and keep what that counts where the disk takes it.

    Args:
        trash: descriptor of its folder.
        batches: all that are there.
        now: seconds since 1970.
    """
    before = _read(trash)
    time = max(0, min(int(now), _SECONDS_MAX))
    if before is None:
        before = Looks(time)
    gap = time - before.looked
    met = {name: before.met[name] for name in batches if name in before.met}
    new = [name for name in batches if name not in met]
    if not new and 0 <= gap < COUNTED_MIN:
        return before
    seconds = before.seconds + max(0, min(gap, COUNTED_MAX))
    looks = Looks(time, seconds, met | dict.fromkeys(new, seconds))
    # A full disk is no reason to destroy nothing: what is old enough by now goes, and makes room for the next look.
    with contextlib.suppress(OSError):
        _write(trash, looks)
    return looks


def forget(trash: int) -> None:
    """The trash holds nothing any more.

    Raises:
        OSError: the disk refuses.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(LOOKS, dir_fd=trash)


def _read(trash: int) -> Looks | None:
    data = read_bounded(LOOKS, trash)
    if data is None:
        return None
    try:
        value = json.loads(data)
        met = {name.encode("ascii"): _seconds(seconds) for name, seconds in value["met"].items()}
        looks = Looks(_seconds(value["looked"]), _seconds(value["seconds"]), met)
        fits = value["version"] == _VERSION and all(is_batch_name(name) for name in met)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    # Ages would be too high otherwise, or below 0.
    return looks if fits and all(seconds <= looks.seconds for seconds in met.values()) else None


def _seconds(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _SECONDS_MAX:
        raise ValueError
    return value


def _write(trash: int, looks: Looks) -> None:
    value = {
        "version": _VERSION,
        "looked": looks.looked,
        "seconds": looks.seconds,
        "met": {name.decode(): seconds for name, seconds in looks.met.items()},
    }
    with contextlib.suppress(FileNotFoundError):
        os.unlink(NEW_LOOKS, dir_fd=trash)
    write_new(trash, NEW_LOOKS, json.dumps(value, separators=(",", ":")).encode("ascii"))
    os.rename(NEW_LOOKS, LOOKS, src_dir_fd=trash, dst_dir_fd=trash)
    sync_directory(trash)
