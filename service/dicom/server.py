"""The listening socket: who may connect, and an association for each connection."""

import socket
import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from socketserver import BaseRequestHandler
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AddressInformation, ThreadedAssociationServer

from service.core.log import get_logger
from service.dicom.association import StoreAssociation
from service.dicom.streaming import StoreService
from service.dicom.upper_layer import StoreSocket

log = get_logger(__name__)

Network = IPv4Network | IPv6Network
Handlers = Sequence[tuple[evt.EventType, Callable[[evt.Event], Any]]]


class StoreEntity(ApplicationEntity):
    """Our application entity."""

    @property
    def connections(self) -> list[StoreAssociation]:
        """All associations and those connections that have not asked for one yet."""
        threads = [thread for thread in threading.enumerate() if isinstance(thread, StoreAssociation)]
        return [thread for thread in threads if thread.ae is self]

    @property
    def active_associations(self) -> list[Association]:
        """The associations that count against the maximum: a connection that says nothing takes no one's place."""
        return [connection for connection in self.connections if connection.is_requested]


class _Handler(BaseRequestHandler):
    """Starts the association of one connection."""

    server: "StoreServer"

    def handle(self) -> None:
        server, entity = self.server, self.server.ae
        assoc = StoreAssociation(entity, server.service)
        assoc._server = server  # noqa: SLF001 - how pynetdicom's acceptor finds the way to close its connection
        assoc.name = f"AcceptorThread {self.client_address[0]}:{self.client_address[1]}"
        assoc.acceptor.maximum_length = entity.maximum_pdu_size
        assoc.acceptor.ae_title = server.ae_title
        assoc.acceptor.address_info = AddressInformation.from_tuple(server.server_address)
        assoc.acceptor.implementation_class_uid = entity.implementation_class_uid
        assoc.acceptor.implementation_version_name = entity.implementation_version_name
        assoc.acceptor.supported_contexts = deepcopy(server.contexts)
        assoc.requestor.address_info = AddressInformation.from_tuple(self.client_address)
        assoc.set_socket(StoreSocket(assoc, self.request))
        assoc.bind(evt.EVT_REJECTED, _log_rejection)
        for kind, handler in server.handlers:
            assoc.bind(kind, handler)
        assoc.start()


class StoreServer(ThreadedAssociationServer):
    """Accepts connections; several processes may share the port.

    Parameters
    ----------
    allowed
        Networks whose addresses may connect; empty allows every one.
    maximum_waiting
        Most connections that have not asked for an association yet; the oldest makes room for a new one.
    handlers
        For the services besides C-STORE and C-ECHO.
    shares_port
        Sets SO_REUSEPORT: the kernel spreads connections over the processes.
    """

    request_queue_size = 128

    def __init__(
        self,
        entity: StoreEntity,
        address: tuple[str, int],
        service: StoreService,
        *,
        allowed: Sequence[Network] = (),
        maximum_waiting: int,
        handlers: Handlers = (),
        shares_port: bool = False,
    ) -> None:
        self.service = service
        self.handlers = handlers
        self._allowed = tuple(allowed)
        self._maximum_waiting = maximum_waiting
        self._shares_port = shares_port
        super().__init__(
            entity,
            address,
            entity.ae_title,
            entity.supported_contexts,
            request_handler=_Handler,
        )
        entity._servers.append(self)  # noqa: SLF001 - `shutdown` takes it off this list again

    def _bind_defaults(self) -> None:
        # Associations bind their own events.
        pass

    def server_bind(self) -> None:
        """Bind the socket."""
        if self._shares_port:
            cast(socket.socket, self.socket).setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Tell whether a connection may stay; make room for it."""
        address = ip_address(client_address[0].partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if self._allowed and not any(address in network for network in self._allowed):
            log.warning("connection from %s refused: not in listener.allowed_addresses", address)
            return False
        waiting = [connection for connection in cast(StoreEntity, self.ae).connections if not connection.is_requested]
        if len(waiting) >= self._maximum_waiting:
            min(waiting, key=lambda connection: connection.opened).hang_up()
        return True


def _log_rejection(event: evt.Event) -> None:
    requestor = event.assoc.requestor
    request = cast(A_ASSOCIATE, requestor.primitive)
    # A title is what a stranger typed; `ascii` keeps control characters out of the log.
    titles = ascii(request.calling_ae_title), ascii(request.called_ae_title)
    log.warning(
        "association of %s from %s to %s rejected: AE titles are checked against listener.ae_title and "
        "listener.allowed_ae_titles, their number against listener.maximum_associations",
        titles[0],
        requestor.address,
        titles[1],
    )
