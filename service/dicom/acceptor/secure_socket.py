"""A peer's connection over TLS: the handshake, and reads that know of records.

pynetdicom shakes hands in the loop that accepts connections, where one peer that says nothing ends all reception. Here
the association's own thread does it, within the time that an association request may take.
"""

import ssl
from contextlib import suppress
from typing import cast

from service.dicom.acceptor.peer_socket import PeerSocket

#: Length of a PDU's header: all that is read before it is known whether a record brought data.
_HEADER_BYTES = 6


class SecureSocket(PeerSocket):
    """A peer's connection over TLS."""

    #: Read by `ready`, and not yet given out by `read`.
    _ahead = b""

    @property
    def connection(self) -> ssl.SSLSocket:
        """The connection; its data come decrypted."""
        return cast(ssl.SSLSocket, self.socket)

    def shake_hands(self, timeout_s: float) -> None:
        """Agree on keys with the peer, and see its certificate.

        Raises
        ------
        OSError
            When the peer is silent for too long in all, goes away, or cannot be trusted.
        """
        self.connection.settimeout(timeout_s)
        self.connection.do_handshake()

    @property
    def ready(self) -> bool:
        """Wait until there is something to read or to send; return whether it is something to read.

        One record may hold several PDUs, which the system's socket then knows nothing of; and one may hold no data at
        all, such as a change of keys, for which nobody must wait in a read.
        """
        if self.socket is None:
            return super().ready
        if self._ahead or self.connection.pending():
            return self._wait(None, is_read=True)
        return super().ready and self._has_data()

    def _has_data(self) -> bool:
        """Return whether there is more than a record without data: data, or the end of the connection."""
        before = self.connection.gettimeout()
        self.connection.settimeout(0)
        try:
            self._ahead = self.connection.recv(_HEADER_BYTES)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True  # the read that follows meets it again, and says so
        finally:
            self.connection.settimeout(before)
        return True

    def read(self, nr_bytes: int) -> bytearray | memoryview:
        """Return that many bytes; see `PeerSocket.read`.

        Raises
        ------
        OSError
            When the connection ends before, or the bytes take longer than the timeout.
        """
        ahead, self._ahead = self._ahead[:nr_bytes], self._ahead[nr_bytes:]
        rest = super().read(nr_bytes - len(ahead))
        return bytearray(ahead) + rest if ahead else rest

    def discard_input(self) -> bool:
        """Read and forget what a peer still sends although its association is over; return whether there was any."""
        if self._ahead:
            self._ahead = b""
            return True
        return super().discard_input()

    def _shutdown_socket(self) -> None:
        """Say that the end is meant (RFC 8446 section 6.1), without waiting for an answer, and close the connection."""
        with suppress(OSError, ValueError):
            self.connection.settimeout(0)
            self.connection.unwrap()
        super()._shutdown_socket()
