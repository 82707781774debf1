"""A sender that keeps no rule it is not told to: plain bytes on a socket, independent of pynetdicom."""

import socket
import ssl
import struct
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import NamedTuple, Self

CR = "1.2.840.10008.5.1.4.1.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
#: Command Data Set Type of a message without a data set.
NO_DATA_SET = 0x0101
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"


class Response(NamedTuple):
    """A C-STORE response's status and Error Comment, and the PDU's bytes."""

    status: int
    comment: str
    encoded: bytes


class Message(NamedTuple):
    """A message of the peer's: the command set's values by the element's number, and the data set."""

    context_id: int
    command: dict[int, bytes]
    data: bytes

    def number(self, element: int) -> int | None:
        """Return a number of the command set, or None where it is absent."""
        value = self.command.get(element)
        return None if value is None else int.from_bytes(value, "little")


class Ended(Exception):
    """The peer aborted (PDU type 7), released or closed instead of answering."""


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def association_request(
    contexts: Iterable[tuple[int, str, Iterable[str]]],
    calling: str = "RAW",
    called: str = "AUSCULT",
    user: tuple[str, str] | None = None,
    roles: Iterable[str] = (),
) -> bytes:
    """Return an A-ASSOCIATE-RQ PDU, with a user name and passcode where there is one (PS3.7 Table D.3-14).

    Of the SOP classes in `roles`, the caller would be SCU and SCP (PS3.7 Table D.3-9).
    """
    proposed = b"".join(
        _item(
            0x20,
            bytes((number, 0, 0, 0))
            + _item(0x30, abstract.encode())
            + b"".join(_item(0x40, syntax.encode()) for syntax in syntaxes),
        )
        for number, abstract, syntaxes in contexts
    )
    identity = b""
    if user is not None:
        name, passcode = (struct.pack(">H", len(text)) + text.encode() for text in user)
        identity = _item(0x58, b"\2\0" + name + passcode)
    both = b"".join(_item(0x54, struct.pack(">H", len(uid)) + uid.encode() + b"\1\1") for uid in roles)
    information = _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"2.25.1") + both + identity)
    body = struct.pack(">HH", 1, 0) + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    return pdu(0x01, body + _item(0x10, _APPLICATION_CONTEXT.encode()) + proposed + information)


def pdu(kind: int, body: bytes) -> bytes:
    """Return a PDU."""
    return struct.pack(">BBL", kind, 0, len(body)) + body


def data_pdu(context_id: int, control: int, fragment: bytes) -> bytes:
    """Return a P-DATA-TF PDU with one fragment."""
    return pdu(0x04, struct.pack(">LBB", len(fragment) + 2, context_id, control) + fragment)


def store_command(
    sop_class_uid: str, sop_instance_uid: str, *, message_id: int = 1, priority: int = 0, data_set: bool = True
) -> bytes:
    """Return a C-STORE-RQ command set."""
    return command_set(
        {
            0x0002: sop_class_uid,
            0x0100: 0x0001,
            0x0110: message_id,
            0x0700: priority,
            0x0800: 0x0001 if data_set else NO_DATA_SET,
            0x1000: sop_instance_uid,
        }
    )


def command_set(values: Mapping[int, str | int]) -> bytes:
    """Return a command set: UIDs and numbers of two bytes by the element's number, in rising order."""
    body = b""
    for number, said in values.items():
        value = struct.pack("<H", said) if isinstance(said, int) else _even(said)
        body += struct.pack("<HHL", 0, number, len(value)) + value
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def parsed(command: bytes) -> dict[int, bytes]:
    """Return a command set's values by the element's number."""
    values: dict[int, bytes] = {}
    position = 0
    while position < len(command):
        _, number, length = struct.unpack_from("<HHL", command, position)
        values[number] = command[position + 8 : position + 8 + length]
        position += 8 + length
    return values


def _even(uid: str) -> bytes:
    value = uid.encode("ascii")
    return value + b"\0" * (len(value) % 2)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Return an element in explicit VR little endian."""
    value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in {"OB", "OW", "SQ", "UN", "UT"}:
        return head + struct.pack("<HL", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def header(sop_instance_uid: str | None = "2.25.1001", **replaced: bytes | None) -> bytes:
    """Return the smallest CR data set that is accepted, without pixels; None leaves an attribute out."""
    values: dict[str, tuple[int, str, bytes | None]] = {
        "character_set": (0x00080005, "CS", None),
        "sop_class_uid": (0x00080016, "UI", CR.encode()),
        "sop_instance_uid": (0x00080018, "UI", sop_instance_uid.encode() if sop_instance_uid else None),
        "study_date": (0x00080020, "DA", None),
        "accession_number": (0x00080050, "SH", None),
        "manufacturer": (0x00080070, "LO", None),
        "model_name": (0x00081090, "LO", None),
        "patient_name": (0x00100010, "PN", b"Raw^Sender"),
        "patient_id": (0x00100020, "LO", b"RAW-1"),
        "birth_date": (0x00100030, "DA", None),
        "study_instance_uid": (0x0020000D, "UI", b"2.25.2001"),
        "series_instance_uid": (0x0020000E, "UI", b"2.25.3001"),
    }
    for name, value in replaced.items():
        values[name] = (*values[name][:2], value)
    return b"".join(element(tag, vr, value) for tag, vr, value in values.values() if value is not None)


class RawAssociation:
    """An association over a plain socket."""

    def __init__(
        self,
        port: int,
        contexts: Iterable[tuple[int, str, Iterable[str]]] = ((1, CR, (EXPLICIT,)),),
        *,
        calling: str = "RAW",
        called: str = "AUSCULT",
        timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
        user: tuple[str, str] | None = None,
        roles: Iterable[str] = (),
        source: str | None = None,
        request: bytes | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        own = None if source is None else (source, 0)
        self.connection = socket.create_connection((address, port), timeout_s, own)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls is not None:
                self.connection = tls.wrap_socket(self.connection, server_hostname=address)
            self.connection.sendall(request or association_request(contexts, calling, called, user, roles))
            kind, self.accepted = self.receive()
            if kind != 0x02:
                raise Ended(f"PDU type {kind}: {self.accepted.hex()}")
            # The Maximum Length sub-item (PS3.8 Table D.1-2).
            offered = self.accepted.index(b"\x51\0\0\4") + 4
            self.maximum_pdu_bytes = int.from_bytes(self.accepted[offered : offered + 4], "big")
        except BaseException:
            self.connection.close()
            raise

    def receive(self) -> tuple[int, bytes]:
        """Return the next PDU's type and body."""
        head = self._exactly(6)
        return head[0], self._exactly(int.from_bytes(head[2:], "big"))

    def store(
        self,
        data: bytes | Iterable[bytes],
        *,
        sop_instance_uid: str = "2.25.1001",
        sop_class_uid: str = CR,
        context_id: int = 1,
        priority: int = 0,
        message_id: int = 1,
        fragment_bytes: int = 16000,
    ) -> Response:
        """Send a data set, in fragments; return the response."""
        self.begin(sop_instance_uid, sop_class_uid, context_id=context_id, priority=priority, message_id=message_id)
        pieces = (
            (data[start : start + fragment_bytes] for start in range(0, max(len(data), 1), fragment_bytes))
            if isinstance(data, bytes)
            else data
        )
        for piece in pieces:
            self.connection.sendall(data_pdu(context_id, 0x00, piece))
        return self.end(context_id=context_id)

    def begin(
        self,
        sop_instance_uid: str = "2.25.1001",
        sop_class_uid: str = CR,
        *,
        context_id: int = 1,
        priority: int = 0,
        message_id: int = 1,
    ) -> None:
        """Send the command alone."""
        command = store_command(sop_class_uid, sop_instance_uid, message_id=message_id, priority=priority)
        self.connection.sendall(data_pdu(context_id, 0x03, command))

    def end(self, last: bytes = b"", *, context_id: int = 1) -> Response:
        """Send the last fragment; return the response."""
        self.connection.sendall(data_pdu(context_id, 0x02, last))
        return self.response()

    def response(self) -> Response:
        """Return the response that comes next."""
        kind, body = self.receive()
        if kind != 0x04:
            raise Ended(f"PDU type {kind}")
        values = parsed(body[6:])
        return Response(int.from_bytes(values[0x0900], "little"), values.get(0x0902, b"").decode("ascii").strip(), body)

    def request(self, command: bytes, data: bytes | None, context_id: int) -> None:
        """Send a message of any service: a command set and, unless None, its data set."""
        self.connection.sendall(data_pdu(context_id, 0x03, command))
        if data is not None:
            for start in range(0, len(data), 16000):
                self.connection.sendall(data_pdu(context_id, 0x00, data[start : start + 16000]))
            self.connection.sendall(data_pdu(context_id, 0x02, b""))

    def message(self) -> Message:
        """Return the message that comes next, a response or a request of the peer's."""
        parts = [b"", b""]
        awaited = 0
        while True:
            kind, body = self.receive()
            if kind != 0x04:
                raise Ended(f"PDU type {kind}")
            while body:
                length = int.from_bytes(body[:4], "big")
                context_id, control, fragment, body = body[4], body[5], body[6 : 4 + length], body[4 + length :]
                parts[awaited] += fragment
                if not control & 0x02:
                    continue
                values = parsed(parts[0])
                if awaited == 1 or int.from_bytes(values[0x0800], "little") == NO_DATA_SET:
                    return Message(context_id, values, parts[1])
                awaited = 1

    def release(self) -> None:
        """Release, and wait for the answer."""
        self.connection.sendall(pdu(0x05, bytes(4)))
        kind, _ = self.receive()
        if kind != 0x06:
            raise Ended(f"PDU type {kind}")

    def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            piece = self.connection.recv(count - len(received))
            if not piece:
                raise Ended("the peer closed the connection")
            received += piece
        return received

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()
