"""Every number of the relay (docs/spec/relay.md, section 8)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gimmal.protocol.relay.server import Pace


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """What the relay grants; times in seconds, sizes in bytes."""

    hello_seconds: float = 5.0
    """From accept to a verified Prove or a valid ticket."""
    half_open: int = 512
    """Connections that have shown neither yet, in all."""
    half_open_per_source: int = 64
    connections: int = 10_000
    """Connections of every kind."""
    controls_per_source: int = 512
    """Control connections of one source that have proved themselves."""
    askers_per_side: int = 16
    probe_seconds: float = 2.0
    """How long an answerer may take to show that it lives when a second one comes."""
    links_per_pair: int = 64
    """Links of a pair, waiting for legs or joined."""
    ticket_seconds: float = 10.0
    pace: Pace = field(default_factory=Pace)
    """Messages of a control."""
    control_waiting: int = 256 * 1024
    """Bytes that may wait for a control which does not read."""
    chunk: int = 1 << 20
    """Bytes one direction of a link may hold here, and moves before the next has its turn."""
    chunks: int = 32
    """Directions that may hold a whole chunk at a time. An unprivileged user has 64 MiB of pipes."""
    chunks_per_pair: int = 2
    spill: int = 16 * 1024
    """Bytes a direction may hold when no chunk is free; with 64 links a pair holds 4 MiB at most."""
    stalled_seconds: float = 60.0
    """A receiver that takes nothing for so long, with bytes waiting, loses its link."""
    half_closed_seconds: float = 300.0
    """A link with one direction ended, on which nothing moves for so long, is closed."""
    pairs: int = 1_000_000
    """Pairs in the ledger; a new one is refused beyond."""
    flush_seconds: float = 5.0
    """Counted bytes reach the disk after so long at the latest."""
    free_offences: int = 4
    no_hello_penalty: float = 1.0
    bad_hello_penalty: float = 5.0
    deadline_penalty: float = 10.0
    penalty_max: float = 600.0
    offences_halved: float = 600.0
    """Seconds without an offence after which half of them are forgotten."""
    sources_remembered: int = 65_536
    """Sources with offences that are kept at a time; the oldest is forgotten first."""
    stop_seconds: float = 2.0
    """How long a stop waits for farewells."""
