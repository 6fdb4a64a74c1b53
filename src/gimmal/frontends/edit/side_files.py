"""Files that programs lay beside a document for themselves: locks, swap files, backups, new versions half written."""

from __future__ import annotations

import re

_ALWAYS = re.compile(
    r"""
    \d{4,5}                     # vim tries whether it may write here
    | \.goutputstream-.*        # GNOME's new version
    | \.gimmal-.*               # our own part files
    | \.tmp.* | .*\.tmp         # many
    | \.~lock\..*\#             # LibreOffice, whatever the name
    | lu[0-9a-z]+(\.tmp)?       # LibreOffice's new version
    | ~\$.* | ~WRD.* | ~WRL.*   # Microsoft Office
    | \.fuse_hidden.* | \.nfs.* # open but removed
    | \.DS_Store | \._.*
    """,
    re.VERBOSE,
)


def is_side_file(name: str, document: str) -> bool:
    """Whether a file in a document's folder is no work of the person's.

    Args:
        name: of the file.
        document: name of the document.
    """
    if _ALWAYS.fullmatch(name):
        return True
    stem = document.rpartition(".")[0] or document
    # Locks and backups carry the document's name, with something before or after it.
    return any(
        name != document and (name.startswith((f".{part}", f"#{part}", f".#{part}")) or _after(name, part))
        for part in (document, stem)
    )


def is_lock_of(name: str, document: str) -> bool:
    """Whether a file tells that some program has the document open: it is there as long as that is so."""
    stem = document.rpartition(".")[0] or document
    return (
        name in (f".~lock.{document}#", f".#{document}", f"~${document}", f"~${document[2:]}")
        or re.fullmatch(re.escape(f".{document}.sw") + "[a-z]", name) is not None
        or re.fullmatch(re.escape(f".{stem}.sw") + "[a-z]", name) is not None
    )


def _after(name: str, part: str) -> bool:
    """Endings of backups: ``x~``, ``x.~1~``, ``x.bak``, ``x.orig``, ``x.save`` and such."""
    rest = name.removeprefix(part)
    return (
        rest != name
        and re.fullmatch(r"(\.[A-Za-z0-9]{1,8})?(~|\.~\d+~|\.bak|\.BAK|\.orig|\.save(\.\d+)?|\.old|\.kate-swp)", rest)
        is not None
    )
