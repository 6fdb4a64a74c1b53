"""What counts as one source."""

from __future__ import annotations

import pytest

from gimmal.base.sources import source_of


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "::/64"),
    ],
)
def test_sources(address: str, source: str) -> None:
    assert source_of(address) == source


def test_a_network_of_one_owner_is_one_source_and_its_neighbour_another() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:ffff:ffff:ffff")
    assert source_of("2001:db8::1") != source_of("2001:db8:0:1::1")
