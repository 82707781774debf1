"""The lower half of an association that we request: what the peer answers is read tolerantly, and can be put in words.

A destination that pads, leaves out or adds what PS3.8 does not have gets its reports all the same; one that refuses is
told of with its reason, and only one that nobody answers for "cannot be reached".
"""

from collections import deque
from ssl import SSLSocket
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import AssociationSocket

from service.dicom.answer import AnswerPdu, acceptance, rejected, rejection
from service.dicom.associate import InvalidAssociate, abort_body, read_answer
from service.dicom.bell import LOOK_S, Bell, SignallingQueue
from service.dicom.latency import acknowledge_at_once
from service.dicom.outgoing_message import OutgoingMessage

_A_ASSOCIATE_AC, _A_ASSOCIATE_RJ, _A_ABORT = 0x02, 0x03, 0x07
_RECEIVED = {_A_ASSOCIATE_AC: "Evt3", _A_ASSOCIATE_RJ: "Evt4"}
_CONNECTION_CLOSED = "Evt17"
_HEADER_BYTES = 6


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

    def send_message(self, message: OutgoingMessage) -> None:
        """Send a request, behind whatever is being sent."""
        queue: Any = self.to_provider_queue
        queue.put(message)

    def _process_recv_primitive(self) -> bool:
        """See whether there is something to send; a whole message is sent at once."""
        waiting: deque[Any] = self.to_provider_queue.queue
        if not (waiting and isinstance(waiting[0], OutgoingMessage)):
            return super()._process_recv_primitive()
        message: Any = self.to_provider_queue.get(block=False)
        # In any other state the association is over, and whoever waits for the response is told so.
        if self.state_machine.current_state == "Sta6" and self.socket is not None:
            self.socket.send(message.encoded)
        return True

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
