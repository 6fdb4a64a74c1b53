"""UPnP: what is asked of the library, and what is believed of its process. A real router is in tests/lab."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gimmal.transport.port_mapping.failures import NoAnswer, NoMapping
from gimmal.transport.port_mapping.upnp import COMMAND, UpnpWay
from gimmal.transport.port_mapping.upnp_process import Device, Refused
from gimmal.transport.port_mapping.ways import LIFETIME
from tests.patience import PATIENCE
from tests.transport.port_mapping.router import OUTSIDE

OWN = "192.168.1.20"
PORT = 4100


class Library:
    """What the library does with a router, without the router."""

    def __init__(self, failure: str = "") -> None:
        self.lanaddr = OWN
        self.failure = failure
        self.control = "http://192.168.1.1:5000/ctl/IPConn"
        self.table: dict[int, tuple[str, int, str, bool, int]] = {}

    def discover(self) -> int:
        return 1

    def selectigd(self) -> str:
        return self.control

    def externalipaddress(self) -> str:
        return OUTSIDE

    def getspecificportmapping(self, external: int, _protocol: str) -> tuple[str, int, str, bool, int] | None:
        return self.table.get(external)

    def addportmapping(
        self, external: int, protocol: str, host: str, port: int, description: str, _remote: str, lifetime: int
    ) -> bool:
        assert protocol == "TCP"
        if self.failure:
            raise Exception(self.failure)
        self.table[external] = (host, port, description, True, lifetime)
        return True

    def deleteportmapping(self, external: int, _protocol: str) -> bool:
        del self.table[external]
        return True


class TestDevice:
    def test_the_port_wished_for_is_mapped_looked_at_and_ended(self) -> None:
        library = Library()
        device = Device(library, OWN)
        assert device.find("192.168.1.1") == {"address": OUTSIDE}
        assert device.map(PORT, [PORT, 20_000], 3600) == {"address": OUTSIDE, "port": PORT, "lifetime": 3600}
        assert library.table == {PORT: (OWN, PORT, "port mapping", True, 3600)}
        assert device.look() == {"address": OUTSIDE, "same": True}
        device.release()
        assert device.look() == {"address": OUTSIDE, "same": False}

    def test_a_port_of_another_computer_is_left_to_it(self) -> None:
        library = Library()
        others = ("192.168.1.30", PORT, "", True, 0)
        library.table[PORT] = others
        assert Device(library, OWN).map(PORT, [PORT, 20_000], 3600)["port"] == 20_000
        assert library.table[PORT] == others

    def test_a_port_of_another_program_of_this_computer_is_left_to_it(self) -> None:
        library = Library()
        library.table[PORT] = (OWN, 22, "", True, 0)
        assert Device(library, OWN).map(PORT, [PORT, 20_000], 3600)["port"] == 20_000

    def test_no_free_port_is_told(self) -> None:
        library = Library("ConflictInMappingEntry")
        with pytest.raises(Refused, match="no free port"):
            Device(library, OWN).map(PORT, [PORT, 20_000], 3600)

    def test_a_mapping_without_an_end_is_not_wanted(self) -> None:
        with pytest.raises(Refused, match="without an end"):
            Device(Library("OnlyPermanentLeasesSupported"), OWN).map(PORT, [PORT], 3600)

    def test_a_device_that_is_not_the_router_is_not_asked(self) -> None:
        library = Library()
        library.control = "http://192.168.1.66:5000/ctl/IPConn"
        with pytest.raises(Refused, match="not the router"):
            Device(library, OWN).find("192.168.1.1")

    def test_a_router_that_sees_another_address_is_not_asked(self) -> None:
        with pytest.raises(Refused, match="another address"):
            Device(Library(), "192.168.7.7").find("192.168.1.1")


def way(lines: list[str]) -> UpnpWay:
    """With a process that answers these lines, whatever it is asked."""
    program = (
        f"import sys\nfor line in {lines!r}:\n    sys.stdin.readline()\n    print(line, flush=True)\nsys.stdin.read()"
    )
    return UpnpWay(None, None, PORT, [sys.executable, "-c", program])


FOUND = json.dumps({"address": OUTSIDE})


def mapped(port: int = PORT, **more: Any) -> str:
    return json.dumps({"address": OUTSIDE, "port": port, "lifetime": 3600} | more)


def run(test: Any) -> None:
    asyncio.run(test)


class TestProcess:
    def test_answers_become_a_mapping(self) -> None:
        async def test() -> None:
            one = way([FOUND, mapped(), json.dumps({"address": OUTSIDE, "same": True}), FOUND])
            await one.find(PATIENCE)
            mapping = await one.map(PATIENCE)
            assert (mapping.address, mapping.port, mapping.lifetime) == (OUTSIDE, PORT, LIFETIME)
            assert await one.stands(PATIENCE)
            assert not await one.stands(PATIENCE)
            await one.close(PATIENCE)

        run(test())

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "x",
            "[]",
            '{"address": 7}',
            '{"address": "11.22.33.44", "more": 1}',
            '{"address": "11.22.33.44", "port": 65536}',
            '{"address": "' + "1" * 5000 + '"}',
            '{"failure": "' + "x" * 500 + '"}',
        ],
    )
    def test_what_is_no_answer_ends_the_process(self, line: str) -> None:
        async def test() -> None:
            one = way([line])
            with pytest.raises(NoAnswer, match="ended"):
                await one.find(PATIENCE)
            with pytest.raises(NoAnswer, match="ended"):
                await one.map(PATIENCE)
            await one.close(PATIENCE)

        run(test())

    @pytest.mark.parametrize("address", ["", "x", "192.168.1.1", "100.64.0.1", "2a00::1"])
    def test_an_address_that_nobody_can_dial_is_not_offered(self, address: str) -> None:
        async def test() -> None:
            one = way([json.dumps({"address": address})])
            with pytest.raises(NoMapping):
                await one.find(PATIENCE)
            await one.close(PATIENCE)

        run(test())

    def test_a_port_that_was_not_asked_for_is_not_believed(self) -> None:
        async def test() -> None:
            one = way([FOUND, mapped(22)])
            await one.find(PATIENCE)
            with pytest.raises(NoMapping, match="gave no port"):
                await one.map(PATIENCE)
            await one.close(PATIENCE)

        run(test())

    def test_a_failure_is_told(self) -> None:
        async def test() -> None:
            one = way([FOUND, json.dumps({"failure": "it does not want to"})])
            await one.find(PATIENCE)
            with pytest.raises(NoMapping, match="it does not want to"):
                await one.map(PATIENCE)
            await one.close(PATIENCE)

        run(test())

    def test_a_process_that_says_nothing_is_ended(self) -> None:
        async def test() -> None:
            one = way([])
            with pytest.raises(NoAnswer):
                await one.find(0.2)
            await one.close(PATIENCE)

        run(test())

    def test_a_process_that_cannot_be_started_is_told(self) -> None:
        async def test() -> None:
            one = UpnpWay(None, None, PORT, ["/nowhere/at/all"])
            with pytest.raises(NoMapping, match="cannot be started"):
                await one.find(PATIENCE)
            await one.close(PATIENCE)

        run(test())

    def test_the_end_of_stdin_is_what_ends_it(self, tmp_path: Path) -> None:
        async def test() -> None:
            program = (
                "import pathlib, sys\n"
                f"for line in {[FOUND, mapped()]!r}:\n    sys.stdin.readline()\n    print(line, flush=True)\n"
                f"sys.stdin.read()\npathlib.Path({str(tmp_path / 'ended')!r}).touch()"
            )
            one = UpnpWay(None, None, PORT, [sys.executable, "-c", program])
            await one.find(PATIENCE)
            await one.map(PATIENCE)
            await one.close(PATIENCE)
            assert (tmp_path / "ended").exists()

        run(test())


def test_the_real_process_ends_with_its_stdin_and_answers_nothing_unasked() -> None:
    ended = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, cwd="/")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
