"""The rows of the threat model's table of tests, and by which figures each is covered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        test: what is tested, and its bar.
        figures: one pattern for each figure that has to be there.
        later: why it is no part of this version yet; empty if it is.
    """

    test: str
    figures: tuple[str, ...] = ()
    later: str = ""

    def state(self, names: Sequence[str], met: Sequence[bool]) -> tuple[str, list[int]]:
        """Whether the row is covered, and the numbers, from 1, of the figures that cover it.

        Args:
            names: of all figures.
            met: whether each is.
        """
        if self.later:
            return f"later: {self.later}", []
        found: list[int] = []
        missing = False
        for pattern in self.figures:
            numbers = [number for number, name in enumerate(names, 1) if re.search(pattern, name, re.IGNORECASE)]
            missing = missing or not numbers
            found += numbers
        found = sorted(set(found))
        if not found:
            return "**no figure**", []
        if not all(met[number - 1] for number in found):
            return "**not met**", found
        return ("**in part**" if missing else "covered"), found


ROWS = (
    Row(
        "Noise, Wycheproof, Argon2id, rekey vectors: all equal",
        ("Noise vectors equal", "rekey vectors", "Wycheproof", "Argon2id vectors"),
    ),
    Row("interop with `noiseprotocol`, both roles: 200 of 200", ("interop.*initiator", "interop.*responder")),
    Row(
        "one bit flipped in every handshake and first-record byte; wrong PSK, static, prologue, role: accepted 0",
        ("handshake bits flipped", "first-record bits flipped", "wrong PSK"),
    ),
    Row(
        "2,000 random drop, swap, duplicate, splice, cut, direct and through a hostile relay: wrong bytes 0, "
        "unreported cuts 0",
        (
            "damages on the wire: wrong bytes",
            "damages on the wire: unreported cuts",
            r"^wrong bytes \(",
            r"^unreported cuts \(",
        ),
    ),
    Row("(key, counter) pairs over 10^6 records: duplicates 0", (r"\(key, counter\)",)),
    Row(
        "fuzz frame, message, half-file, listing parsers: crashes 0, extra memory <= 4 MiB",
        ("fuzz.*message", "fuzz.*half-file", r"fuzz.*(record|frame|gate|hello|channel|renewal|handshake)"),
    ),
    Row(
        "1,000 half-open connections and junk hellos: honest connect p95 <= 2x idle; closed at 5 s",
        ("relay: honest connect", r"^honest connect"),
    ),
    Row(
        "10,000 bad hellos: bytes answered 0",
        (r"relay: bytes answered.*bad hellos", r"^\d+ bad hellos|^bytes answered"),
    ),
    Row("relay recorder with 1,000 canaries: canaries seen 0", ("canar",)),
    Row("joining: cut at every durable step, both sides: half-made pairs usable 0", ("joining cut", "pair killed")),
    Row("with the ratchet: crash at every durable step: stranded pairs 0", later="the ratchet is not built"),
    Row("with the ratchet: clone used after a session: alert 100 %", later="the ratchet is not built"),
    Row("disable: latency, forged codes, relay restarted", later="remote disabling is not built"),
    Row(
        "hostile names x every operation 166/166; symlink swapper escapes 0; collision pairs: silent overwrites 0",
        ("hostile names: verdicts", "hostile names x every operation", "symlink swapper", "collision pairs"),
    ),
    Row(
        "fail file-system call i, for every i; unsynced writes reordered: states other than old or new 0",
        ("states other than old or new", "joining cut"),
    ),
    Row(
        "cut at 200 random points of a large transfer, resume: hash equal 200; sent again <= 1 % + 1 record",
        ("cuts at random points", "sent again"),
    ),
    Row(
        "names in CLI and log: raw control or bidi characters 0",
        (r"raw (control|bidi)|control or bidi|names? (in|on) ",),
    ),
    Row("local UI: rebinding, foreign Origin, no token", later="there is no local UI yet"),
    Row("site: every URL x three users; enumeration; webhooks", later="there is no site yet"),
    Row("privacy: seeded user in every table", later="there is no site yet"),
    Row(
        "soak: descriptor growth 0, memory slope <= 1 MiB/h",
        ("^soak: descriptor growth of the (relay|agent)", "^soak: memory slope of the (relay|agent)"),
    ),
    Row(
        "mutants of crypto, path, record and disable modules: killed >= 90 %, paths 100 %",
        (
            "^mutants killed: crypto",
            "^mutants killed: record",
            "^mutants killed: disable",
            "^mutants killed: paths",
            "^mutants killed: display",
        ),
    ),
)
