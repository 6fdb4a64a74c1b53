"""A wire that listens in on, or tampers with, the TCP connections that run over it."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

TLS_FIRST = 0x16
CHUNK = 1 << 16


class CutError(Exception):
    """The wire is cut here."""


Tamper = Callable[[bytes], bytes]
"""Takes a piece of a stream, returns what is passed on; raises CutError to end the connection."""


@dataclass
class Flow:
    """One direction of one connection."""

    leg: bool
    """Whether it is a relay's data leg, not TLS."""
    upward: bool
    tamper: Tamper | None = None
    passed: int = 0


@dataclass
class Wire:
    """Listens on a port of its own and passes each connection on to ``target``.

    Args:
        target: port on 127.0.0.1.
        make_tamper: asked for each direction of each connection what to do with its bytes.
        record: keep all bytes that pass.
        spread: come from another loopback address each time, so that what one connection did wrong is not held
            against the next.
    """

    target: int
    make_tamper: Callable[[Flow], Tamper | None] = lambda _flow: None
    record: bool = False
    spread: bool = False
    seen: bytearray = field(default_factory=bytearray)
    legs: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        self._count = 0
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
            except OSError:
                return
            self._begin(self._carry, near)

    def _source(self) -> tuple[str, int] | None:
        if not self.spread:
            return None
        with self._lock:
            self._count += 1
            return f"127.{1 + self._count // 62_500 % 250}.{self._count // 250 % 250}.{2 + self._count % 250}", 0

    def _carry(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self.target), source_address=self._source())
        except OSError:
            near.close()
            return
        with self._lock:
            if self._closed:
                near.close()
                far.close()
                return
            self._open |= {near, far}
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            first = near.recv(1, socket.MSG_PEEK)
            leg = bool(first) and first[0] != TLS_FIRST
            self.legs += leg
            for upward, source, sink in ((True, near, far), (False, far, near)):
                flow = Flow(leg, upward)
                flow.tamper = self.make_tamper(flow)
                self._begin(self._pump, flow, source, sink)

    def _pump(self, flow: Flow, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(CHUNK):
                if self.record:
                    with self._lock:
                        self.seen += data
                passed = flow.tamper(data) if flow.tamper is not None else data
                flow.passed += len(data)
                if passed:
                    sink.sendall(passed)
            sink.shutdown(socket.SHUT_WR)
        except (OSError, CutError) as exc:
            if isinstance(exc, CutError):
                for one in (source, sink):
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
        finally:
            with suppress(OSError):
                source.shutdown(socket.SHUT_RD)

    def cut(self) -> None:
        """End all connections; new ones are carried on."""
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        # Wakes the thread that accepts; closing alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for one in self._open:
            one.close()


class Tampering:
    """Alters a stream once, at a byte chosen beforehand.

    Args:
        kind: flip, drop, repeat, reorder, truncate or splice.
        at: byte of the stream.
        other: bytes of another stream, for splice.
    """

    def __init__(self, kind: str, at: int, drawn: random.Random, other: Callable[[], bytes] = lambda: b"") -> None:
        self.kind = kind
        self.at = at
        self.done = False
        self._drawn = drawn
        self._other = other
        self._passed = 0
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        start = self._passed
        self._passed += len(data)
        if self._held:
            held, self._held = self._held, b""
            return data + held
        if self.done or self._passed <= self.at:
            return data
        self.done = True
        cut = max(0, self.at - start)
        before, after = data[:cut], data[cut:]
        size = min(len(after), self._drawn.choice((1, 16, 29, 1000, 60_000)))
        piece, rest = after[:size], after[size:]
        if self.kind == "flip":
            flipped = bytearray(piece)
            flipped[self._drawn.randrange(size)] ^= 1 << self._drawn.randrange(8)
            return before + bytes(flipped) + rest
        if self.kind == "drop":
            return before + rest
        if self.kind == "repeat":
            return before + piece + piece + rest
        if self.kind == "reorder":
            if rest and rest[: len(piece)] != piece:
                return before + rest[: len(piece)] + piece + rest[len(piece) :]
            self._held = after
            return before
        if self.kind == "splice":
            other = self._other()
            return before + (other[:size] or bytes(size)) + rest
        raise CutError
