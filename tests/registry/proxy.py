"""A TCP proxy between client and server that loses replies, after the server has done its part."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress


class Proxy:
    """Passes bytes on, both ways, until it is told otherwise. Used as a context manager."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.lost: list[bytes] = []
        self._lose: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lose_reply(self, *paths: bytes) -> None:
        """Of the next request whose first bytes hold a path, one each, the reply is lost."""
        self._lose += paths

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=60)
        except OSError:
            reset(client)
            return
        doomed = threading.Event()
        back = threading.Thread(target=self._back, args=(server, client, doomed), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                for path in self._lose:
                    if path in data.split(b"\r\n", 1)[0]:
                        self._lose.remove(path)
                        self.lost.append(path)
                        doomed.set()
                        break
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if doomed.is_set():
                    # The server has answered, so it has committed; the client never learns.
                    break
                client.sendall(data)
        reset(client)
        server.close()


def reset(client: socket.socket) -> None:
    """End a connection without another word; RST where nobody reads from it any more."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A thread that waits in recv would keep the connection open beyond its close.
        client.shutdown(socket.SHUT_RDWR)
    client.close()
