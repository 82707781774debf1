"""An association with a peer that stores objects here: a thread that serves its requests.

References
----------
PS3.7 section 9.3.1 (C-STORE protocol); PS3.8 sections 7.2 to 7.4 (release and abort)
"""

import queue
import threading
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.dimse_primitives import C_STORE

from service.dicom.acceptor.contract import CStoreRequest
from service.dicom.acceptor.negotiation import Negotiation
from service.dicom.acceptor.peer_association import PeerAssociation
from service.dicom.acceptor.secure_socket import SecureSocket
from service.dicom.acceptor.streaming import StreamingDimse
from service.dicom.acceptor.terms import Terms
from service.dicom.acceptor.upper_layer import UpperLayer
from service.dicom.bell import LOOK_S
from service.security.tls import peer_certificate

_TOO_SLOW = "aborted: a message took too long to arrive (listener.dimse_timeout, listener.minimum_bytes_per_second)"
_TOO_SILENT = "aborted: no message came for too long (listener.network_timeout)"


class AcceptedAssociation(PeerAssociation):
    """An association that a peer requests, served by a thread of its own."""

    def __init__(self, ae: ApplicationEntity, terms: Terms) -> None:
        super().__init__(ae, terms)
        self._is_serving = False
        self.dimse = StreamingDimse(self, self, terms.service)
        self.dul = UpperLayer(self, self, self.dimse, ae.maximum_pdu_size, terms.minimum_rate)
        self.acse = Negotiation(self, self, self.dul, terms)
        # The timeouts also set the timers of the upper layer, which is new.
        self.acse_timeout = ae.acse_timeout
        self.network_timeout = ae.network_timeout

    def _bind_defaults(self) -> None:
        # Without those for notifications, which would make pynetdicom describe each PDU in its log.
        for event in evt._INTERVENTION_EVENTS:  # noqa: SLF001
            self.bind(event, evt.get_default_handler(event))

    @property
    def is_busy(self) -> bool:
        """Whether a message is arriving, waiting or being served."""
        return self._is_serving or self.dimse.is_arriving or self.dimse.is_backed_up

    def run_reactor(self) -> None:
        """Shake hands where TLS wants it, negotiate, and serve until the association ends."""
        if not self._is_trusted():
            return
        try:
            super().run_reactor()
        finally:
            self._terms.places.leave(self)
            self.dul.ring()
            for request in self.outgoing:
                request.end()
            for _, message in list(self.dimse.msg_queue.queue):
                if isinstance(message, CStoreRequest):
                    message.sink.discard()

    def _is_trusted(self) -> bool:
        """Return whether the connection may go on to its association; one that may not is closed."""
        connection = self.dul.socket
        if not isinstance(connection, SecureSocket):
            return True
        try:
            connection.shake_hands(self.acse_timeout or LOOK_S)
            self.certificate = peer_certificate(connection.connection)
        except OSError as error:
            self._terms.access.refused_connection(self.address, error)
            connection.close()
            self.dul.close()
            return False
        return True

    def _run_reactor(self) -> None:
        while not self._kill and not self._is_over():
            for request in self.outgoing:
                request.look()
            try:
                context_id, message = self.dimse.msg_queue.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if message is not None:
                self._is_serving = True
                self._serve_request(cast(Any, message), cast(int, context_id))
                self.dul.restart_idle_timer()
                self._is_serving = False
                self.dul.ring()

    def _serve_request(self, msg: Any, context_id: int) -> None:
        if threading.current_thread() is not self:
            # pynetdicom serves each N-EVENT-REPORT in a thread of its own: a peer could start as many as it likes.
            self.dimse.msg_queue.put((context_id, msg))
            return
        if not isinstance(msg, CStoreRequest):
            if getattr(msg, "MessageIDBeingRespondedTo", None) is None:
                super()._serve_request(msg, context_id)
                return
            for request in self.outgoing:
                request.hear(msg)
            return
        outcome = self._terms.service.finish(msg)
        response = C_STORE()
        response.MessageIDBeingRespondedTo = msg.command.message_id
        response.AffectedSOPClassUID = msg.command.sop_class_uid_or_none
        response.AffectedSOPInstanceUID = msg.command.sop_instance_uid_or_none
        response.Status = outcome.status
        if outcome.comment:
            response.ErrorComment = cast(Any, outcome.comment[:64])
        self.send(response, context_id)

    def _is_over(self) -> bool:
        """Return whether the association has ended; a release that the peer requests is granted."""
        if self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released = True
        elif self.acse.is_aborted():
            self.dul.receive_pdu(wait=False)
            self.is_aborted = True
        elif self.dul.is_alive() and self.dul.idle_timer_expired():
            self.warn(_TOO_SLOW if self.dimse.is_arriving else _TOO_SILENT)
            self.abort()
        elif self.dul.is_alive():
            return False
        self.is_established = False
        self.kill()
        return True
