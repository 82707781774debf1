"""An association with a peer that stores objects here: a thread that serves its requests."""

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from service.dicom.access import Access, Doorkeeper
from service.dicom.release import shut
from service.dicom.secure_socket import SecureSocket
from service.dicom.streaming import StoreRequest, StoreService, StreamingDimse
from service.dicom.upper_layer import LOOK_S, UpperLayer
from service.process.log import get_logger
from service.security.tls import PeerCertificate, peer_certificate

if TYPE_CHECKING:
    from service.dicom.server import StoreEntity

log = get_logger(__name__)


class Errand(Protocol):
    """A request that we send to the peer ourselves, while the association serves the peer's.

    pynetdicom's own `send` methods wait for the response and would take a request of the peer for it. None of these
    methods raises; each runs in the association's thread.
    """

    def look(self) -> None:
        """Do what is due by now; called every `LOOK_S` seconds, and after each request of the peer."""

    def hear(self, response: Any) -> None:
        """Take a response of the peer."""

    def end(self) -> None:
        """Take note that the association is over."""


class StoreAssociation(Association):
    """An association that a peer requested, served by a thread of its own."""

    dul: UpperLayer
    dimse: StreamingDimse

    def __init__(self, ae: "StoreEntity", service: StoreService) -> None:
        super().__init__(ae, "acceptor")
        self.opened = time.monotonic()
        self.access: Access = ae.access
        #: What the peer has shown, also after it has hung up; none over a plain connection.
        self.certificate: PeerCertificate | None = None
        self._service = service
        self._is_serving = False
        self.errands: list[Errand] = []
        self.dul = UpperLayer(self, ae.maximum_pdu_size)
        self.dimse = StreamingDimse(self, service)
        self.acse = Doorkeeper(self)
        # The timeouts also set the timers of the upper layer, which is new.
        self.acse_timeout = ae.acse_timeout
        self.network_timeout = ae.network_timeout

    def _bind_defaults(self) -> None:
        # Without those for notifications, which would make pynetdicom describe each PDU in its log.
        for event in evt._INTERVENTION_EVENTS:  # noqa: SLF001
            self.bind(event, evt.get_default_handler(event))

    @property
    def is_requested(self) -> bool:
        """Whether the peer has sent its association request."""
        return self.requestor.primitive is not None

    @property
    def is_busy(self) -> bool:
        """Whether a message is arriving, waiting or being served."""
        return self._is_serving or self.dimse.is_arriving or self.dimse.is_backed_up

    @property
    def transfer_syntaxes(self) -> dict[int, tuple[str, str]]:
        """Abstract and transfer syntax by accepted presentation context ID."""
        return {
            context_id: (str(context.abstract_syntax), str(context.transfer_syntax[0]))
            for context_id, context in self._accepted_cx.items()
        }

    @property
    def is_secure(self) -> bool:
        """Whether the connection is one over TLS."""
        return isinstance(self.dul.socket, SecureSocket)

    def hang_up(self) -> None:
        """Close the connection without a word."""
        shut(self)

    def run_reactor(self) -> None:
        """Shake hands where TLS wants it, negotiate, and serve until the association ends."""
        if not self._is_trusted():
            return
        try:
            super().run_reactor()
        finally:
            self.dul.ring()
            for errand in self.errands:
                errand.end()
            for _, message in list(self.dimse.msg_queue.queue):
                if isinstance(message, StoreRequest):
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
            self.access.refused_connection(self.requestor.address, error)
            connection.close()
            self.dul.close()
            return False
        return True

    def _run_reactor(self) -> None:
        while not self._kill and not self._is_over():
            for errand in self.errands:
                errand.look()
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
        if not isinstance(msg, StoreRequest):
            if getattr(msg, "MessageIDBeingRespondedTo", None) is None:
                super()._serve_request(msg, context_id)
                return
            for errand in self.errands:
                errand.hear(msg)
            return
        answer = self._service.finish(msg)
        response = C_STORE()
        response.MessageIDBeingRespondedTo = msg.command.message_id
        response.AffectedSOPClassUID = msg.command.sop_class_uid_or_none
        response.AffectedSOPInstanceUID = msg.command.sop_instance_uid_or_none
        response.Status = answer.status
        if answer.comment:
            response.ErrorComment = cast(Any, answer.comment[:64])
        self.dimse.send_msg(response, context_id)

    def _is_over(self) -> bool:
        """Return whether the association has ended; a release that the peer requests is granted."""
        if self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released = True
        elif self.acse.is_aborted():
            self.dul.receive_pdu(wait=False)
            self.is_aborted = True
        elif self.dul.is_alive() and self.dul.idle_timer_expired():
            log.warning("association with %s aborted: no word from it for too long", self.requestor.address)
            self.abort()
        elif self.dul.is_alive():
            return False
        self.is_established = False
        self.kill()
        return True
