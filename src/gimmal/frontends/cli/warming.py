"""What an agent needs of Python, imported and set up ahead."""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "gimmal.frontends.cli.up",
    "gimmal.frontends.cli.pulled",
    "gimmal.frontends.cli.reaching",
    "gimmal.agent.run",
    "gimmal.agent.kept_shares",
    "psutil",
    "pwd",
)


def prepare_for_agents() -> None:
    """Import what `gimmal up` imports until the other side is reached, also what it imports where it needs it.

    And do once what costs more the first time. The keys are nobody's.
    """
    for name in _MODULES:
        import_module(name)
    from gimmal.agent.control import CONTROL_VERSION, Question
    from gimmal.base.primitives import random_bytes, sign, sign_public, verify, x25519, x25519_public
    from gimmal.frontends.cli.up import command
    from gimmal.protocol.codec import decode_struct, encode
    from gimmal.protocol.messages import Hello, Join
    from gimmal.protocol.relay.url import RelayUrl
    from gimmal.transport.relay_tls import client_context

    private = random_bytes(32)
    x25519(private, x25519_public(private))
    verify(sign_public(private), b"", sign(private, b""))
    client_context(RelayUrl("relay.invalid", 1, pin=bytes(32)))
    for message in (Hello(1, "", 0, b"", bytes(16), agent=True), Join(0, bulk=False), Question(CONTROL_VERSION, "")):
        decode_struct(type(message), encode(message))
    command.make_context("up", ["--json"], resilient_parsing=True).close()
