"""A destination that keeps no rule it is not told to: plain bytes on a socket, independent of pynetdicom."""

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.service.dicom.odd_requests import APPLICATION_CONTEXT, item
from tests.service.dicom.raw_scu import NO_DATA_SET, command_set, data_pdu, parsed, pdu

#: The PDU that answers an association request's body; None hangs up.
Answer = Callable[[bytes], bytes | None]


def proposed(body: bytes) -> list[tuple[int, list[bytes]]]:
    """Return the IDs and transfer syntaxes of the contexts of a request's body."""
    contexts = []
    for kind, value in _items(body[68:]):
        if kind == 0x20:
            contexts.append((value[0], [uid for sub, uid in _items(value[4:]) if sub == 0x40]))
    return contexts


def _items(encoded: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(encoded):
        length = int.from_bytes(encoded[at + 2 : at + 4], "big")
        found.append((encoded[at], encoded[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def accept(
    body: bytes,
    *,
    titles: bytes | None = None,
    version: int = 1,
    application: bytes | None = APPLICATION_CONTEXT,
    information: bytes | None = None,
    more: bytes = b"",
    padding: bytes = b"",
    results: bytes = b"",
    cut: int = 0,
) -> bytes:
    """Return an A-ASSOCIATE-AC that accepts every context of a request's body, as odd as wanted."""
    head = struct.pack(">HH", version, 0) + (body[4:36] if titles is None else titles) + bytes(32)
    contexts = b"".join(
        item(0x21, bytes((number, 0, 0, 0)) + item(0x40, syntaxes[0] + padding)) for number, syntaxes in proposed(body)
    )
    usual = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"2.25.1"))
    answer = head + (b"" if application is None else item(0x10, application)) + contexts + results + more
    answer += usual if information is None else information
    return pdu(0x02, answer[: len(answer) - cut])


@dataclass
class RawScp:
    """Answers each association request as told, and each C-STORE and C-ECHO with success.

    After `ends_after_s` seconds of silence it releases the first association, and hangs up on the next, in turns.
    """

    answer: Answer
    ends_after_s: float = 30.0
    associations: int = 0
    stored: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        port: int = self._server.getsockname()[1]
        return port

    def destination(self, name: str) -> Mapping[str, Any]:
        """Return the table of a destination's settings."""
        return {
            "name": name,
            "ae_title": name.upper()[:16],
            "host": "127.0.0.1",
            "port": self.port,
            "confirm": "none",
        }

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._associate, args=(connection,), daemon=True).start()

    def _associate(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, EOFError):
            connection.settimeout(self.ends_after_s)
            _, request = _receive(connection)
            answer = self.answer(request)
            if answer is None:
                return
            connection.sendall(answer)
            self.associations += 1
            releases = self.associations % 2
            command, awaits_data = b"", False
            while True:
                try:
                    kind, body = _receive(connection)
                except TimeoutError:
                    if releases:
                        connection.sendall(pdu(0x05, bytes(4)))
                        _receive(connection)
                    return
                if kind == 0x05:
                    connection.sendall(pdu(0x06, bytes(4)))
                    return
                if kind != 0x04:
                    return
                while body:
                    length = int.from_bytes(body[:4], "big")
                    context_id, control, fragment, body = body[4], body[5], body[6 : 4 + length], body[4 + length :]
                    if control & 0x01:
                        command += fragment
                    if not control & 0x02:
                        continue
                    if control & 0x01:
                        awaits_data = int.from_bytes(parsed(command)[0x0800], "little") != NO_DATA_SET
                    if not control & 0x01 or not awaits_data:
                        self._respond(connection, context_id, parsed(command))
                        command = b""

    def _respond(self, connection: socket.socket, context_id: int, command: dict[int, bytes]) -> None:
        sop_class = command[0x0002].rstrip(b"\0").decode("ascii")
        values: dict[int, str | int] = {
            0x0002: sop_class,
            0x0100: 0x8000 | int.from_bytes(command[0x0100], "little"),
            0x0120: int.from_bytes(command[0x0110], "little"),
            0x0800: NO_DATA_SET,
            0x0900: 0x0000,
        }
        if 0x1000 in command:
            uid = command[0x1000].rstrip(b"\0").decode("ascii")
            self.stored.append(uid)
            values[0x1000] = uid
        connection.sendall(data_pdu(context_id, 0x03, command_set(values)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    head = _exactly(connection, 6)
    return head[0], _exactly(connection, int.from_bytes(head[2:], "big"))


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received
