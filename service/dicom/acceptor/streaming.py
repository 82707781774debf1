"""The DIMSE service of an association, with data sets that stream to where they belong.

C-STORE requests never become pynetdicom's primitives: those hold the whole data set in memory, or in a file of their
own, and refuse a UID of 70 characters by aborting the association. Every other service is left to pynetdicom.

References
----------
PS3.7 section 6.3 (message structure); PS3.8 section 9.3.5 and Annex E (P-DATA-TF)
"""

import time
from dataclasses import dataclass
from typing import Any, cast

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from service.dicom.acceptor.contract import CStoreRequest, CStoreService, Oversized, Peer
from service.dicom.acceptor.pdu import INVALID_PDU, Data
from service.dicom.command import CommandSet, InvalidCommand

#: Bounds on what a peer may make us hold: a command set, and a data set that is not for storage.
_MAXIMUM_COMMAND_BYTES = 1 << 16
_MAXIMUM_OTHER_DATA_SET_BYTES = 1 << 20


@dataclass
class _Arrival:
    """A message that has begun; moments are monotonic, in seconds."""

    began: float
    last_byte: float
    size: int = 0


class StreamingDimse(DIMSEServiceProvider):
    """The DIMSE service of one association; it runs in the upper layer's thread.

    Parameters
    ----------
    assoc, peer
        The association; both are the same object, as pynetdicom and as we see it.
    """

    def __init__(self, assoc: Association, peer: Peer, service: CStoreService) -> None:
        super().__init__(assoc)
        self._peer = peer
        self._service = service
        self._command = bytearray()
        self._request: CStoreRequest | None = None
        self._other_context: int | None = None
        self._other_bytes = 0
        self._is_broken = False
        self._arrival: _Arrival | None = None

    @property
    def is_arriving(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._arrival is not None

    @property
    def maximum_pdu_size(self) -> int:
        """Most bytes of a PDU's variable field that the peer takes; 0 is no limit."""
        request = self._peer.requested
        return 0 if request is None else request.information.maximum_length

    def due(self, patience_s: float, minimum_rate: float) -> float | None:
        """Return when what is arriving must have gone on or be whole (monotonic, seconds); None between messages.

        Parameters
        ----------
        patience_s
            Longest time between two bytes, and longest of a message without its bytes.
        minimum_rate
            Bytes that a second of a message must bring; fragments without bytes bring none.
        """
        if (arrival := self._arrival) is None:
            return None
        return patience_s + min(arrival.last_byte, arrival.began + arrival.size / minimum_rate)

    def start_clock_anew(self) -> None:
        """Count what is arriving from now on: until now, this side did not read."""
        if self._arrival is not None:
            now = time.monotonic()
            self._arrival = _Arrival(now, now)

    @property
    def is_backed_up(self) -> bool:
        """Whether a message waits to be served; the peer may send no other one before (PS3.7 Annex D.3.3.3)."""
        return any(message is not None for _, message in list(self.msg_queue.queue))

    def receive_primitive(self, primitive: "P_DATA | Data") -> None:
        """Take the fragments of a P-DATA primitive."""
        try:
            for context_id, fragment in primitive.presentation_data_value_list:
                if not self._is_broken:
                    self._receive(context_id, memoryview(fragment))
        except Exception as error:  # noqa: BLE001 - an error in here would end the thread and leave the peer waiting
            self._is_broken = True
            self.abandon()
            what = error if isinstance(error, InvalidCommand) else type(error).__name__
            self._peer.warn(f"aborted: it sent a broken DIMSE message ({what})")
            self.dul.event_queue.put(INVALID_PDU)

    def abandon(self) -> None:
        """Discard what has arrived of a data set."""
        if self._request is not None:
            self._request.sink.discard()
            self._request = None

    def _receive(self, context_id: int, fragment: memoryview) -> None:
        is_command, is_last, data = fragment[0] & 1, fragment[0] & 2, fragment[1:]
        self._note_arrival(len(data))
        if is_command:
            self._receive_command(context_id, data, is_last=bool(is_last))
        elif self._request is not None and context_id == self._request.context_id:
            self._request.sink.write(data)
            if is_last:
                self._finish(self._request)
        elif self._other_context == context_id:
            self._receive_other(context_id, data, is_last=bool(is_last))
        else:
            raise InvalidCommand("a data set fragment without a command before it")

    def _note_arrival(self, size: int) -> None:
        now = time.monotonic()
        if self._arrival is None:
            self._arrival = _Arrival(now, now)
        if size:
            self._arrival.last_byte = now
            self._arrival.size += size

    def _receive_command(self, context_id: int, data: memoryview, *, is_last: bool) -> None:
        if self._request is not None or self._other_context is not None:
            raise InvalidCommand("a command within a data set")
        self._command += data
        if len(self._command) > _MAXIMUM_COMMAND_BYTES:
            raise InvalidCommand("a command set that never ends")
        if not is_last:
            return
        encoded, self._command = bytes(self._command), bytearray()
        command = CommandSet.parse(encoded)
        if not command.is_store_request:
            self._other_context = context_id if command.has_data_set else None
            self._other_bytes = 0
            if not command.has_data_set:
                self._arrival = None
            self._pass_on(context_id, b"\x03" + encoded)
            return
        if context_id not in self._peer.transfer_syntaxes:
            raise InvalidCommand("a command in a presentation context that was not accepted")
        sink = self._service.begin(self._peer, command, context_id)
        self._request = CStoreRequest(command, context_id, sink, self._peer.address)
        if not command.has_data_set:
            self._finish(self._request)

    def _receive_other(self, context_id: int, data: memoryview, *, is_last: bool) -> None:
        self._other_bytes += len(data)
        if self._other_bytes <= _MAXIMUM_OTHER_DATA_SET_BYTES:
            self._pass_on(context_id, (b"\x02" if is_last else b"\x00") + bytes(data))
        else:
            # The rest is drained, and the service says so: the association goes on.
            cast(Any, self.message).data_set = Oversized()
            if is_last:
                self._pass_on(context_id, b"\x02")
        if is_last:
            self._other_context = self._arrival = None

    def _pass_on(self, context_id: int, fragment: bytes) -> None:
        """Leave every other service to pynetdicom."""
        primitive = P_DATA()
        # Its setter asks for lists, its type says tuples.
        primitive.presentation_data_value_list = cast(Any, [[context_id, fragment]])
        super().receive_primitive(primitive)

    def _finish(self, request: CStoreRequest) -> None:
        self._request = self._arrival = None
        self.msg_queue.put((request.context_id, cast(Any, request)))
