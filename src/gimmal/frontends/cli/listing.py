"""How entries of the other side are printed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from gimmal.base.display import displayable, displayable_path
from gimmal.base.errors import RemoteError
from gimmal.frontends.cli.output import human_size, local_time, print_json
from gimmal.protocol.messages import Attributes, Entry, Kind

if TYPE_CHECKING:
    from gimmal.remote.files import Files

_MARKS = {Kind.DIRECTORY: "/", Kind.LINK: "@", Kind.OTHER: "?", Kind.FILE: ""}
_LETTERS = {Kind.DIRECTORY: "d", Kind.LINK: "l", Kind.OTHER: "?", Kind.FILE: "-"}


async def list_paths(files: Files, paths: list[str], *, long: bool, as_json: bool) -> tuple[int, list[tuple[str, str]]]:
    """Print the entries of each folder and each file; returns how many were listed, and what could not be."""
    from gimmal.frontends.cli.reaching import failure_of
    from gimmal.remote.matching import all_matching

    paths = await all_matching(files, paths)
    failures: list[tuple[str, str]] = []
    folders: list[str] = []
    # Files before folders, as ls has them: behind a folder's entries they would look like one more.
    for path in paths:
        try:
            attributes = await files.stat(path) if path else None
        except RemoteError as exc:
            failures.append(failure_of(path, exc))
            continue
        if attributes is None or attributes.kind is Kind.DIRECTORY:
            folders.append(path)
        else:
            name = path.rpartition("/")[2] if len(paths) == 1 or as_json else ":" + path
            _print_entry(name, attributes, long=long, as_json=as_json, path=path)
    gap = "\n" if len(paths) > len(failures) + len(folders) else ""
    for path in folders:
        try:
            if len(paths) > 1 and not as_json:
                sys.stdout.write(gap + displayable_path(":" + path) + "\n")
                gap = "\n"
            async for entries in files.entries(path):
                for entry in entries:
                    whole = f"{path}/{entry.name}" if path else entry.name
                    _print_entry(
                        entry.name, entry.attributes, long=long, as_json=as_json, mapped=entry.mapped, path=whole
                    )
        except RemoteError as exc:
            failures.append(failure_of(path, exc))
    sys.stdout.flush()
    return len(paths) - len(failures), failures


async def print_tree(files: Files, path: str, *, long: bool, as_json: bool) -> list[tuple[str, str]]:
    """Print everything below a folder, paths relative to it; returns folders that could not be read."""
    from gimmal.protocol.codes import error_of_code

    failures: list[tuple[str, str]] = []
    shares = [] if path else [entry async for page in files.entries("") for entry in page]
    for top in [path] if path else [share.name for share in shares]:
        prefix = f"{top}/" if not path else ""
        if prefix and not as_json:
            sys.stdout.write(displayable_path(prefix) + "\n")
        if any(share.name == top and not may_look(share) for share in shares):
            continue
        try:
            async for page in files.tree(top):
                for entry in page.entries:
                    _print_entry(prefix + entry.name, entry.attributes, long=long, as_json=as_json, mapped=entry.mapped)
                for name, code in page.failures:
                    failures.append((displayable(f":{top}/{name}"), error_of_code(code, "").message))
        except RemoteError as exc:
            if path:
                raise
            # A share that may not be listed leaves the others to be listed.
            failures.append(("", exc.message))
    sys.stdout.flush()
    return failures


def may_look(share: Entry) -> bool:
    """Whether a share of the list of shares grants listing; its mode tells (names.md, section 7)."""
    return bool(share.attributes.mode & 0o444)


def _print_entry(
    name: str, attributes: Attributes, *, long: bool, as_json: bool, mapped: bool = False, path: str | None = None
) -> None:
    if as_json:
        print_json(entry_json(name, attributes, mapped=mapped) | ({} if path is None else {"path": ":" + path}))
        return
    text = displayable_path(name) + _MARKS[attributes.kind]
    if long:
        size = "" if attributes.kind is Kind.DIRECTORY else human_size(attributes.size)
        mode = _LETTERS[attributes.kind] + _mode(attributes.mode)
        text = f"{mode}  {size:>8}  {local_time(attributes.mtime_ns)}  {text}"
        if attributes.target:
            text += f" -> {displayable_path(attributes.target)}"
    sys.stdout.write(text + "\n")


def entry_json(name: str, attributes: Attributes, *, mapped: bool = False) -> dict[str, Any]:
    """An entry as ``--json`` prints it; the name is exact, not made displayable."""
    value: dict[str, Any] = {
        "name": name,
        "kind": attributes.kind.name.lower(),
        "size": attributes.size,
        "mtime_ns": attributes.mtime_ns,
        "mode": f"{attributes.mode:04o}",
    }
    if attributes.target:
        value["target"] = attributes.target
    if mapped:
        value["mapped"] = True
    return value


def _mode(mode: int) -> str:
    return "".join(letter if mode >> (8 - index) & 1 else "-" for index, letter in enumerate("rwxrwxrwx"))
