"""Links of a tree: symbolic ones made as they are, further names of a file made as hard links.

Neither needs bytes of its own. A symbolic link is written when it is met and never followed; a hard link is made when
all files stand, and where it cannot be, the file is copied once more (docs/decisions/0050-links-and-attributes.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.protocol.codes import Code
from gimmal.protocol.features import FIDELITY
from gimmal.protocol.limits import REMOVE_MANY_MAX
from gimmal.protocol.messages import Attributes, Entry, LinkItem, Replace
from gimmal.remote.files import ENTRIES_MAX, Files
from gimmal.remote.progress import Progress

_NOT_HERE = frozenset((Code.NOT_STORED, Code.NOT_GRANTED, Code.UNSUPPORTED))
"""The place takes no links at all."""

_COPY_INSTEAD = _NOT_HERE | frozenset(
    (Code.CROSS_DEVICE, Code.CHANGED, Code.NOT_FOUND, Code.LIMIT, Code.DENIED, Code.SPECIAL_FILE, Code.LINK_REFUSED)
)
"""A hard link could not be made for a reason that a copy may get round."""


@dataclass(frozen=True, slots=True)
class FurtherName:
    """One more name of a file that was met before.

    Attributes:
        entry: of the source's tree.
        source_path, target_path: wire paths on their sides.
        first: target path of the name met first.
        replace: what may happen to what is there.
        there: what that is.
    """

    entry: Entry
    source_path: str
    target_path: str
    first: str
    replace: Replace
    there: Attributes | None


class LinkCopier:
    """Makes the links of one copy.

    Args:
        source, target: the trees.
        progress: what is counted.
        safe: leave out symbolic links that lead out of what is copied.
        fail: told the side, the path and the error of a link that could not be made.
    """

    def __init__(
        self,
        source: Files,
        target: Files,
        progress: Progress,
        *,
        safe: bool,
        fail: Callable[[Files, str, GimmalError], None],
    ) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._safe = safe
        self._fail = fail
        self._offered = target.offers(FIDELITY)
        self._waiting: dict[Replace, list[tuple[str, LinkItem, bool]]] = {Replace.NEVER: [], Replace.ALWAYS: []}
        self._firsts: dict[tuple[int, int], str] = {}
        self._further: list[FurtherName] = []

    # Symbolic links --------------------------------------------------------------------------------------------------

    def may_copy(self, name: str, attributes: Attributes, source_path: str) -> bool:
        """Whether a symbolic link is copied at all; one that is not is named among what is left out.

        Args:
            name: path below the folder that is copied.
            attributes: of the link.
            source_path: wire path.
        """
        if not self._offered:
            self._leave_out(source_path, "symbolic link, and the other side's gimmal is too old for it")
        elif self._safe and leads_out(name, attributes.target):
            self._leave_out(source_path, "symbolic link that leads out of what is copied")
        else:
            return True
        return False

    async def add(
        self, name: str, attributes: Attributes, source_path: str, target_path: str, replace: Replace
    ) -> None:
        """Make a symbolic link, soon."""
        waiting = self._waiting[replace]
        item = LinkItem(target_path, attributes.target, attributes.mtime_ns)
        waiting.append((source_path, item, leads_out(name, attributes.target)))
        if len(waiting) >= REMOVE_MANY_MAX:
            await self._send(replace)

    async def finish(self) -> None:
        """Make the symbolic links that wait."""
        for replace in self._waiting:
            await self._send(replace)

    async def _send(self, replace: Replace) -> None:
        waiting, self._waiting[replace] = self._waiting[replace], []
        if not waiting:
            return
        codes = await self._make([item for _path, item, _out in waiting], replace)
        for (path, item, out), code in zip(waiting, codes, strict=True):
            if not code:
                self._progress.links += 1
                self._progress.links_out += out
            elif code in _NOT_HERE:
                self._leave_out(path, "symbolic link, and the target takes none")
            else:
                self._fail(self._target, item.path, self._target.error(code))

    # Further names ---------------------------------------------------------------------------------------------------

    def first_name(self, attributes: Attributes, target_path: str) -> str | None:
        """Target path under which the same file was met before; None where this is its first name."""
        if not attributes.linked or not self._offered:
            return None
        key = (attributes.linked, attributes.identity)
        first = self._firsts.get(key)
        if first is None and len(self._firsts) < ENTRIES_MAX:
            self._firsts[key] = target_path
        return first if first != target_path else None

    def add_further(self, name: FurtherName) -> None:
        """A further name, to be made once all files stand."""
        self._further.append(name)

    async def make_further(self) -> list[FurtherName]:
        """Make the hard links; returns the names whose files have to be copied instead."""
        further, self._further = self._further, []
        plain: list[FurtherName] = []
        for replace in (Replace.NEVER, Replace.ALWAYS):
            names = [name for name in further if name.replace is replace]
            items = [
                LinkItem(name.target_path, name.first, at.mtime_ns, True, at.size)
                for name in names
                for at in [name.entry.attributes]
            ]
            for name, code in zip(names, await self._make(items, replace), strict=True):
                if not code:
                    self._progress.hard_links += 1
                    self._progress.did_file()
                elif code in _COPY_INSTEAD:
                    plain.append(name)
                else:
                    self._fail(self._target, name.target_path, self._target.error(code))
        return plain

    async def _make(self, items: list[LinkItem], replace: Replace) -> list[int]:
        try:
            return await self._target.make_links(items, replace) if items else []
        except RemoteError as exc:
            code = Code.__members__.get(exc.code.upper(), Code.FAILED)
            return [code] * len(items)

    def _leave_out(self, path: str, reason: str) -> None:
        self._progress.leave_out(self._source.shown(path), reason)


def leads_out(name: str, target: str) -> bool:
    """Whether the text of a symbolic link leads out of the folder that ``name`` is a path below.

    The text alone is judged: what other links on its way do to it is not.
    """
    if target.startswith("/"):
        return True
    depth = name.count("/")
    for part in target.split("/"):
        depth += 0 if part in ("", ".") else -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
