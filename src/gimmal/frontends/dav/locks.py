"""Locks of a network drive: in memory, for as long as it lasts, and never more than so many.

A storage for wsgidav's LockManager. Not the one that wsgidav brings: it bounds nothing, and fails where two requests
find at the same time that a lock is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from wsgidav.dav_error import DAVError
from wsgidav.lock_man.lock_manager import generate_lock_token

LOCKS_MAX = 4096
"""Locks at a time."""

LOCK_SECONDS_MAX = 3600.0
"""How long a lock lasts that nobody renews: a program that crashed does not keep its files locked for long."""

OWNER_MAX = 4096
"""Bytes of what a client says of who locks."""

Lock = dict[str, Any]
"""As wsgidav has it: root, type, scope, depth, owner, timeout, principal, and from ``create`` on token and expire."""


class Locks:
    """All locks.

    Args:
        now: seconds since 1970.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._guard = threading.Lock()
        self._locks: dict[str, Lock] = {}

    def open(self) -> None:
        """Nothing is to be opened."""

    def close(self) -> None:
        """Forget all."""
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        with self._guard:
            self._locks.clear()

    def get(self, token: str) -> Lock | None:
        """The lock with a token, None where there is none or its time is over."""
        with self._guard:
            self._forget_expired()
            return self._locks.get(token)

    def create(self, path: str, lock: Lock) -> Lock:
        """Keep a new lock; conflicts are looked for by the caller.

        Args:
            path: what is locked, quoted.
            lock: completed here.

        Raises:
            DAVError: there are too many.
        """
        if len(lock["owner"]) > OWNER_MAX:
            raise DAVError(HTTPStatus.BAD_REQUEST, "the owner of a lock is too long")
        with self._guard:
            self._forget_expired()
            if len(self._locks) >= LOCKS_MAX:
                raise DAVError(HTTPStatus.INSUFFICIENT_STORAGE, "too many locks")
            lock["root"] = _root(path)
            lock["token"] = generate_lock_token()
            self._set_time(lock, lock["timeout"])
            self._locks[lock["token"]] = lock
            return lock

    def refresh(self, token: str, *, timeout: float) -> Lock:
        """Have a lock last so many seconds from now on, -1 for as long as may be.

        Raises:
            DAVError: there is no such lock.
        """
        with self._guard:
            self._forget_expired()
            lock = self._locks.get(token)
            if lock is None:
                raise DAVError(HTTPStatus.PRECONDITION_FAILED, "the lock is over")
            self._set_time(lock, timeout)
            return lock

    def delete(self, token: str) -> bool:
        """Forget a lock; whether there was one."""
        with self._guard:
            return self._locks.pop(token, None) is not None

    def get_lock_list(self, path: str, *, include_root: bool, include_children: bool, token_only: bool) -> list[Any]:
        """Locks of a place, of what lies below it, or both."""
        root = _root(path)
        below = root.rstrip("/") + "/"
        with self._guard:
            self._forget_expired()
            found = [
                lock
                for lock in self._locks.values()
                if (include_root and lock["root"] == root)
                or (include_children and lock["root"] != root and lock["root"].startswith(below))
            ]
        return [lock["token"] for lock in found] if token_only else found

    def _set_time(self, lock: Lock, timeout: float) -> None:
        lasts = LOCK_SECONDS_MAX if timeout < 0 else min(float(timeout), LOCK_SECONDS_MAX)
        lock["timeout"], lock["expire"] = lasts, self._now() + lasts

    def _forget_expired(self) -> None:
        now = self._now()
        for token in [token for token, lock in self._locks.items() if lock["expire"] < now]:
            del self._locks[token]


def _root(path: str) -> str:
    return path.rstrip("/") or "/"
