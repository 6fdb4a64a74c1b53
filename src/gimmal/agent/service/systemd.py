"""The unit for systemd's manager of a user (docs/decisions/0070-the-agent-as-a-service.md)."""

from __future__ import annotations

from collections.abc import Sequence

UNIT = "gimmal.service"

_TEMPLATE = """\
# Written by gimmal service install, which writes it anew.
[Unit]
Description=gimmal: serves a half while it is plugged in

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec=15

# An agent that takes too much is ended alone, and started again.
MemoryMax=4G
OOMPolicy=continue
TasksMax=1024
# Keys are in the memory of agents: never on a disk.
MemorySwapMax=0
LimitCORE=0

NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""


def systemd_unit(command: Sequence[str]) -> str:
    """The text of the unit.

    Args:
        command: words that run the supervisor; the first is an absolute path.
    """
    return _TEMPLATE.format(command=" ".join(map(_quoted, command)))


def _quoted(word: str) -> str:
    """A word as systemd reads it back: specifiers, variables, quotes and line ends mean nothing in it."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("%", "%%"), ("$", "$$")):
        word = word.replace(plain, written)
    return f'"{word}"'
