"""The lower half of an association that we request: what the peer answers is read tolerantly, and can be put in words.

A destination that pads, leaves out or adds what PS3.8 does not have gets its reports all the same; one that refuses is
told of with its reason, and only one that nobody answers for "cannot be reached".
"""

import socket
import threading
import time
from collections.abc import Iterable
from copy import deepcopy
from io import BytesIO
from ssl import SSLContext, SSLSocket
from typing import Any

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.transport import AddressInformation, AssociationSocket

from service.dicom.answer import AnswerPdu, acceptance, rejected, rejection
from service.dicom.associate import InvalidAssociate, abort_body, read_answer
from service.dicom.bell import LOOK_S, Bell, SignallingQueue
from service.dicom.instance_file import InstanceFile
from service.dicom.latency import acknowledge_at_once
from service.settings import NodeSettings

_A_ASSOCIATE_AC, _A_ASSOCIATE_RJ, _A_ABORT = 0x02, 0x03, 0x07
_RECEIVED = {_A_ASSOCIATE_AC: "Evt3", _A_ASSOCIATE_RJ: "Evt4"}
_CONNECTION_CLOSED = "Evt17"
_HEADER_BYTES = 6
#: Priority of a message (PS3.7 section 9.1.1.1.8).
_LOW = 0x0002


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
        if not self.is_established:
            raise RuntimeError("the association is over")
        syntax = instance.header.file_meta.TransferSyntaxUID
        context = self._get_valid_context(instance.sop_class_uid, syntax, "scu")
        request = C_STORE()
        request.MessageID, request.Priority = 1, _LOW
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = instance.sop_class_uid, instance.sop_instance_uid
        request.DataSet = BytesIO(instance.encoded_in(context.transfer_syntax[0]))
        self._reactor_checkpoint.clear()
        while not self._is_paused:
            time.sleep(0.0001)
        self.dimse.send_msg(request, context.context_id or 0)
        _, response = self.dimse.get_msg(block=True)
        self._reactor_checkpoint.set()
        return response.Status if isinstance(response, C_STORE) and response.is_valid_response else None

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


class RequestorSocket(AssociationSocket):
    """A connection to a peer, which remembers how its answer began."""

    is_open = False
    began = b""

    def connect(self, primitive: Any) -> None:
        """Connect."""
        super().connect(primitive)
        self.is_open = self._is_connected

    @property
    def ready(self) -> bool:
        """Wait until there is something to read or to send; return whether it is something to read."""
        connection, upper_layer = self.socket, self.assoc.dul
        if not isinstance(upper_layer, RequestorUpperLayer):
            return super().ready
        if not self.event_queue.empty():
            return False  # what has come is acted upon before anything more is read
        if connection is None or not self._is_connected:
            return upper_layer.wait(None)
        if isinstance(connection, SSLSocket) and connection.pending():
            return True
        try:
            acknowledge_at_once(connection)
            return upper_layer.wait(connection.fileno())
        except (OSError, ValueError):
            self.event_queue.put(_CONNECTION_CLOSED)
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Return that many bytes, or fewer where the connection ends."""
        received = super().recv(nr_bytes)
        self.began += bytes(received[: _HEADER_BYTES - len(self.began)])
        return received


class RequestorUpperLayer(DULServiceProvider):
    """The DICOM upper layer of one association that we request.

    Attributes
    ----------
    refusal
        How the peer said no, in words; none where it did not.
    """

    refusal: str | None = None

    def __init__(self, assoc: Association) -> None:
        super().__init__(assoc)
        self._run_loop_delay = 0
        self._bell = Bell()
        self.to_provider_queue = SignallingQueue(self._bell.ring)

    def wait(self, connection: int | None) -> bool:
        """Wait for input, for something to send, or until the timers want a look; return whether there is input."""
        at_once = not self.to_provider_queue.empty() or self.state_machine.current_state == "Sta13"
        return self._bell.wait(connection, 0 if at_once else LOOK_S)

    def run_reactor(self) -> None:
        """Serve the socket until the connection is closed."""
        try:
            super().run_reactor()
        finally:
            self._bell.close()

    def kill_dul(self) -> None:
        """End the thread."""
        super().kill_dul()
        self._bell.ring()

    def stop_dul(self) -> bool:
        """End the thread if the connection is closed; return whether it was."""
        if self.state_machine.current_state != "Sta1":
            return False
        self.kill_dul()
        self.join()
        return True

    def _decode_pdu(self, bytestream: bytearray) -> tuple[Any, str]:
        kind, body = bytestream[0], bytes(bytestream[_HEADER_BYTES:])
        if kind == _A_ASSOCIATE_AC:
            try:
                return AnswerPdu(acceptance(read_answer(body), self.assoc.requestor)), _RECEIVED[kind]
            except InvalidAssociate as error:
                self.refusal = f"its answer is no A-ASSOCIATE-AC of PS3.8: {error}; its software must be put right"
                raise
        if kind == _A_ASSOCIATE_RJ:
            codes = tuple(body[1:4].ljust(3, b"\0"))
            self.refusal = rejection(*codes)
            return AnswerPdu(rejected(*codes)), _RECEIVED[kind]
        if kind == _A_ABORT:
            source, reason = body[2:4].ljust(2, b"\0")
            self.refusal = f"it aborted the association (source {source}, reason {reason}); its log says why"
            return super()._decode_pdu(bytestream[:_HEADER_BYTES] + abort_body(body))
        return super()._decode_pdu(bytestream)

    @property
    def silence(self) -> str:
        """What there was instead of an answer, in words."""
        connection = self.socket
        if not isinstance(connection, RequestorSocket) or not connection.is_open:
            return "cannot be reached; check its host, port and network"
        if not connection.began:
            return "takes the connection but does not answer; check its host and port, and whether it knows our address"
        if not _A_ASSOCIATE_AC <= connection.began[0] <= _A_ABORT:
            return "answers with something that is not DICOM; check its host and port"
        return "stopped within its answer, or ended the connection; check its network, and its log"
