"""A whole session from a network that blocks: real firewall, real proxies, real commands."""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.endtoend.processes import Relay
from tests.endtoend.world import RUN, World, digest, new_world, write_file
from tests.figures import figure
from tests.lab.blocked_network import (
    NAME,
    OUTSIDE,
    PASSWORD,
    PROXY,
    PROXY_PORT,
    BlockedNetwork,
    Namespace,
    blocked_network,
)

SIZE = 3_000_000
WITH_PROXY = {"HTTPS_PROXY": f"http://{NAME}:{PASSWORD}@{PROXY}:{PROXY_PORT}"}


@dataclass
class Sides:
    """Computer a with its agent, and computer b; one of them inside."""

    world: World
    a_place: Namespace
    b_place: Namespace
    inside: Namespace
    a_environment: dict[str, str]
    b_environment: dict[str, str]
    shared: Path
    mine: Path

    def command(self, *words: str | Path, code: int = 0):  # type: ignore[no-untyped-def]
        return self.world.run(
            self.world.b,
            *words,
            code=code,
            driver=self.b_place.driver(RUN),
            environment=self.b_environment,
            directory=self.mine,
        )

    def travels(self, way: str, by: str, proxy: str = "") -> None:
        """What ``status`` says of the command's way to the relay, or the agent's where that is inside."""
        agent = self.world.agent_status(self.world.a)
        (relay,) = agent["relays"]
        other = self.command("status", "--json").objects[0]["other_side"]
        if self.a_place is not self.inside:
            assert (other["way"], relay["by"], relay["proxy"]) == (way, "tls", "")
        else:
            assert (other["way"], relay["by"], relay["proxy"]) == ("raw", by, proxy)

    def first_listing_and_copies(self, what: str) -> None:
        write_file(self.shared / "film", SIZE, seed=1)
        write_file(self.mine / "letter", SIZE, seed=2)
        started = time.monotonic()
        assert "film" in self.command("ls", ":shared").out
        figure(f"blocked network: first listing, {what}, s", round(time.monotonic() - started, 2), "reported")
        self.command("cp", ":shared/film", self.mine)
        self.command("cp", self.mine / "letter", ":shared")
        assert digest(self.mine / "film") == digest(self.shared / "film")
        assert digest(self.shared / "letter") == digest(self.mine / "letter")


@contextmanager
def sides(
    network: BlockedNetwork,
    *,
    agent_inside: bool = False,
    environment: dict[str, str] | None = None,
    relay: tuple[str, ...] = ("--listen", f"{OUTSIDE}:443"),
) -> Iterator[Sides]:
    """Relay outside; the agent of a inside or outside, b in the other place; the environment is for who is inside."""
    inner = environment or {}
    with new_world() as world:
        started: Relay = world.start(
            world.a,
            "relay",
            *relay,
            "--state",
            world.base / "relay",
            driver=network.outside.driver(RUN),
            kind=Relay,
        )
        started.wait_ready()
        world.relay = started
        world.pair()
        shared, mine = world.a.folder("shared"), world.b.folder("mine")
        places = (network.inside, network.outside) if agent_inside else (network.outside, network.inside)
        environments = (inner, {}) if agent_inside else ({}, inner)
        certificates = {name: value for name, value in inner.items() if name == "SSL_CERT_FILE"}
        made = Sides(
            world, *places, network.inside, environments[0] | certificates, environments[1] | certificates, shared, mine
        )
        agent = world.up(
            world.a, shared, driver=places[0].driver(RUN), environment=made.a_environment, listen="127.0.0.1:0"
        )
        world.relay_sees(agent, world.a)
        yield made


@pytest.mark.parametrize("agent_inside", [False, True])
def test_through_a_proxy_that_wants_a_password(tmp_path: Path, agent_inside: bool) -> None:
    with blocked_network("tinyproxy") as network:
        network.only_the_proxy(tmp_path)
        with sides(network, agent_inside=agent_inside, environment=WITH_PROXY) as made:
            made.first_listing_and_copies(f"proxy, {'home' if agent_inside else 'guest'} inside")
            made.travels("websocket", "websocket", f"{PROXY}:{PROXY_PORT}")


def test_without_the_right_password_the_proxy_is_named_and_the_password_is_not(tmp_path: Path) -> None:
    with blocked_network("tinyproxy") as network:
        network.only_the_proxy(tmp_path)
        with sides(network, environment=WITH_PROXY) as made:
            made.b_environment = {"HTTPS_PROXY": f"http://{NAME}:wrong-{PASSWORD}@{PROXY}:{PROXY_PORT}"}
            started = time.monotonic()
            result = made.command("ls", ":shared", code=7)
            assert PASSWORD not in result.err + result.out and NAME not in result.err
            # Not the command's own deadline: the network drops all that goes past the proxy.
            assert f"through the proxy {PROXY}:{PROXY_PORT}: the proxy does not take the name" in result.err, result.err
            figure("a wrong proxy password is told, s", round(time.monotonic() - started, 2), "reported")


@pytest.mark.parametrize("verdict", ["drop", "reject with tcp reset"])
@pytest.mark.parametrize("agent_inside", [False, True])
def test_where_only_tls_passes(verdict: str, agent_inside: bool) -> None:
    with blocked_network() as network:
        network.only_tls(verdict)
        with sides(network, agent_inside=agent_inside) as made:
            who = "home" if agent_inside else "guest"
            made.first_listing_and_copies(f"raw legs {verdict.split(' ')[0]}, {who} inside")
            assert network.raw_legs_blocked() > 0
            if agent_inside:
                assert made.world.agent_status(made.world.a)["relays"][0]["way"] == "tls"
            made.travels("tls", "tls")


def test_a_relay_behind_nginx(tmp_path: Path) -> None:
    with blocked_network("nginx") as network:
        chain, key, authority = certificate_of(OUTSIDE, tmp_path)
        tmp_path.chmod(0o755)
        network.reverse_proxy(tmp_path, chain, key, 7117)
        options = ("--listen", "127.0.0.1:7117", "--name", f"{OUTSIDE}:443", "--behind", "127.0.0.1")
        options += ("--certificate", str(chain), "--certificate-key", str(key))
        with sides(network, environment={"SSL_CERT_FILE": str(authority)}, relay=options) as made:
            assert made.world.relay is not None
            assert made.world.relay.url == f"gimmal-relay://{OUTSIDE}:443/"
            made.first_listing_and_copies("nginx before the relay")


def certificate_of(address: str, directory: Path) -> tuple[Path, Path, Path]:
    """A certificate for an address, its key, and the authority that vouches for it."""
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "laboratory")])

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey, ca: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False)
        )

    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root = build(root_name, root_key.public_key(), True).add_extension(usage, True).sign(root_key, SHA256())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    leaf = build(subject, key.public_key(), False).add_extension(names, False).sign(root_key, SHA256())
    chain, private, authority = directory / "chain.pem", directory / "key.pem", directory / "root.pem"
    chain.write_bytes(leaf.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    authority.write_bytes(root.public_bytes(Encoding.PEM))
    return chain, private, authority
