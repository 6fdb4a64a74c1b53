"""What an opened half gives to the rooms below: identity, relays, keys for what is kept on this computer."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from gimmal import __version__
from gimmal.base.display import displayable
from gimmal.base.errors import LocalError
from gimmal.base.home import home_folder
from gimmal.base.primitives import hkdf_sha256, random_bytes, sha256
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.protocol.lan_names import lan_key
from gimmal.protocol.limits import COMPUTER_NAME_MAX
from gimmal.protocol.relay.proof import RelayIdentity
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.lan.asking import LanSearch
from gimmal.transport.opening import Identity

PROGRAM = f"gimmal {__version__}"
_JOURNAL_INFO = b"gimmal transfer journals v1"
_STATE_LABEL = b"gimmal state folder v1"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def identity_of(half: OpenedHalf, *, agent: bool) -> Identity:
    """For opening links in the name of this half."""
    return Identity(
        pair_id=half.pair_id,
        side=half.side.value,
        static_private=half.static_private,
        peer_static_public=half.peer_static_public,
        root=half.root,
        program=PROGRAM,
        computer=computer_id(half.pair_id),
        agent=agent,
        name=computer_name(),
    )


def relay_identity_of(half: OpenedHalf) -> RelayIdentity:
    """For proving this half to a relay."""
    return RelayIdentity(half.pair_id, half.side, half.lock, half.sign_a, half.sign_b, half.sign_private)


def relay_urls_of(half: OpenedHalf) -> list[RelayUrl]:
    """The relays the half names."""
    return [RelayUrl.parse(url) for url in half.relays]


def local_network_of(half: OpenedHalf, workers: Workers, *, asks: bool) -> LanSearch:
    """For looking for the other side near by; where it may not ask, it knows only what is near."""
    return LanSearch(lan_key(half.discovery_secret), half.side.other.value, workers, asks=asks)


def journal_key_of(half: OpenedHalf) -> bytes:
    """Seals the journals of transfers on this computer: 32 bytes."""
    return hkdf_sha256(b"", half.storage_key, _JOURNAL_INFO, 32)


def state_directory(lineage_id: bytes) -> Path:
    """Where this computer keeps sealed things for a lineage; made if absent. Its name tells nothing.

    Raises:
        LocalError: it cannot be made.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if given.startswith("/") else home_folder() / ".local" / "state"
    folder = base / "gimmal" / sha256(_STATE_LABEL, lineage_id)[:16].hex()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise LocalError(
            f"cannot make the folder {folder}: {(exc.strerror or '').lower()}",
            "make room or set XDG_STATE_HOME to a folder that can be written",
        ) from exc
    return folder


def computer_name() -> str:
    """What the other side is told this computer is called: what may be shown of its host name, without the domain."""
    return displayable(socket.gethostname().partition(".")[0], COMPUTER_NAME_MAX)


def computer_id(pair_id: bytes) -> bytes:
    """16 bytes that are the same for all processes of a pair on this computer until its next boot."""
    try:
        with open(_BOOT_ID, "rb") as file:
            boot = file.read(64)
    except OSError:
        boot = _PROCESS_ID
    return sha256(b"gimmal computer v1", pair_id, boot)[:16]


_PROCESS_ID = random_bytes(16)
