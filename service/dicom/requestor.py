"""An association that we request, over a connection that reads tolerantly (`service.dicom.requestor_connection`)."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from copy import deepcopy
from ssl import SSLContext
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from service.dicom.bell import LOOK_S, SignallingQueue
from service.dicom.instance_file import InstanceFile
from service.dicom.outgoing_message import OutgoingMessage, find_request, store_request
from service.dicom.requestor_connection import RequestorSocket, RequestorUpperLayer
from service.settings import NodeSettings


class RequestedAssociation(Association):
    """An association that we request; its threads wait until there is something to do, where pynetdicom's look."""

    def __init__(self, ae: ApplicationEntity) -> None:
        super().__init__(ae, "requestor")
        self._woken = threading.Event()
        self.dul: RequestorUpperLayer = RequestorUpperLayer(self)
        self.dul.to_user_queue = SignallingQueue(self._woken.set)
        self.dimse.msg_queue = SignallingQueue(self._woken.set)
        # The timeouts also set the timers of the upper layer, which is new.
        self.acse_timeout, self.network_timeout = ae.acse_timeout, ae.network_timeout

    def send_encoded(self, instance: InstanceFile) -> int | None:
        """Send an instance as it is encoded (C-STORE); return the response's status, None where none came in time.

        pynetdicom's own `send_c_store` would encode it anew, which takes longer than all else.

        Raises
        ------
        RuntimeError
            When the association is over.
        ValueError
            When the peer takes no instances of its SOP class.
        """
        syntax = instance.header.file_meta.TransferSyntaxUID
        context = self._context(instance.sop_class_uid, syntax)
        command = store_request(instance.sop_class_uid, instance.sop_instance_uid)
        self._send(context, command, instance.encoded_in(context.transfer_syntax[0]))
        _, response = self.dimse.get_msg(block=True)
        self._reactor_checkpoint.set()
        return response.Status if isinstance(response, C_STORE) and response.is_valid_response else None

    def find(self, query: Dataset, model: UID) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a query (C-FIND); yield the status of each response, empty where none came in time, and what was found.

        Raises
        ------
        RuntimeError
            When the association is over.
        ValueError
            When the peer answers no such query.
        """
        context = self._context(model, UID(""))
        syntax = context.transfer_syntax[0]
        identifier = encode(query, syntax.is_implicit_VR, syntax.is_little_endian) or b""
        self._send(context, find_request(model), identifier)
        return self._wrap_find_responses(syntax, model)

    def _context(self, sop_class_uid: str, syntax: UID) -> PresentationContext:
        """Return the presentation context for a SOP class, preferably of a transfer syntax."""
        if not self.is_established:
            raise RuntimeError("the association is over")
        return self._get_valid_context(sop_class_uid, syntax, "scu")

    def _send(self, context: PresentationContext, command: bytes, data_set: bytes | memoryview) -> None:
        """Send a request; whoever does takes the response itself, and lets the reactor go on after it."""
        message = OutgoingMessage(context.context_id or 0, command, data_set, self.dimse.maximum_pdu_size)
        self._reactor_checkpoint.clear()
        while not self._is_paused:
            time.sleep(0.0001)
        self.dul.send_message(message)

    def kill(self) -> None:
        """End the association's threads."""
        super().kill()
        self._woken.set()

    def _run_reactor(self) -> None:
        while not self._kill:
            # Whoever sends a message waits for this word, and then takes the response itself.
            self._is_paused = True
            self._woken.wait(LOOK_S)
            self._woken.clear()
            self._reactor_checkpoint.wait()
            if self.dimse.msg_queue.empty() and self.dul.to_user_queue.empty() and self.dul.is_alive():
                continue
            self._is_paused = False
            # Looked at after the word was taken back: from now on a sender waits.
            if self._reactor_checkpoint.is_set() and not self._kill:
                self._look()

    def _look(self) -> None:
        """Serve a request of the peer, or see that the association is over."""
        context_id, message = self.dimse.get_msg(block=False)
        if message is not None:
            self._serve_request(message, context_id or 0)
        if self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released = True
            self._end(evt.EVT_RELEASED)
        elif self.acse.is_aborted():
            self.dul.receive_pdu(wait=False)
            self.is_aborted = True
            self._end(evt.EVT_ABORTED)
        elif not self.dul.is_alive():
            self.kill()

    def _end(self, how: evt.NotificationEvent) -> None:
        self.is_established = False
        evt.trigger(self, how, {})
        self.kill()


class RequestorEntity(ApplicationEntity):
    """Our application entity as a requestor."""

    def request_association(
        self,
        node: NodeSettings,
        roles: Iterable[SCP_SCU_RoleSelectionNegotiation],
        handlers: Iterable[tuple[evt.EventType, Any]],
        tls: tuple[SSLContext, str] | None,
    ) -> RequestedAssociation:
        """Request an association with a node; it runs when it is established (as `AE.associate` does)."""
        remote = AddressInformation.from_addr_port(node.host, node.port)
        local = AddressInformation.from_tuple(("::0" if remote.address_family == socket.AF_INET6 else "", 0))
        association = RequestedAssociation(self)
        association.name = f"Requestor {node.ae_title}"
        connection = RequestorSocket(association, address=local)
        connection.tls_args = tls
        association.set_socket(connection)
        association.acceptor.ae_title, association.acceptor.address_info = node.ae_title, remote
        ours = association.requestor
        ours.ae_title, ours.address_info, ours.maximum_length = self.ae_title, local, self.maximum_pdu_size
        ours.implementation_class_uid = self.implementation_class_uid
        ours.implementation_version_name = self.implementation_version_name
        for role in roles:
            ours.add_negotiation_item(role)
        contexts = deepcopy(self.requested_contexts)
        for index, context in enumerate(contexts):
            context.context_id = 2 * index + 1
        ours.requested_contexts = contexts
        for kind, handler in handlers:
            association.bind(kind, handler)
        association.request()
        if association.is_established:
            association.start()
        return association
