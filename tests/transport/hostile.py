"""A middle that sees every byte between two sockets and damages them on purpose, once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field

DAMAGES = ("flip", "drop", "double", "swap", "splice", "reflect", "truncate", "cut", "insert", "length")


@dataclass
class Middle:
    """Passes records of several connections on, and damages one of them once.

    Args:
        damage: one of DAMAGES.
        at: index of the record that is damaged, in the direction damaged.
        direction: 0 from the dialler, 1 to it.
        chance: where in the record, and with what.

    Attributes:
        happened: whether the damage was done before the connections ended.
    """

    damage: str
    at: int
    direction: int
    chance: random.Random
    happened: bool = False
    other_records: list[bytes] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    def wire(self, ends: tuple[socket.socket, socket.socket], beyond: tuple[socket.socket, socket.socket]) -> None:
        """Stand between ``ends[1]`` and ``beyond[0]``; the first wire is the one that is damaged."""
        first = not self.sockets
        near, far = ends[1], beyond[0]
        self.sockets += [near, far]
        for direction, (source, target) in enumerate(((near, far), (far, near))):
            damaged = first and direction == self.direction
            self.tasks.append(asyncio.create_task(self._pass_on(source, target, damaged=damaged, other=not first)))

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for each in self.sockets:
            each.close()

    async def _pass_on(self, source: socket.socket, target: socket.socket, *, damaged: bool, other: bool) -> None:
        loop = asyncio.get_running_loop()
        index, held = 0, b""
        try:
            while True:
                record = await self._record(source)
                if record is None:
                    break
                if other:
                    self.other_records.append(record)
                    del self.other_records[:-4]
                    await loop.sock_sendall(target, record)
                    continue
                if not damaged:
                    self.other_records.append(record)
                    del self.other_records[:-4]
                if damaged and index == self.at and not self.happened:
                    changed = self._change(record)
                    if changed is None:
                        held = record  # to be swapped with the next
                    elif not changed and self.damage == "cut":
                        break
                    else:
                        await loop.sock_sendall(target, changed)
                        if self.damage == "truncate":
                            break
                else:
                    await loop.sock_sendall(target, record + held)
                    held = b""
                index += 1
        except OSError:
            pass
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _change(self, record: bytes) -> bytes | None:
        """What goes out instead; None to hold it back until the next has gone."""
        self.happened = True
        chance = self.chance
        where = chance.randrange(len(record))
        match self.damage:
            case "flip":
                return record[:where] + bytes([record[where] ^ (1 << chance.randrange(8))]) + record[where + 1 :]
            case "drop" | "cut":
                return b""
            case "double":
                return record + record
            case "swap":
                return None
            case "splice" | "reflect":
                # A record that is genuine, but of another link or the other direction.
                foreign = chance.choice(self.other_records) if self.other_records else record
                return foreign if chance.random() < 0.5 else foreign + record
            case "truncate":
                return record[:where]
            case "insert":
                return record[:where] + chance.randbytes(chance.randint(1, 40)) + record[where:]
            case "length":
                return struct.pack(">I", chance.choice([0, 28, 29, 1 << 20, 1_048_606, (1 << 32) - 1])) + record[4:]
        raise AssertionError(self.damage)

    async def _record(self, source: socket.socket) -> bytes | None:
        prefix = await self._exactly(source, 4)
        if prefix is None:
            return None
        rest = await self._exactly(source, struct.unpack(">I", prefix)[0])
        return None if rest is None else prefix + rest

    async def _exactly(self, source: socket.socket, size: int) -> bytes | None:
        got = bytearray()
        while len(got) < size:
            more = await asyncio.get_running_loop().sock_recv(source, size - len(got))
            if not more:
                return None
            got += more
        return bytes(got)
