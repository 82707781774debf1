"""A sender of HL7 for tests: sends bytes as it likes, and reads what answers them."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Self

from service.hl7.encoding import block


class Sender:
    """One connection to the listener."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *messages: bytes) -> list[str]:
        """Send messages, all in one piece, and return the codes of their acknowledgements."""
        self.socket.sendall(b"".join(map(block, messages)))
        return [self.code() for _ in messages]

    def code(self) -> str:
        """Return the code and the control ID of the next acknowledgement."""
        msa = next(line for line in self.answer().split("\r") if line.startswith("MSA"))
        return "|".join(msa.split("|")[1:3])

    def answer(self) -> str:
        """Return the next acknowledgement."""
        while b"\x1c\r" not in self._rest:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError("the listener has ended the connection")
            self._rest += piece
        answer, _, self._rest = self._rest.partition(b"\x1c\r")
        assert answer.startswith(b"\x0b")
        return answer[1:].decode()

    def is_over(self) -> bool:
        """Return whether the listener ends the connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
