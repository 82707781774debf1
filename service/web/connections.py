"""The page's connections: how many there may be, of whom, and how long each may take for what it sends.

uvicorn limits neither: a request of which half has come stays open for ever, and holds a file handle. A connection is
counted from its first moment, before a handshake of TLS. Where there is no room for a new one, the oldest that has not
sent a whole request makes room: whoever asks gets an answer, whatever others leave undone.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass

from service.process.handles import MORE_HANDLES, handles_left
from service.process.log import get_logger
from service.process.sparingly import Sparing
from service.settings import WebSettings

log = get_logger(__name__)

#: File handles for what is no connection: the ledger's, pictures, the log; beyond those that are open already.
_RESERVED_HANDLES = 64
#: With fewer connections than this no browser shows a page.
_FEWEST = 8


@dataclass(eq=False)
class Connection:
    """One connection, from the moment that it was accepted.

    Attributes
    ----------
    is_waiting
        Whether it has yet to send a whole request, so that it may be closed in favour of another.
    transport
        What reads from it; None during a handshake of TLS.
    """

    socket: socket.socket
    address: str
    is_waiting: bool = True
    transport: asyncio.Transport | None = None

    def abort(self) -> None:
        """End it at once, in its handshake too, which finds the socket's end."""
        if self.transport is not None:
            self.transport.abort()
            return
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Connections:
    """All connections of the page, and the room for them.

    Parameters
    ----------
    slowest
        Bytes of a body that must come each second, once it has had the time that every body has.
    """

    def __init__(self, settings: WebSettings, slowest: float) -> None:
        self.settings = settings
        self.slowest = slowest
        self.most = min(settings.maximum_connections, max(_FEWEST, handles_left() - _RESERVED_HANDLES))
        self._of_address = min(settings.connections_by_address, self.most)
        self._open: dict[Connection, None] = {}  # the oldest first
        self._sparing = Sparing(log)

    def admit(self, accepted: socket.socket, address: str) -> Connection | None:
        """Return a new connection, having made room for it; None where there is none, and it is closed."""
        own = [connection for connection in self._open if connection.address == address]
        if len(own) >= self._of_address:
            rivals, setting = own, "web.connections_by_address"
        elif len(self._open) >= self.most:
            rivals, setting = list(self._open), "web.maximum_connections"
        else:
            return self._add(accepted, address)
        self._sparing.warn(
            address,
            f"more connections at once than {setting} allows ({self._of_address if rivals is own else self.most}),"
            f" the last from {address}: unfinished requests make room",
        )
        oldest = next((connection for connection in rivals if connection.is_waiting), None)
        if oldest is None:
            accepted.close()
            return None
        self._end(oldest)
        return self._add(accepted, address)

    def make_room(self) -> None:
        """Close the oldest connection that waits: the process has no file handle left."""
        self._sparing.warn("us", f"the page has no file handle left; {MORE_HANDLES}")
        oldest = next((connection for connection in self._open if connection.is_waiting), None)
        if oldest is not None:
            self._end(oldest)

    def late(self, connection: Connection, what: str, setting: str) -> None:
        """Close a connection that took too long."""
        address = connection.address
        self._sparing.warn(address, f"connection from {address} closed: {what} ({setting})")
        self._end(connection)

    def count_warnings(self) -> None:
        """Say how many warnings were not written; called every second or so."""
        self._sparing.turn()

    def forget(self, connection: Connection) -> None:
        """Take a connection off the list: it is closed."""
        self._open.pop(connection, None)

    def _add(self, accepted: socket.socket, address: str) -> Connection:
        connection = Connection(accepted, address)
        self._open[connection] = None
        return connection

    def _end(self, connection: Connection) -> None:
        self.forget(connection)
        connection.abort()
