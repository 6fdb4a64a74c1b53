"""The proxy that the settings of this computer name."""

from __future__ import annotations

import pytest

from gimmal.base.errors import RelayError
from gimmal.transport.proxy import Proxy, parse_proxy, proxy_for


@pytest.fixture(autouse=True)
def _none_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.corp:3128", Proxy("proxy.corp", 3128)),
        ("http://proxy.corp:3128/", Proxy("proxy.corp", 3128)),
        ("proxy.corp:3128", Proxy("proxy.corp", 3128)),
        ("http://proxy.corp", Proxy("proxy.corp", 80)),
        ("http://[2001:db8::1]:8080", Proxy("2001:db8::1", 8080)),
        ("http://anna:p%40ss%3A@proxy.corp:3128", Proxy("proxy.corp", 3128, "anna", "p@ss:")),
        ("http://anna@proxy.corp:3128", Proxy("proxy.corp", 3128, "anna", "")),
    ],
)
def test_urls_of_proxies(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    "text",
    [
        "socks5://anna:hush@proxy.corp:1080",
        "https://anna:hush@proxy.corp",
        "http://anna:hush@",
        "http://anna:hush@proxy.corp:99999",
        "http://anna:hush@[::1",
        "http://anna:hush%0d%0aX@proxy.corp",
        "http://an%3Ana:hush@proxy.corp",
        "http://anna:hush%ff@proxy.corp",
        "http://anna:hush@pro\u202exy:1",
    ],
)
def test_other_urls_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RelayError) as caught:
        parse_proxy(text)
    assert "hush" not in caught.value.message + caught.value.hint
    assert "anna" not in caught.value.message + caught.value.hint


def test_name_and_password_are_shown_nowhere() -> None:
    proxy = parse_proxy("http://anna:hush@proxy.corp:3128")
    assert "hush" not in repr(proxy) and "anna" not in repr(proxy) and proxy.address == "proxy.corp:3128"


@pytest.mark.parametrize(
    ("settings", "host", "port"),
    [
        ({}, "relay.example.org", None),
        ({"HTTPS_PROXY": "http://proxy:1"}, "relay.example.org", 1),
        ({"https_proxy": "http://proxy:2"}, "relay.example.org", 2),
        ({"ALL_PROXY": "http://proxy:3"}, "relay.example.org", 3),
        ({"HTTPS_PROXY": "http://proxy:1", "ALL_PROXY": "http://proxy:3"}, "relay.example.org", 1),
        ({"HTTP_PROXY": "http://proxy:4"}, "relay.example.org", None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "example.org"}, "relay.example.org", None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"}, "relay.example.org", None),
        ({"HTTPS_PROXY": "http://proxy:1", "no_proxy": "other.org"}, "relay.example.org", 1),
        ({"HTTPS_PROXY": ""}, "relay.example.org", None),
    ],
)
def test_settings_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], host: str, port: int | None
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_for(host)
    assert (proxy.port if proxy else None) == port
