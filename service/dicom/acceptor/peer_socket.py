"""A peer's connection, which the upper layer reads from."""

import socket
import time
from contextlib import suppress
from typing import Protocol, cast

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from service.dicom.bell import LOOK_S
from service.dicom.latency import acknowledge_at_once

#: The state machine's event for a connection that has ended (PS3.8 Table 9-10, event 17).
CONNECTION_CLOSED = "Evt17"


class Wait(Protocol):
    """Waits for input of a connection; see `UpperLayer.wait`."""

    def __call__(self, connection: int | None, *, is_read: bool = False) -> bool:
        """Return whether there is input."""


class PeerSocket(AssociationSocket):
    """A peer's connection; each read has a time limit."""

    def __init__(self, assoc: Association, client_socket: socket.socket, wait: Wait) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self._wait = wait
        client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def ready(self) -> bool:
        """Wait until there is something to read or to send; return whether it is something to read."""
        connection = self.socket
        if connection is None or not self._is_connected:
            return self._wait(None)
        try:
            acknowledge_at_once(connection)
            return self._wait(connection.fileno())
        except (OSError, ValueError):
            self.event_queue.put(CONNECTION_CLOSED)
            return False

    @property
    def holds_pdu(self) -> bool:
        """Whether a whole PDU was read ahead."""
        return False

    def read(self, nr_bytes: int) -> bytearray | memoryview:
        """Return that many bytes; a view of them holds until the next call.

        Raises
        ------
        OSError
            When the connection ends before, or the bytes take longer than the timeout.
        """
        deadline = self._begin_read()
        connection = cast(socket.socket, self.socket)
        received = bytearray(nr_bytes)
        rest = memoryview(received)
        while rest:
            count = connection.recv_into(rest)
            if count == 0:
                raise ConnectionError
            rest = rest[count:]
            if rest and time.monotonic() > deadline:
                raise TimeoutError
        return received

    def _begin_read(self) -> float:
        """Set the time limit of a read; return when it ends (monotonic, seconds)."""
        connection = self.socket
        if connection is None:
            raise ConnectionError
        limit = (self.assoc.dimse_timeout if self.assoc.is_established else self.assoc.acse_timeout) or LOOK_S
        if connection.gettimeout() != limit:  # to set it is a system call each time
            connection.settimeout(limit)
        return time.monotonic() + limit

    def _shutdown_socket(self) -> None:
        """Close the connection, also where the peer was faster and there is nothing to shut down."""
        connection = cast(socket.socket, self.socket)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def discard_input(self) -> bool:
        """Read and forget what a peer still sends although its association is over; return whether there was any.

        Raises
        ------
        OSError
            When the peer has reset the connection.
        """
        return self.socket is not None and bool(self.socket.recv(65536))
