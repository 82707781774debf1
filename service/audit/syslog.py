"""Audit messages to a syslog server: RFC 5424 messages, RFC 5425 frames, TLS with certificates on both sides."""

import socket
import ssl
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from service.settings import AuditSettings

#: Facility 10, security and authorisation; severity 5, notice (PS3.15 section A.6).
_PRIORITY = 10 * 8 + 5
_MESSAGE_ID = "DICOM+RFC3881"
_TIMEOUT_S = 10.0


def frame(xml: bytes, at: datetime, process_id: int) -> bytes:
    """Return a message with its header and its length before it.

    References
    ----------
    RFC 5424 section 6, RFC 5425 section 4.3, PS3.15 section A.6
    """
    host = socket.gethostname() or "-"
    stamp = at.isoformat(timespec="milliseconds")
    # The byte order mark says that the message is UTF-8 (RFC 5424 section 6.4).
    header = f"<{_PRIORITY}>1 {stamp} {host} auscult {process_id} {_MESSAGE_ID} - \ufeff".encode()
    return b"%d %s" % (len(header) + len(xml), header + xml)


class SyslogConnection:
    """A TLS connection to the server.

    Raises
    ------
    OSError
        When the server cannot be reached or trusted, or a certificate cannot be read; `ssl.SSLError` is one.
    """

    def __init__(self, settings: AuditSettings) -> None:
        context = ssl.create_default_context(cafile=settings.syslog_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.syslog_certificate is not None:
            context.load_cert_chain(settings.syslog_certificate, settings.syslog_key)
        host = str(settings.syslog_host)
        plain = socket.create_connection((host, settings.syslog_port), timeout=_TIMEOUT_S)
        try:
            self._socket = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def send(self, frames: Iterable[bytes]) -> None:
        """Send frames; the protocol knows no acknowledgement, so what is proven is that the connection still stood.

        Raises
        ------
        OSError
            When the connection broke; the frames are to be sent again then.
        """
        self._socket.sendall(b"".join(frames))
        # Only a look: what the server may send, such as TLS session tickets, is no application data.
        self._socket.settimeout(0)
        try:
            if self._socket.recv(1) == b"":
                raise ConnectionResetError("the syslog server closed the connection")
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        finally:
            self._socket.settimeout(_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
