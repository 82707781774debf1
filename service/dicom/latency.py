"""Association sockets without the wait of 40 ms that two algorithms of TCP impose on each other for a DIMSE message.

Nagle's waits for the peer's acknowledgement before the last small segment of a message; and the peer delays that.

References
----------
RFC 896; RFC 1122 sections 4.2.3.2 (when to acknowledge) and 4.2.3.4 (when to send)
"""

import socket
from contextlib import suppress

from pynetdicom import evt

#: Linux has it.
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


def without_delay(event: evt.Event) -> None:
    """Set TCP_NODELAY on an association's socket; a handler for ``evt.EVT_CONN_OPEN``."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def acknowledge_at_once(connection: socket.socket) -> None:
    """Have the next input acknowledged without delay: dcmtk, whose Nagle's algorithm is on, writes a PDU in two pieces.

    The kernel goes back to its own way after a while, so this is said before each wait.
    """
    if _QUICKACK is not None:
        with suppress(OSError):  # closed by now, as the read that follows finds out
            connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
