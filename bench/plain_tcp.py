"""A yardstick: the same file through one TCP connection in plain text, no check, no name rules, nothing made durable.

    python -m bench.plain_tcp serve                        prints its port, then serves until it is stopped
    python -m bench.plain_tcp get PORT SOURCE TARGET       a file from the server's side
    python -m bench.plain_tcp put PORT SOURCE TARGET       a file to it

For the bench alone, on 127.0.0.1: whoever reaches the port reads and writes files as this user.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

_PIECE = 1 << 20


def main() -> int:
    """Serve or copy."""
    if sys.argv[1] == "serve":
        _serve()
    else:
        verb, port, source, target = sys.argv[1:]
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(f"{verb}\n{source if verb == 'get' else target}\n".encode())
            if verb == "get":
                _receive(connection, Path(target))
            else:
                _send(connection, Path(source))
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
    return 0


def _serve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _address = server.accept()
            threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection:
        with connection.makefile("rb", buffering=0) as lines:
            verb, path = lines.readline().decode().strip(), Path(lines.readline().decode().strip())
        if verb == "get":
            _send(connection, path)
        else:
            _receive(connection, path)


def _send(connection: socket.socket, path: Path) -> None:
    piece = memoryview(bytearray(_PIECE))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(piece):
            connection.sendall(piece[:count])


def _receive(connection: socket.socket, path: Path) -> None:
    piece = memoryview(bytearray(_PIECE))
    with open(path, "wb", buffering=0) as file:
        while count := connection.recv_into(piece):
            file.write(piece[:count])


if __name__ == "__main__":
    sys.exit(main())
