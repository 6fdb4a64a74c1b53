"""Locks: found by place, over in time, bounded; with wsgidav's own manager in front."""

from __future__ import annotations

import pytest
from wsgidav.dav_error import DAVError
from wsgidav.lock_man.lock_manager import LockManager

from gimmal.frontends.dav.locks import LOCK_SECONDS_MAX, LOCKS_MAX, OWNER_MAX, Lock, Locks


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def lock(manager: LockManager, url: str, depth: str = "0", timeout: float = 100, owner: bytes = b"") -> Lock:
    made: Lock = manager.acquire(
        url=url,
        lock_type="write",
        lock_scope="exclusive",
        lock_depth=depth,
        lock_owner=owner,
        timeout=timeout,
        principal="gimmal",
        token_list=[],
    )
    return made


def test_a_lock_holds_for_its_place_and_what_lies_below() -> None:
    manager = LockManager(Locks(Clock()))
    made = lock(manager, "/a/b/", "infinity")
    assert manager.is_url_locked("/a/b")
    assert manager.is_url_locked_by_token("/a/b/c", made["token"])
    for url in ("/a/b", "/a/b/c/d"):
        with pytest.raises(DAVError):
            manager.check_write_permission(url=url, depth="0", token_list=[], principal="gimmal")
        manager.check_write_permission(url=url, depth="0", token_list=[made["token"]], principal="gimmal")
    manager.check_write_permission(url="/a/bc", depth="0", token_list=[], principal="gimmal")
    with pytest.raises(DAVError):
        manager.check_write_permission(url="/a", depth="infinity", token_list=[], principal="gimmal")
    manager.release(made["token"])
    assert not manager.is_url_locked("/a/b")


def test_a_lock_ends_in_time_unless_it_is_renewed() -> None:
    clock = Clock()
    manager = LockManager(Locks(clock))
    made = lock(manager, "/a", timeout=100)
    clock.now += 90
    manager.refresh(made["token"], timeout=50)
    clock.now += 49
    assert manager.is_url_locked("/a")
    clock.now += 2
    assert not manager.is_url_locked("/a")
    with pytest.raises(DAVError):
        manager.refresh(made["token"], timeout=50)


@pytest.mark.parametrize("timeout", [-1, 10**9])
def test_no_lock_lasts_for_ever(timeout: float) -> None:
    clock = Clock()
    manager = LockManager(Locks(clock))
    assert lock(manager, "/a", timeout=timeout)["timeout"] == LOCK_SECONDS_MAX
    clock.now += LOCK_SECONDS_MAX + 1
    assert not manager.is_url_locked("/a")


def test_locks_are_bounded() -> None:
    storage = Locks(Clock())
    for number in range(LOCKS_MAX):
        storage.create(f"/{number}", {"owner": b"", "timeout": 10, "depth": "0"})
    with pytest.raises(DAVError):
        storage.create("/more", {"owner": b"", "timeout": 10, "depth": "0"})
    with pytest.raises(DAVError):
        lock(LockManager(Locks(Clock())), "/a", owner=bytes(OWNER_MAX + 1))
