"""A peer's connection without TLS: what the peer has sent is read at once, several PDUs if there are.

References
----------
PS3.8 section 9.3.1 (a PDU's header and length)
"""

import socket
import time
from typing import cast

from service.dicom.acceptor.peer_socket import PeerSocket

#: How much is read ahead. PDUs that are larger are read by themselves.
_AHEAD_BYTES = 1 << 19
_HEADER_BYTES = 6


class PlainSocket(PeerSocket):
    """A peer's connection without TLS.

    Until there is an association, nothing is read ahead: a stranger gets no memory.
    """

    _begin = _end = 0
    _buffer = memoryview(b"")

    @property
    def ready(self) -> bool:
        """Wait until there is something to read or to send; return whether it is something to read."""
        if self.socket is not None and self._begin < self._end:
            return self._wait(None, is_read=True)
        return super().ready

    @property
    def holds_pdu(self) -> bool:
        """Whether a whole PDU was read ahead."""
        ahead = self._buffer[self._begin : self._end]
        return len(ahead) >= _HEADER_BYTES + int.from_bytes(ahead[2:_HEADER_BYTES], "big")

    def read(self, nr_bytes: int) -> bytearray | memoryview:
        """Return that many bytes; a view of them holds until the next call.

        Raises
        ------
        OSError
            When the connection ends before, or the bytes take longer than the timeout.
        """
        if nr_bytes > _AHEAD_BYTES or not self.assoc.is_established:
            ahead = bytearray(self._buffer[self._begin : min(self._end, self._begin + nr_bytes)])
            self._begin += len(ahead)
            return ahead + super().read(nr_bytes - len(ahead))
        if not self._buffer:
            self._buffer = memoryview(bytearray(_AHEAD_BYTES))
        if self._end - self._begin < nr_bytes:
            self._read_ahead(nr_bytes)
        taken = self._buffer[self._begin : self._begin + nr_bytes]
        self._begin += nr_bytes
        return taken

    def _read_ahead(self, wanted: int) -> None:
        """Read until there are so many bytes, and whatever else has come."""
        deadline = self._begin_read()
        if self._begin == self._end or self._begin + wanted > _AHEAD_BYTES:
            rest = self._end - self._begin
            self._buffer[:rest] = self._buffer[self._begin : self._end]
            self._begin, self._end = 0, rest
        while self._end - self._begin < wanted:
            count = cast(socket.socket, self.socket).recv_into(self._buffer[self._end :])
            if count == 0:
                raise ConnectionError
            self._end += count
            if self._end - self._begin < wanted and time.monotonic() > deadline:
                raise TimeoutError

    def discard_input(self) -> bool:
        """Read and forget what a peer still sends although its association is over; return whether there was any."""
        if self._begin < self._end:
            self._begin = self._end
            return True
        return super().discard_input()
