"""Whether the line between the namespaces is what it is said to be: expected against measured."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.line import CONGESTIONS, Line, line
from bench.report import Goal, Report, Table

_Add = Callable[[str, str, str, str, "bool | None"], None]
_PORT = "7000"
_SECONDS = 60.0
_TREE = str(Path(__file__).resolve().parent.parent)
_PAYLOAD = (1500 - 52) / 1500
"""The part of a full packet that TCP carries with timestamps."""

_CONNECTIONS = 4
_SETTLED_SECONDS = 4.0
"""After them TCP has found its rate; BBR's search for it overfills the queue and takes seconds to make good."""

_BBR_UNDER_WAY = 3
"""BBR finds its rate by sending at 2.89 times the rate it measures, and ends that only after a round trip in which the
program always had more to send than TCP let it. A send buffer that holds less than so many times what the line holds is
never that full: BBR then stays in its search, overfills the queue for ever, and gets 164 of 193 Mbit/s."""

_DATAGRAMS = 20_000
_BURST = 3000
_BURST_RATE, _BURST_QUEUE = 10e6, 1_500_000


@dataclass(frozen=True)
class Shape:
    """A line to check.

    Attributes:
        rate_bits, loss: as of ``line``; the round trip takes 50 ms.
    """

    rate_bits: float
    loss: float

    @property
    def queue_bytes(self) -> int:
        """What the line carries in 50 ms, as routers are often built."""
        return int(self.rate_bits * 0.05 / 8)


SHAPES = (Shape(1e9, 0.0), Shape(200e6, 0.0), Shape(200e6, 0.005))


def measure(runs: int, folder: Path, seconds: int = 8) -> Report:
    """Check each kind of line once, in both directions where it matters; ``runs`` and ``folder`` play no part.

    Args:
        seconds: how long TCP sends in each check.
    """
    rows: list[list[str]] = []
    goals: list[Goal] = []

    def add(shape: str, what: str, expected: str, measured: str, met: bool | None) -> None:
        rows.append([shape, what, expected, measured, {True: "yes", False: "**no**", None: ""}[met]])
        if met is not None:
            goals.append(Goal(f"line {shape}: {what}", measured.partition(";")[0], expected, met))

    for shape in SHAPES:
        for congestion in CONGESTIONS:
            with line(0.025, shape.rate_bits, shape.loss, shape.queue_bytes, congestion) as made:
                if congestion == CONGESTIONS[0]:
                    _check_packets(made, add)
                    _check_tcp(made, "b", "a", seconds, add)
                _check_tcp(made, "a", "b", seconds, add)
    with line(0.025, _BURST_RATE, 0.0, _BURST_QUEUE) as made:
        _check_queue(made, add)
    note = (
        "Two namespaces joined by the bench's own emulator; round trips by 100 datagrams, loss by "
        f"{_DATAGRAMS:,} datagrams of 1500 bytes at half the rate, TCP by Python for {seconds} s, its rate at the "
        f"receiver after the first {_SETTLED_SECONDS:g} s, by {_CONNECTIONS} connections where the send buffer of one "
        "is too small for the line, or for what BBR has under way while it looks for its rate. With loss, "
        "TCP's rate is its own affair and only bounded from above. All bytes are "
        f"compared by a sum. Buffers as this machine has them: {made.buffers}. The emulator's processor time includes "
        "what the kernel does in TCP for the packets that it delivers."
    )
    report = Report()
    report.tables.append(Table("The line", note, ["line", "figure", "expected", "measured", "as expected"], rows))
    report.goals += goals
    return report


def _check_packets(made: Line, add: _Add) -> None:
    with _role(made, "b", "echo", _PORT):
        found = float(_run(made, "a", "ping", made.address("b"), _PORT, "100"))
    expected = 2000 * made.delay_seconds
    add(made.text(), "round trip", f"{expected:g} ms", f"{found:.2f} ms", abs(found - expected) < 1)
    with _role(made, "b", "count", _PORT) as counting:
        _run(made, "a", "flood", made.address("b"), _PORT, str(_DATAGRAMS), str(made.rate_bits / 2))
        came = int(_end(counting))
    lost = 1 - came / _DATAGRAMS
    spread = 4 * math.sqrt(made.loss * (1 - made.loss) / _DATAGRAMS)
    add(
        made.text(),
        "loss",
        f"{made.loss:.2%} (+- {spread:.2%})" if made.loss else "0",
        f"{lost:.3%}",
        abs(lost - made.loss) <= spread,
    )


def _check_tcp(made: Line, sender: str, receiver: str, seconds: int, add: _Add) -> None:
    before, began = made.counters()[sender], made.cpu_seconds()
    ports = [str(int(_PORT) + number) for number in range(1 if _fits(made) or made.loss else _CONNECTIONS)]
    now = time.monotonic()
    window = (str(now + _SETTLED_SECONDS), str(now + seconds))
    with contextlib.ExitStack() as stack:
        takers = [stack.enter_context(_role(made, receiver, "sink", port, *window)) for port in ports]
        senders = [_start(made, sender, "send", made.address(receiver), port, str(seconds)) for port in ports]
        sent = [_end(sending).split() for sending in senders]
        taken = [_end(taking).split() for taking in takers]
    for (length, check, congestion), (came, came_check) in zip(sent, [(row[0], row[3]) for row in taken], strict=True):
        assert (length, check) == (came, came_check), "the line changed what it carried"
        assert congestion == made.congestion, f"{congestion} was used for {made.congestion}"
    total, took = sum(int(row[0]) for row in taken), max(float(row[1]) for row in taken)
    after = made.counters()[sender]
    processor = (made.cpu_seconds() - began) / took
    assert after.overrun == after.failed == 0, f"the emulator could not keep up: {after}"
    rate, best = 8 * sum(float(row[2]) for row in taken), made.rate_bits * _PAYLOAD
    segments = max(1, after.segments - before.segments)
    about = (
        f"{rate / 1e6:.0f} Mbit/s ({8 * total / took / 1e6:.0f} from the start); queue full for "
        f"{(after.full - before.full) / segments:.2%} of {segments:,} segments in "
        f"{after.frames - before.frames:,} frames, {(after.lost - before.lost) / segments:.2%} lost; "
        f"emulator's CPU {processor:.0%} of one core"
    )
    name = made.text()
    bound = not made.loss
    expected = f"<= {best / 1e6:.0f}" + (f", >= {0.9 * best / 1e6:.0f}" if bound else "") + " Mbit/s"
    what = f"TCP {sender} to {receiver}" + (f", {len(ports)} connections" if len(ports) > 1 else "")
    add(name, what, expected, about, rate <= 1.02 * best and (not bound or rate >= 0.9 * best))


def _fits(made: Line) -> bool:
    """Whether one connection's send buffer (half of it is bookkeeping) holds what TCP wants under way on the line."""
    most = int(made.buffers.split("tcp_wmem")[1].split()[2])
    wanted = _BBR_UNDER_WAY if made.congestion == "bbr" else 1
    return wanted * made.rate_bits * 2 * made.delay_seconds / 8 < most / 2


def _check_queue(made: Line, add: _Add) -> None:
    with _role(made, "b", "count", _PORT) as counting:
        _run(made, "a", "flood", made.address("b"), _PORT, str(_BURST), "0")
        came = int(_end(counting))
    expected = _BURST_QUEUE // 1500
    # While the burst is sent, some of it has already left.
    met = expected <= came <= 1.2 * expected
    add(made.text(), f"of {_BURST:,} packets at once", f"{expected:,} to {1.2 * expected:,.0f} pass", f"{came:,}", met)


@contextlib.contextmanager
def _role(made: Line, side: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = _start(made, side, *words)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _run(made: Line, side: str, *words: str) -> str:
    return subprocess.run(
        _command(made, side, words), cwd=_TREE, check=True, capture_output=True, text=True, timeout=_SECONDS
    ).stdout


def _start(made: Line, side: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(_command(made, side, words), cwd=_TREE, stdout=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=_SECONDS)[0]


def _command(made: Line, side: str, words: Sequence[str]) -> list[str]:
    return made.in_namespace(side, [sys.executable, "-m", "bench.line_probe", *words])
