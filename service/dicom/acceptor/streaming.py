"""The DIMSE service of an association, with data sets that stream to where they belong.

C-STORE requests never become pynetdicom's primitives: those hold the whole data set in memory, or in a file of their
own, and refuse a UID of 70 characters by aborting the association. Every other service is left to pynetdicom.
"""

from typing import Any, cast

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from service.dicom.acceptor.contract import CStoreRequest, CStoreService, Oversized, Peer
from service.dicom.acceptor.pdu import INVALID_PDU, Data
from service.dicom.command import CommandSet, InvalidCommand
from service.process.log import get_logger

log = get_logger(__name__)

#: Bounds on what a peer may make us hold: a command set, and a data set that is not for storage.
_MAXIMUM_COMMAND_BYTES = 1 << 16
_MAXIMUM_OTHER_DATA_SET_BYTES = 1 << 20


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

    @property
    def is_arriving(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._command) or self._request is not None or self._other_context is not None

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
            log.warning(
                "association with %s aborted: it sent a broken DIMSE message (%s)",
                self._peer.address,
                error if isinstance(error, InvalidCommand) else type(error).__name__,
            )
            self.dul.event_queue.put(INVALID_PDU)

    def abandon(self) -> None:
        """Discard what has arrived of a data set."""
        if self._request is not None:
            self._request.sink.discard()
            self._request = None

    def _receive(self, context_id: int, fragment: memoryview) -> None:
        is_command, is_last, data = fragment[0] & 1, fragment[0] & 2, fragment[1:]
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
            self._other_context = None

    def _pass_on(self, context_id: int, fragment: bytes) -> None:
        """Leave every other service to pynetdicom."""
        primitive = P_DATA()
        # Its setter asks for lists, its type says tuples.
        primitive.presentation_data_value_list = cast(Any, [[context_id, fragment]])
        super().receive_primitive(primitive)

    def _finish(self, request: CStoreRequest) -> None:
        self._request = None
        self.msg_queue.put((request.context_id, cast(Any, request)))
