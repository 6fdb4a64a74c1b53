"""How a command reaches the other side: what becomes of it when the half is pulled out before it has."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gimmal.agent import reach as reaching
from gimmal.agent.reach import Reach, Reached, ReachOptions
from gimmal.base.errors import HalfGone, PeerAbsent
from gimmal.protocol.places import place_of
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.asking_relay import AskingRelay
from gimmal.transport.link import PathKind
from gimmal.transport.punching.places import View
from gimmal.transport.second_look import SecondLook
from tests.half.helpers import folders, join
from tests.patience import PATIENCE, within
from tests.relay.halves import asking, new_pair


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return one


def pull(half: Path) -> None:
    found = half if half.name == "GIMMAL" else half / "GIMMAL"
    found.rename(found.with_name("elsewhere"))


def test_pulling_the_half_out_ends_an_opening_at_once(half: Path) -> None:
    async def main() -> float:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            async with Reach(ReachOptions(half, at=silent.getsockname()[:2])) as reach:
                opening = asyncio.ensure_future(reach.open())
                async with asyncio.timeout(PATIENCE):
                    dialled, _address = await asyncio.get_running_loop().sock_accept(silent)
                assert not opening.done()
                pull(half)
                pulled = time.monotonic()
                with dialled, pytest.raises(HalfGone):
                    await opening
                return time.monotonic() - pulled

    assert within(asyncio.run(main()), 1.0)


def test_how_a_relay_saw_this_side_is_forgotten_when_the_network_changes(half: Path) -> None:
    async def main() -> None:
        async with Reach(ReachOptions(half)) as reach:
            url, proof = RelayUrl("127.0.0.1", 1, bytes(32)), new_pair().a
            second = SecondLook(url, proof, bytes(16), "test")
            second.view = View(place_of("192.168.1.2", 4000), place_of("7.7.1.2", 4000))
            reach._relays.append(AskingRelay(lambda: asking(url, proof), second))
            reach._on_network()
            assert second.view is None

    asyncio.run(main())


def test_a_command_that_waits_opens_no_session_without_its_half(half: Path) -> None:
    """Its keys are in memory since the first try: only a look at the half can keep it from using them."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = taken.getsockname()[:2]
        async with Reach(ReachOptions(half, at=address)) as reach:
            with pytest.raises(PeerAbsent):
                await reach.open()
            pull(half)
            with pytest.raises(HalfGone):
                await reach.rest(PATIENCE)  # as a command does between two tries
            with socket.create_server(address) as there:
                there.settimeout(0.2)
                with pytest.raises(HalfGone):
                    await reach.open()
                with pytest.raises(TimeoutError):
                    there.accept()

    asyncio.run(main())


class Probed:
    """A dialler whose paths answer as they are told to; those that are not never do."""

    def __init__(self, **answers: Exception | None) -> None:
        self.answers = answers
        self.failures: dict[PathKind, str] = {}
        self.dialable = frozenset((PathKind.LAN, PathKind.DIRECT, PathKind.RELAYED))
        if "punched" in answers:
            self.dialable |= {PathKind.PUNCHED}
        self.ended: list[str] = []

    async def probe(self, _session: Any, paths: frozenset[PathKind]) -> str:
        (path,) = paths
        try:
            if path.value not in self.answers:
                await asyncio.Event().wait()
            if path is PathKind.PUNCHED:
                await asyncio.sleep(0.2)  # as one that fails does, on purpose
            failure = self.answers[path.value]
            if failure is not None:
                self.failures[path] = str(failure)
                raise failure
            return path.value
        finally:
            self.ended.append(path.value)


def why_not(half: Path, dialler: Probed) -> tuple[dict[str, str], list[str]]:
    """What is said of the paths better than a relay, and which links were taken."""
    taken: list[str] = []
    link = SimpleNamespace(path=PathKind.RELAYED, round_trip=0.02)
    session = SimpleNamespace(bulk=SimpleNamespace(pick=lambda *, bulk: link), attach=taken.append)

    async def main() -> dict[str, str]:
        reach = Reach(ReachOptions(half))
        reach._dialler = cast(Any, dialler)
        reach._reached = Reached(cast(Any, session), cast(Any, None), False, "relayed")
        try:
            return await reach.why_not_better()
        finally:
            reach.workers.close()

    return asyncio.run(asyncio.wait_for(main(), 60)), taken


def test_status_waits_for_the_local_network_no_longer_than_it_takes_to_answer(
    half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "PROBE_SECONDS", 1000.0)
    monkeypatch.setattr(reaching, "NEAR_PROBE_SECONDS", 0.01)
    dialler = Probed(direct=PeerAbsent("it cannot be dialled"))
    said, taken = why_not(half, dialler)
    assert list(said.items()) == [
        ("lan", "the other side does not answer in this network"),
        ("direct", "it cannot be dialled"),
    ]
    assert taken == []


def test_a_punching_is_given_the_time_that_it_takes_to_fail(half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PROBE_SECONDS", 0.05)
    dialler = Probed(lan=PeerAbsent("nobody is there"), punched=PeerAbsent("the router there changes ports"))
    said, _taken = why_not(half, dialler)
    assert said["punched"] == "the router there changes ports"
    assert said["direct"].startswith("it did not answer within")


def test_where_a_better_path_is_found_the_others_are_waited_for_no_longer(
    half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROBE_SECONDS", "NEAR_PROBE_SECONDS"):
        monkeypatch.setattr(reaching, name, 1000.0)
    dialler = Probed(direct=None)
    assert why_not(half, dialler) == ({}, ["direct"])
    assert sorted(dialler.ended) == ["direct", "lan"]
