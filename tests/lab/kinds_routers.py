"""A site of a given kind: its computer, its routers and what they let through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.endtoend.world import until
from tests.lab.kinds import Kind
from tests.lab.namespaces import Namespace, find_program, plug

RELAY_NAME, RELAY_PORT = "relay.example", 443
PROXY_PORT, PROXY_NAME, PROXY_PASSWORD = 3128, "anna", "tram-violet-kettle"
LAN = "192.168.1"
"""The network behind every NAT."""

PLACES = {"home": 1, "guest": 2, "relay": 3}
COMPUTERS = {"home": f"{LAN}.20", "guest": f"{LAN}.30"}

FORWARD_NOTHING = """
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    %s
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "%s" ct state new,invalid meta l4proto { tcp, udp } drop
  }
"""
MINIUPNPD_CHAINS = "chain miniupnpd { }\n chain prerouting_miniupnpd { }\n chain postrouting_miniupnpd { }\n"
MINIUPNPD_RULES = "chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }\n"


def address4(place: str) -> str:
    """The address of a place's end of its line."""
    return f"7.7.{PLACES[place]}.2"


def address6(place: str) -> str:
    """The same in IPv6."""
    return f"2a07:7777:{PLACES[place]}::2"


@dataclass
class Site:
    """A computer, and what is between it and its line.

    Attributes:
        place: ``home`` or ``guest``.
        kind: what it is; None in the network that both share.
        computer: where gimmal runs.
        routers: nearest to the internet first; empty where the line ends at the computer.
        environment: for commands there.
    """

    place: str
    kind: Kind | None
    computer: Namespace
    routers: list[Namespace] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def edge(self) -> Namespace:
        """Where the line ends."""
        return self.routers[0] if self.routers else self.computer


def forward(namespace: Namespace) -> None:
    """Let packets of both versions through."""
    namespace.forward()
    namespace.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")


def reach(end: Namespace, place: str, *, ipv4: bool = True, ipv6: bool = True) -> None:
    """Addresses at the end of a line, and the way to the internet."""
    device, number = f"line{PLACES[place]}", PLACES[place]
    if ipv4:
        end.run("ip", "address", "add", f"{address4(place)}/24", "dev", device)
        end.run("ip", "route", "add", "default", "via", f"7.7.{number}.1")
    if ipv6:
        end.run("ip", "address", "add", f"{address6(place)}/64", "dev", device, "nodad")
        end.run("ip", "route", "add", "default", "via", f"2a07:7777:{number}::1")


def build(site: Site, middle: Namespace, naming: Sequence[str], folder: Path) -> None:
    """Everything between the line and the computer of a site whose namespaces and line are there.

    Args:
        site: of a kind.
        middle: the internet's router, which is told of networks behind this one.
        naming: words that let a program find the relay by its name.
        folder: for settings.
    """
    kind = site.kind
    assert kind is not None
    reach(site.edge, site.place, ipv4=kind.ipv4, ipv6=kind.ipv6)
    if kind.name == "firewall":
        _behind_firewall(site, middle)
    elif kind.blocked:
        _behind_proxy(site, naming, folder)
    elif site.routers:
        mapped = "miniupnpd" in kind.programs
        _behind_nat(site, random_ports=not kind.keeps_ports, mapped=mapped)
        if kind.ipv6:
            _ipv6_inside(site, middle)
        if mapped:
            _start_miniupnpd(site.edge, f"line{PLACES[site.place]}", folder / site.place)


def _lan(site: Site, router: Namespace) -> None:
    computer = COMPUTERS[site.place]
    plug(site.computer, "eth0", f"{computer}/24", router, "lan0", f"{LAN}.1/24")
    site.computer.run("ip", "route", "add", "default", "via", f"{LAN}.1")


def _behind_nat(site: Site, *, random_ports: bool, mapped: bool) -> None:
    *outer, inner = site.routers
    _lan(site, inner)
    line = f"line{PLACES[site.place]}"
    if outer:
        plug(inner, "wan0", "10.50.0.2/24", outer[0], "lan0", "10.50.0.1/24")
        inner.run("ip", "route", "add", "default", "via", "10.50.0.1")
        _nat(outer[0], line)
    _nat(inner, "wan0" if outer else line, random_ports=random_ports, mapped=mapped)


def _nat(router: Namespace, outside: str, *, random_ports: bool = False, mapped: bool = False) -> None:
    forward(router)
    # Of IPv4 alone: the table holds rules for both.
    how = f'meta nfproto ipv4 oifname "{outside}" masquerade' + (" random,fully-random" if random_ports else "")
    out = 'iifname "lan0" accept\n' + ("    jump miniupnpd" if mapped else "")
    rules = (
        "table inet filter {\n"
        + (MINIUPNPD_CHAINS if mapped else "")
        + FORWARD_NOTHING % (out, outside)
        + (MINIUPNPD_RULES if mapped else "")
        + f"chain postrouting {{ type nat hook postrouting priority 100; {how}; }}\n}}\n"
    )
    router.run("nft", "-f", "-", stdin=rules)


def _behind_firewall(site: Site, middle: Namespace) -> None:
    (router,) = site.routers
    number = PLACES[site.place]
    inside = f"7.7.1{number}"
    plug(site.computer, "eth0", f"{inside}.2/24", router, "lan0", f"{inside}.1/24")
    site.computer.run("ip", "route", "add", "default", "via", f"{inside}.1")
    middle.run("ip", "route", "add", f"{inside}.0/24", "via", address4(site.place))
    _ipv6_inside(site, middle)
    forward(router)
    rules = FORWARD_NOTHING % ('iifname "lan0" accept', f"line{number}")
    router.run("nft", "-f", "-", stdin=f"table inet filter {{{rules}}}\n")


def _ipv6_inside(site: Site, middle: Namespace) -> None:
    """Addresses of IPv6 behind a router, and the way to them."""
    (router,) = site.routers
    inside = f"2a07:7777:1{PLACES[site.place]}:"
    site.computer.run("ip", "address", "add", f"{inside}:2/64", "dev", "eth0", "nodad")
    router.run("ip", "address", "add", f"{inside}:1/64", "dev", "lan0", "nodad")
    site.computer.run("ip", "route", "add", "default", "via", f"{inside}:1")
    middle.run("ip", "route", "add", f"{inside}:/64", "via", address6(site.place))


def _behind_proxy(site: Site, naming: Sequence[str], folder: Path) -> None:
    (router,) = site.routers
    _lan(site, router)
    rules = "table inet filter { chain forward { type filter hook forward priority 0; policy drop; }\n}\n"
    router.run("nft", "-f", "-", stdin=rules)
    settings = folder / f"{site.place}-tinyproxy.conf"
    settings.write_text(
        f"Port {PROXY_PORT}\nListen {LAN}.1\nTimeout 600\nMaxClients 100\nLogLevel Critical\n"
        f"BasicAuth {PROXY_NAME} {PROXY_PASSWORD}\nConnectPort {RELAY_PORT}\n",
        encoding="ascii",
    )
    program = find_program("tinyproxy")
    assert program is not None
    router.start(*naming, program, "-d", "-c", str(settings))
    until(lambda: f":{PROXY_PORT}" in router.run("ss", "-ntl"), "tinyproxy")
    site.environment["HTTPS_PROXY"] = f"http://{PROXY_NAME}:{PROXY_PASSWORD}@{LAN}.1:{PROXY_PORT}"


def _start_miniupnpd(router: Namespace, outside: str, folder: Path) -> None:
    folder.mkdir()
    config = folder / "miniupnpd.conf"
    config.write_text(
        f"ext_ifname={outside}\nlistening_ip=lan0\nhttp_port=5000\nenable_upnp=yes\nenable_natpmp=yes\n"
        "system_uptime=no\nsecure_mode=yes\nnotify_interval=60\nmin_lifetime=120\nmax_lifetime=86400\n"
        "uuid=7d3a0c5e-3a55-4f0e-9d52-3a1f0c2b9a11\n"
        f"allow 1024-65535 {LAN}.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n",
        encoding="ascii",
    )
    program = find_program("miniupnpd")
    assert program is not None
    with (folder / "miniupnpd.log").open("ab") as log:
        router.start(program, "-d", "-f", str(config), "-P", str(folder / "pid"), stdout=log, stderr=log)
    until(lambda: ":5351" in router.run("ss", "-nul"), "miniupnpd")


def one_network(home: Site, guest: Site) -> None:
    """Both behind the home's router, in one network."""
    (router,) = home.routers
    reach(router, "home", ipv6=False)
    router.run("ip", "link", "add", "lan0", "type", "bridge")
    for site in (home, guest):
        port = f"to-{site.place}"
        plug(site.computer, "eth0", f"{COMPUTERS[site.place]}/24", router, port, f"169.254.{PLACES[site.place]}.1/32")
        router.run("ip", "address", "flush", "dev", port, "scope", "link")
        router.run("ip", "link", "set", port, "master", "lan0")
        site.computer.run("ip", "route", "add", "default", "via", f"{LAN}.1")
    router.run("ip", "address", "add", f"{LAN}.1/24", "dev", "lan0")
    router.run("ip", "link", "set", "lan0", "up")
    _nat(router, f"line{PLACES['home']}")
