"""Which addresses outside are offered."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gimmal.transport.port_mapping.external import require_of_the_internet
from gimmal.transport.port_mapping.failures import NoMapping


@pytest.mark.parametrize(
    "text",
    [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "169.254.3.4",
        "0.1.2.3",
        "224.0.0.1",
        "233.252.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff0e::1",
    ],
)
def test_what_nobody_outside_can_dial_is_not(text: str) -> None:
    with pytest.raises(NoMapping, match=f"{text} cannot be reached"):
        require_of_the_internet(ip_address(text))


@pytest.mark.parametrize("text", ["0.0.0.0", "::"])
def test_none_is_not(text: str) -> None:
    with pytest.raises(NoMapping, match="no address outside"):
        require_of_the_internet(ip_address(text))


@pytest.mark.parametrize("text", ["11.22.33.44", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2a00::1"])
def test_one_of_the_internet_is(text: str) -> None:
    assert str(require_of_the_internet(ip_address(text))) == text
