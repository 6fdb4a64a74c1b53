"""Kinds of networks that a half is plugged in at, and which path two of them must reach.

What is expected follows from what each kind lets through, by one rule; nothing of it is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.protocol import features

SITE_DELAY_MS, RELAY_DELAY_MS = 5, 7.5
"""On the line of each site, and of the relay, in one direction."""

DIRECT_MS, RELAY_MS = 20, 25
"""Round trips: between two sites, and from a site to the relay; over the relay it is twice the latter."""

PUNCHES = bool(getattr(features, "PUNCH", 0) & features.OFFERED)
"""Whether this version offers hole punching; without it those pairs stay relayed."""


@dataclass(frozen=True)
class Kind:
    """One kind of network, as a computer in it meets it.

    Attributes:
        name: in tables and names of tests.
        title: the same for people.
        about: what there is between the computer and the internet.
        rooms: the namespaces it takes, the one nearest to the internet first, the computer last.
        ipv4, ipv6: whether the internet can be reached by it.
        lets_in4, lets_in6: whether a stranger's connection to the agent's port gets through, once the agent did what it
            can.
        keeps_ports: a connection keeps its port on the way out, and what comes back to that port gets in.
        blocked: only a proxy leads out.
        programs: needed besides those of every laboratory.
    """

    name: str
    title: str
    about: str
    rooms: tuple[str, ...]
    ipv4: bool = True
    ipv6: bool = False
    lets_in4: bool = False
    lets_in6: bool = False
    keeps_ports: bool = True
    blocked: bool = False
    programs: tuple[str, ...] = ()


PUBLIC = Kind(
    "public",
    "public address",
    "nothing: the computer has addresses of its own on the internet, IPv4 and IPv6, and nothing is filtered",
    ("computer",),
    ipv6=True,
    lets_in4=True,
    lets_in6=True,
)
NAT = Kind(
    "nat",
    "NAT",
    "a home router that translates addresses, keeps ports, lets in nothing that was not asked for, and opens no port "
    "when asked; IPv4 alone",
    ("router", "computer"),
)
HOTEL = Kind(
    "hotel",
    "two NATs",
    "the same twice, one behind the other, as a travel router in a hotel's network",
    ("outer", "router", "computer"),
)
MAPPED = Kind(
    "mapped",
    "NAT that opens ports",
    "as NAT, but the router opens a port when asked (miniupnpd, by PCP, NAT-PMP and UPnP)",
    ("router", "computer"),
    lets_in4=True,
    programs=("miniupnpd", "ss"),
)
FIREWALL = Kind(
    "firewall",
    "stateful firewall",
    "a router that translates nothing, IPv4 and IPv6, and lets in nothing that was not asked for",
    ("router", "computer"),
    ipv6=True,
)
DUAL = Kind(
    "dual",
    "NAT and IPv6",
    "a home router of today: IPv4 as NAT; IPv6 as it is, but lets in nothing that was not asked for",
    ("router", "computer"),
    ipv6=True,
)
SYMMETRIC = Kind(
    "symmetric",
    "symmetric NAT",
    "as NAT, but each connection gets a port at random, so that nobody can know where it will come from",
    ("router", "computer"),
    keeps_ports=False,
)
IPV6 = Kind(
    "ipv6",
    "IPv6 alone",
    "nothing: one address of IPv6, nothing filtered, and no IPv4 at all",
    ("computer",),
    ipv4=False,
    ipv6=True,
    lets_in6=True,
)
PROXY = Kind(
    "proxy",
    "443 through a proxy",
    "nothing gets out but port 443 through an HTTP proxy that wants a name and a password (tinyproxy)",
    ("router", "computer"),
    keeps_ports=False,
    blocked=True,
    programs=("tinyproxy", "ss"),
)
KINDS = (PUBLIC, NAT, HOTEL, MAPPED, FIREWALL, DUAL, SYMMETRIC, IPV6, PROXY)

SAME = "same"
"""Both computers behind one NAT, in one local network; no kind of one side alone."""


@dataclass(frozen=True)
class Expected:
    """What a pair must reach.

    Attributes:
        path: as ``status`` names it.
        why: no better one can be had, or why this one can.
    """

    path: str
    why: str


def expected(home: Kind, guest: Kind) -> Expected:
    """The best path that two computers in different networks can have.

    Args:
        home, guest: where each is; which is which makes no difference.
    """
    if home.blocked or guest.blocked:
        return Expected("relayed", "a proxy leads to the relay alone")
    shared = [version for version in (4, 6) if all(getattr(kind, f"ipv{version}") for kind in (home, guest))]
    if not shared:
        return Expected("relayed", "no version of IP in common")
    for version in shared:
        if any(getattr(kind, f"lets_in{version}") for kind in (home, guest)):
            return Expected("direct", f"one side can be dialled by IPv{version}")
    if not (home.keeps_ports and guest.keeps_ports):
        return Expected("relayed", "one side's port cannot be known before")
    if not PUNCHES:
        return Expected("relayed", "neither side lets anybody in, and this version punches no holes")
    return Expected("punched", "both let in what was asked for, and keep their ports")


def expected_near(relay: bool) -> Expected:
    """The same in one local network, whether or not the relay is there."""
    return Expected("lan", "both are in one network" + ("" if relay else ", and the relay is not needed"))


SAMPLE = (
    (NAT, HOTEL),
    (MAPPED, SYMMETRIC),
    (FIREWALL, DUAL),
    (DUAL, NAT),
    (DUAL, IPV6),
    (IPV6, NAT),
    (PUBLIC, PROXY),
)
"""Pairs, home first, that every run of the tests takes; each kind is in it once at least."""
