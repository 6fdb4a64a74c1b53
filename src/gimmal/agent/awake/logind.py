"""Linux: an inhibitor lock of logind, or of what stands in for it (elogind), over the system bus.

logind gives a descriptor; the lock ends when its last copy is closed, so also with a process that was killed.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import Any

from gimmal.agent.bus import bus_connection
from gimmal.base.display import displayable
from gimmal.base.errors import LocalError

WHAT = "sleep:idle"
"""Not the lid: who closes it means it, and logind sleeps then whatever is held off, unless it was told otherwise."""

REPLY_SECONDS = 5.0
TEXT_MAX = 120

_HINT = "see that logind runs and lets this user hold off sleep: systemd-inhibit true"


class LogindHold:
    """See ``Hold``.

    Raises:
        LocalError: there is no system bus, no logind on it, or it refuses.
    """

    def __init__(self) -> None:
        self._descriptor = _inhibit()

    @property
    def lost(self) -> bool:
        """See ``Hold``: whoever reads the other end has gone."""
        if self._descriptor < 0:
            return True
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return any(events & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _one, events in poll.poll(0))

    def release(self) -> None:
        """See ``Hold``."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _inhibit() -> int:
    from jeepney import DBusAddress, MessageType, new_method_call

    manager = DBusAddress(
        "/org/freedesktop/login1", bus_name="org.freedesktop.login1", interface="org.freedesktop.login1.Manager"
    )
    # What others may read of it says nothing of the pair.
    arguments = (WHAT, "gimmal", "another computer is using this one", "block")
    try:
        with bus_connection("SYSTEM", REPLY_SECONDS, descriptors=True) as connection:
            message = new_method_call(manager, "Inhibit", "ssss", arguments)
            reply = connection.send_and_get_reply(message, timeout=REPLY_SECONDS)
    except TimeoutError:
        raise LocalError(f"logind does not answer within {REPLY_SECONDS:g} s", _HINT) from None
    except Exception as exc:  # whatever a bus does wrong must not end an agent
        raise LocalError("the system bus cannot be reached", _HINT) from exc
    if reply.header.message_type is not MessageType.method_return:
        raise LocalError(f"logind refuses: {_said(reply)}", _HINT)
    return _descriptor_of(reply.body)


def _said(reply: Any) -> str:
    from jeepney import HeaderFields

    name = str(reply.header.fields.get(HeaderFields.error_name, ""))
    text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
    return displayable(text or name or "it says no", TEXT_MAX)


def _descriptor_of(body: tuple[Any, ...]) -> int:
    given = None
    with contextlib.suppress(AttributeError, IndexError, TypeError):
        given = int(body[0].to_raw_fd())
    if given is None:
        raise LocalError("what answers for logind gives no lock", _HINT)
    os.set_inheritable(given, False)
    return given
