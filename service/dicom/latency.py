"""Association sockets without Nagle's algorithm.

It waits for the peer's acknowledgement before the last small segment of a message: 40 ms for each DIMSE message.
"""

import socket

from pynetdicom import evt


def without_delay(event: evt.Event) -> None:
    """Set TCP_NODELAY on an association's socket; a handler for ``evt.EVT_CONN_OPEN``."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
