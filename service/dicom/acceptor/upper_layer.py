"""The lower half of pynetdicom's acceptor, its inner loops replaced: nothing polls, and nothing waits for ever.

- P-DATA is read in one piece and handed on without copies; a stated length is checked before memory is given.
- The thread waits on the socket and on a bell instead of looking every millisecond.
- Every read has a time limit. An accepted socket has none there, and a peer that stops within a PDU holds the thread.
"""

import os
import queue
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider

from service.dicom.acceptor.pdu import INVALID_PDU, Data
from service.dicom.acceptor.peer_socket import CONNECTION_CLOSED, LOOK_S, PeerSocket
from service.dicom.acceptor.streaming import StreamingDimse
from service.dicom.release import shut
from service.process.log import get_logger

log = get_logger(__name__)

_P_DATA_TF_RECEIVED = "Evt10"
#: Largest PDU other than P-DATA; an association request with 128 presentation contexts takes some ten kilobytes.
_MAXIMUM_CONTROL_PDU_BYTES = 1 << 20


class _SignallingQueue(queue.Queue[Any]):
    """A queue that tells another of each arrival."""

    def __init__(self, signal: Callable[[], None]) -> None:
        super().__init__()
        self._signal = signal

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._signal()


class UpperLayer(DULServiceProvider):
    """The DICOM upper layer of one association: a thread that owns the socket."""

    socket: PeerSocket | None

    def __init__(self, assoc: Association, dimse: StreamingDimse, maximum_pdu_bytes: int) -> None:
        super().__init__(assoc)
        self._dimse = dimse
        self.daemon = True
        self._run_loop_delay = 0
        # Some senders leave the headers out of their count, so the limit that we announced is not taken at its word.
        self._maximum_data_pdu_bytes = 2 * maximum_pdu_bytes
        self._last_input = time.monotonic()
        self._bell_lock = threading.Lock()
        self._bell: tuple[int, int] | None = os.pipe()
        for descriptor in self._bell:
            os.set_blocking(descriptor, False)
        self.to_user_queue = _SignallingQueue(lambda: dimse.msg_queue.put((None, None)))

    def ring(self) -> None:
        """End the wait: there is something to send, or room to receive."""
        with self._bell_lock, suppress(BlockingIOError):
            if self._bell is not None:
                os.write(self._bell[1], b"!")

    def wait(self, connection: int | None, *, is_read: bool = False) -> bool:
        """Wait for input, for a ring, or until the timers want a look; return whether there is input.

        Parameters
        ----------
        is_read
            There is input already that the system's socket no longer holds.
        """
        bell = cast(tuple[int, int], self._bell)[0]
        has_room = not self._dimse.is_backed_up
        poll = select.poll()
        poll.register(bell, select.POLLIN)
        if connection is not None and has_room:
            poll.register(connection, select.POLLIN)
        # One event is acted upon in each round, and a connection that opens with its request makes two.
        is_due = not self.event_queue.empty()
        at_once = is_due or self.state_machine.current_state == "Sta13" or (is_read and has_room)
        ready = [descriptor for descriptor, _ in poll.poll(0 if at_once else 1000 * LOOK_S)]
        if bell in ready:
            with suppress(BlockingIOError):
                os.read(bell, 4096)
        return connection in ready or (is_read and has_room)

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
            log.warning("connection with %s closed: %s", self.assoc.requestor.address, type(error).__name__)
            shut(self.assoc)
        finally:
            self._dimse.abandon()
            self.close()

    def close(self) -> None:
        """Give the bell back; the thread does so when it ends."""
        with self._bell_lock:
            for descriptor in self._bell or ():
                os.close(descriptor)
            self._bell = None

    def idle_timer_expired(self) -> bool:
        """Return whether the peer has been silent for too long: between messages, or within one."""
        limit = self.assoc.dimse_timeout if self._dimse.is_arriving else self.network_timeout
        return limit is not None and time.monotonic() - self._last_input > limit

    def restart_idle_timer(self) -> None:
        """Count the peer's silence from now on."""
        self._last_input = time.monotonic()

    def _is_transport_event(self) -> bool:
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
        connection = cast(PeerSocket, self.socket)
        try:
            header = connection.recv(6)
            kind, length = header[0], int.from_bytes(header[2:6], "big")
            limit = self._maximum_data_pdu_bytes if kind == 0x04 else _MAXIMUM_CONTROL_PDU_BYTES
            if not 0x01 <= kind <= 0x07 or length > limit:
                self._refuse(f"a PDU of type {kind:#04x} and {length} bytes")
                return
            body = connection.recv(length)
        except OSError:
            self.event_queue.put(CONNECTION_CLOSED)
            self._end_wait_for_request()
            return
        self.restart_idle_timer()
        try:
            pdu, event = (
                (cast(Any, Data(body)), _P_DATA_TF_RECEIVED) if kind == 0x04 else self._decode_pdu(header + body)
            )
        except Exception as error:  # noqa: BLE001 - pynetdicom's decoders raise whatever a broken PDU leads them to
            self._refuse(f"a PDU of type {kind:#04x} that cannot be decoded ({type(error).__name__})")
            return
        self._recv_pdu.put(pdu)
        self.event_queue.put(event)

    def _refuse(self, what: str) -> None:
        log.warning("association with %s aborted: it sent %s", self.assoc.requestor.address, what)
        self.event_queue.put(INVALID_PDU)
        self._end_wait_for_request()

    def _end_wait_for_request(self) -> None:
        """Tell an association that waits for its request that it no longer comes: nothing else would end that wait."""
        if self.state_machine.current_state == "Sta2":
            self.to_user_queue.put(cast(Any, None))
