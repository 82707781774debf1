"""What stands between clients and a server on this machine: a thread for each way of each connection."""

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress


class Relay(ABC):
    """Passes on what its kinds let through.

    Parameters
    ----------
    target
        Host and port of the server.
    receive_buffer
        Bytes that the system keeps of what a client sends and nobody has read; None leaves it to the system.

    Attributes
    ----------
    port
        Where clients connect, on 127.0.0.1.
    connections
        How many were opened.
    """

    def __init__(self, target: tuple[str, int], receive_buffer: int | None = None) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        if receive_buffer is not None:
            self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.port: int = self._server.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self.connections += 1
                far = socket.create_connection(self._target)
                self._open += [near, far]
                threading.Thread(target=self._to_server, args=(near, far), daemon=True).start()
                threading.Thread(target=self._to_client, args=(far, near), daemon=True).start()

    @abstractmethod
    def _to_server(self, near: socket.socket, far: socket.socket) -> None:
        """Pass on what a client sends, until there is no more."""

    @abstractmethod
    def _to_client(self, far: socket.socket, near: socket.socket) -> None:
        """Pass on what the server sends, until there is no more."""

    def _hang_up(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End every connection."""
        self._hang_up(self._server, *self._open)
        for one in (self._server, *self._open):
            one.close()
