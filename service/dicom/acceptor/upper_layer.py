"""The lower half of pynetdicom's acceptor, its inner loops replaced: nothing polls, and nothing waits for ever.

- P-DATA is read in one piece and handed on without copies.
- The thread waits on the socket and on a bell instead of looking every millisecond.
- Every read has a time limit. An accepted socket has none there, and a peer that stops within a PDU holds the thread.
"""

import time
from typing import Any, cast

from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import A_ASSOCIATE

from service.dicom.acceptor.contract import Peer
from service.dicom.acceptor.incoming_pdu import IncomingPdu, UnwelcomePdu
from service.dicom.acceptor.pdu import INVALID_PARAMETER, INVALID_PDU, UNEXPECTED_PDU
from service.dicom.acceptor.peer_socket import CONNECTION_CLOSED, PeerSocket
from service.dicom.acceptor.streaming import StreamingDimse
from service.dicom.associate import APPLICATION_CONTEXT
from service.dicom.bell import LOOK_S, Bell, SignallingQueue
from service.dicom.release import shut

#: Source of an A-ABORT (PS3.8 Table 9-26).
_BY_PROVIDER = 0x02
#: The state that waits for an association request (PS3.8 Table 9-4).
_AWAITING_REQUEST = {"Sta1", "Sta2"}
#: The state in which data are transferred (the same table).
_DATA_TRANSFER = "Sta6"


class UpperLayer(DULServiceProvider):
    """The DICOM upper layer of one association: a thread that owns the socket.

    Parameters
    ----------
    assoc, peer
        The association; both are the same object, as pynetdicom and as we see it.
    minimum_rate
        Bytes that a second of a message must bring, once `dimse_timeout` seconds have passed.
    """

    socket: PeerSocket | None

    def __init__(
        self, assoc: Association, peer: Peer, dimse: StreamingDimse, maximum_pdu_bytes: int, minimum_rate: float
    ) -> None:
        super().__init__(assoc)
        self._peer = peer
        self._dimse = dimse
        self._minimum_rate = minimum_rate
        self._acceptance = b""
        self._abort_reason = INVALID_PARAMETER
        self._is_refused = False
        self.daemon = True
        self._run_loop_delay = 0
        # Some senders leave the headers out of their count, so the limit that we announced is not taken at its word.
        self._maximum_data_pdu_bytes = 2 * maximum_pdu_bytes
        self._last_message = time.monotonic()
        self._bell = Bell()
        self.to_user_queue = SignallingQueue(lambda: dimse.msg_queue.put((None, None)))

    def ring(self) -> None:
        """End the wait: there is something to send, or room to receive."""
        self._bell.ring()

    def wait(self, connection: int | None, *, is_read: bool = False) -> bool:
        """Wait for input, for a ring, or until the timers want a look; return whether there is input.

        With `is_read`, there is input already that the system's socket no longer holds.
        """
        has_room = not self._dimse.is_backed_up
        at_once = self.state_machine.current_state == "Sta13" or (is_read and has_room)
        has_input = self._bell.wait(connection if has_room else None, 0 if at_once else LOOK_S)
        return has_input or (is_read and has_room)

    def accept(self, answer: bytes) -> None:
        """Send an A-ASSOCIATE-AC PDU."""
        self._acceptance = answer
        self.restart_idle_timer()
        self.send_pdu(_accepted())

    def _send(self, pdu: Any) -> None:
        if isinstance(pdu, A_ASSOCIATE_AC):
            # pynetdicom's own would repeat no odd AE title and answer no context without a transfer syntax.
            cast(PeerSocket, self.socket).send(self._acceptance)
            return
        if isinstance(pdu, A_ABORT_RQ) and (pdu.source == _BY_PROVIDER or self._is_refused):
            # Also before an association, where pynetdicom names the service user, whose reason has no meaning.
            pdu.source, pdu.reason_diagnostic = _BY_PROVIDER, self._abort_reason
        super()._send(pdu)

    def send_pdu(self, primitive: Any) -> None:
        """Send a primitive."""
        super().send_pdu(primitive)
        self.ring()

    def kill_dul(self) -> None:
        """End the thread."""
        super().kill_dul()
        self.ring()

    def run_reactor(self) -> None:
        """Serve the socket until the connection is closed."""
        try:
            super().run_reactor()
        except Exception as error:  # noqa: BLE001 - a PDU that the state machine has no answer to; the peer shall not wait
            self._peer.warn(f"closed: {type(error).__name__}")
            shut(self.assoc)
        finally:
            self._dimse.abandon()
            self.close()

    def close(self) -> None:
        """Give the bell back; the thread does so when it ends."""
        self._bell.close()

    def idle_timer_expired(self) -> bool:
        """Return whether the peer has been silent for too long between messages, or takes too long for one."""
        if self._dimse.is_backed_up:
            return False
        now = time.monotonic()
        due = self._dimse.due(self.assoc.dimse_timeout or LOOK_S, self._minimum_rate)
        if due is not None:
            return now > due
        return self.network_timeout is not None and now > self._last_message + self.network_timeout

    def restart_idle_timer(self) -> None:
        """Count the peer's silence from now on: a message was served, or the association begins."""
        self._last_message = time.monotonic()
        self._dimse.start_clock_anew()

    def _is_transport_event(self) -> bool:
        if not self.event_queue.empty():
            return False  # what has come is acted upon before anything more is read
        connection = cast(PeerSocket, self.socket)
        if self.state_machine.current_state != "Sta13":
            return super()._is_transport_event()
        try:
            goes_on = connection.ready and connection.discard_input()
        except OSError:
            goes_on = False
        if not goes_on:
            connection.close()
        return True

    def _read_pdu_data(self) -> None:
        """Read a PDU, and those behind it that have come whole with it."""
        while self._read_pdu() and cast(PeerSocket, self.socket).holds_pdu and not self._dimse.is_backed_up:
            pass

    def _read_pdu(self) -> bool:
        """Read a PDU; return whether it was data that are taken, so that the state machine has nothing to do."""
        try:
            arrived = IncomingPdu(cast(PeerSocket, self.socket), self._maximum_data_pdu_bytes)
            if self.state_machine.current_state in _AWAITING_REQUEST:
                arrived.require_request()
            if not arrived.is_always_expected:
                self._abort_reason = UNEXPECTED_PDU  # should the state machine abort
            pdu, event = arrived.decoded(self._decode_pdu)
        except OSError:
            self.event_queue.put(CONNECTION_CLOSED)
            self._end_wait_for_request()
        except UnwelcomePdu as refusal:
            self._peer.warn(f"aborted: it sent {refusal}")
            self._is_refused, self._abort_reason = True, refusal.reason
            self.event_queue.put(INVALID_PDU)
            self._end_wait_for_request()
        else:
            if arrived.is_data and self.state_machine.current_state == _DATA_TRANSFER:
                # All that the state machine would do (PS3.8 Table 9-7, DT-2), without its way through two queues.
                self._dimse.receive_primitive(pdu)
                return self.event_queue.empty()
            self._recv_pdu.put(pdu)
            self.event_queue.put(event)
        return False

    def _end_wait_for_request(self) -> None:
        """Tell an association that waits for its request that it no longer comes: nothing else would end that wait."""
        if self.state_machine.current_state in _AWAITING_REQUEST:
            self.to_user_queue.put(cast(Any, None))


def _accepted() -> A_ASSOCIATE:
    """Return the primitive by which the state machine learns that an association is accepted."""
    accepted = A_ASSOCIATE()
    accepted.result = 0x00
    accepted.application_context_name = UID(APPLICATION_CONTEXT)  # its own A-ASSOCIATE-AC cannot be without
    return accepted
