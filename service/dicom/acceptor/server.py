"""The listening socket: who may connect, and an association for each connection.

References
----------
PS3.8 section 9.1: one association for each TCP connection
"""

import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from socketserver import BaseRequestHandler
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.transport import AddressInformation, ThreadedAssociationServer

from service.dicom.acceptor.association import AcceptedAssociation
from service.dicom.acceptor.peer_socket import PeerSocket
from service.dicom.acceptor.places import host
from service.dicom.acceptor.plain_socket import PlainSocket
from service.dicom.acceptor.secure_socket import SecureSocket
from service.dicom.acceptor.terms import Terms
from service.process.handles import MORE_HANDLES, OUT_OF_HANDLES
from service.process.log import origin
from service.security.reloading import Reloading

#: Seconds after which a connection is accepted for which there was no handle.
_PAUSE_S = 0.05

AddressRange = IPv4Network | IPv6Network
Handlers = Sequence[tuple[evt.EventType, Callable[[evt.Event], Any]]]


class AcceptorEntity(ApplicationEntity):
    """Our application entity: the terms on which it serves associations."""

    def __init__(self, ae_title: str, terms: Terms) -> None:
        super().__init__(ae_title)
        self.terms = terms

    @property
    def connections(self) -> list[AcceptedAssociation]:
        """All associations and those connections that have not asked for one yet."""
        threads = [thread for thread in threading.enumerate() if isinstance(thread, AcceptedAssociation)]
        return [thread for thread in threads if thread.ae is self]


class _Handler(BaseRequestHandler):
    """Starts the association of one connection."""

    server: "AcceptorServer"

    def handle(self) -> None:
        server = self.server
        entity = server.ae
        assoc = AcceptedAssociation(entity, entity.terms)
        assoc._server = server  # noqa: SLF001 - how pynetdicom's acceptor finds the way to close its connection
        assoc.name = f"AcceptorThread {self.client_address[0]}:{self.client_address[1]}"
        assoc.acceptor.address_info = AddressInformation.from_tuple(server.server_address)
        assoc.requestor.address_info = AddressInformation.from_tuple(self.client_address)
        try:
            assoc.set_socket(self._socket(assoc))
        except OSError as error:
            entity.terms.access.refused_connection(self.client_address[0], error)
            assoc.dul.close()
            self.request.close()
            return
        for kind, handler in server.handlers:
            assoc.bind(kind, handler)
        assoc.start()

    def _socket(self, assoc: AcceptedAssociation) -> PeerSocket:
        if self.server.tls is None:
            return PlainSocket(assoc, self.request, assoc.dul.wait)
        # One that is reset already is closed by the caller; Python would lose it half-way through.
        self.request.getpeername()
        # The handshake itself is the association's own thread's: nobody waits for it here.
        context = self.server.tls.current()
        connection = context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        return SecureSocket(assoc, connection, assoc.dul.wait)


class AcceptorServer(ThreadedAssociationServer):
    """Accepts connections; several processes may share the port.

    Parameters
    ----------
    allowed
        Networks whose addresses may connect; empty allows every one.
    maximum_waiting
        Most connections that have not asked for an association yet; the oldest makes room for a new one.
    refused
        Is told of everyone who may not associate.
    handlers
        For the services besides C-STORE and C-ECHO.
    shares_port
        Sets SO_REUSEPORT: the kernel spreads connections over the processes.
    tls
        Our side of TLS; none accepts plain connections.
    beat
        Called at each turn of the loop that accepts connections.
    """

    ae: AcceptorEntity
    request_queue_size = 128

    def __init__(
        self,
        entity: AcceptorEntity,
        address: tuple[str, int],
        *,
        allowed: Sequence[AddressRange] = (),
        maximum_waiting: int,
        handlers: Handlers = (),
        shares_port: bool = False,
        tls: Reloading[ssl.SSLContext] | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.handlers = handlers
        self.tls = tls
        self._beat = beat
        self._look_at_warnings = 0.0
        self._allowed = tuple(allowed)
        self._maximum_waiting = maximum_waiting
        self._shares_port = shares_port
        super().__init__(
            entity,
            address,
            entity.ae_title,
            [],
            request_handler=_Handler,
        )
        entity._servers.append(self)  # noqa: SLF001 - `shutdown` takes it off this list again

    @property
    def port(self) -> int:
        """The TCP port in use, also where the settings leave the choice to the system."""
        return int(self.server_address[1])

    def _bind_defaults(self) -> None:
        # Associations bind their own events.
        pass

    def server_bind(self) -> None:
        """Bind the socket."""
        if self._shares_port:
            cast(socket.socket, self.socket).setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def shutdown(self) -> None:
        """Stop accepting and close the socket; the loop, which looks rarely, is woken by the end of its socket."""
        with suppress(OSError):
            cast(socket.socket, self.socket).shutdown(socket.SHUT_RDWR)
        super().shutdown()

    def service_actions(self) -> None:
        """Say that connections are accepted, and how many warnings were not written."""
        super().service_actions()
        self._beat()
        if time.monotonic() > self._look_at_warnings:
            self._look_at_warnings = time.monotonic() + 1.0
            self.ae.terms.access.warnings.turn()

    def get_request(self) -> Any:
        """Accept a connection; where there is no handle for it, have one that waits make room."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in OUT_OF_HANDLES:
                self._make_room()
                time.sleep(_PAUSE_S)  # the connection stays in the queue, and would be tried again without end
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line why a connection could not be served; socketserver would write a traceback for each."""
        error = sys.exception()
        if isinstance(error, OSError) and error.errno in OUT_OF_HANDLES:
            self._make_room()
            return
        what = "nothing" if error is None else origin(type(error), error.__traceback__)
        address = str(client_address[0])
        self.ae.terms.access.warnings.warn(address, f"a connection from {address} could not be served: {what}")

    def _make_room(self) -> None:
        self.ae.terms.access.warnings.warn("us", f"the listener has no file handle left; {MORE_HANDLES}")
        self._hang_up_one()

    def _hang_up_one(self) -> None:
        """Hang up on one of those that have not asked for an association yet, and that nobody has hung up on."""
        waiting = [connection for connection in self.ae.connections if not connection.is_requested]
        if staying := [connection for connection in waiting if not connection.is_leaving]:
            _of_the_busiest(staying).hang_up()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; see `AcceptedAssociation.hang_up`."""
        if request is None:  # the upper layer's thread was faster, between pynetdicom's look and this call
            return
        with suppress(OSError):
            socket.socket.shutdown(request, socket.SHUT_RDWR)
        request.close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Tell whether a connection may stay; make room for it."""
        address = ip_address(client_address[0].partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if self._allowed and not any(address in network for network in self._allowed):
            self.ae.terms.access.refused_address(str(address))
            return False
        waiting = [connection for connection in self.ae.connections if not connection.is_requested]
        if len(waiting) >= self._maximum_waiting:
            self._hang_up_one()
        return True


def _of_the_busiest(waiting: Sequence[AcceptedAssociation]) -> AcceptedAssociation:
    """Return the oldest connection of the host that has the most."""
    hosts = [host(connection.address) for connection in waiting]
    busiest = Counter(hosts).most_common(1)[0][0]
    theirs = [connection for connection, where in zip(waiting, hosts, strict=True) if where == busiest]
    return min(theirs, key=lambda connection: connection.opened)
