"""HTTP as we ask it of others: one request, one answer, within a time; no redirection is followed."""

import base64
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from service.security.tls import destination_context, reason_of
from service.settings import DicomwebSettings
from service.settings.receivers import HttpReceiverSettings
from service.settings.secret_files import read_password
from service.vocabulary.errors import (
    DeliveryFailed,
    PermanentDeliveryFailure,
    SettingsInvalid,
    TransientDeliveryFailure,
)

#: Statuses of RFC 9110 that another try meets again: they are about the message, or the place is gone.
_FINAL = frozenset({400, 405, 410, 413, 415, 422})


#: Whom a request goes to.
HttpReceiver = HttpReceiverSettings | DicomwebSettings


@dataclass(frozen=True)
class HttpAnswer:
    """An answer: its status, and as much of its content as was wanted."""

    status: int
    content: bytes


def delivered(receiver: HttpReceiver, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """Send a body; return the status with which it was taken.

    Raises
    ------
    TransientDeliveryFailure
        When the receiver is away, or answers with a status that may pass.
    PermanentDeliveryFailure
        When the status is about the message.
    """
    status = exchanged(receiver, method, url, body, headers).status
    if 200 <= status < 300:
        return f"HTTP {status}"
    raise failure_of(status)(f"the receiver answered HTTP {status}", status=status)


def bearer(token_file: Path | None) -> dict[str, str]:
    """Return the header with the token of a file, which is read for each message; none without a file.

    Raises
    ------
    TransientDeliveryFailure
        When the file cannot be read.
    """
    if token_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {read_password(token_file).get_secret_value()}"}
    except ValueError as error:
        raise TransientDeliveryFailure(str(error)) from None


def login(destination: DicomwebSettings) -> dict[str, str]:
    """Return the header by which we log in; its file is read each time, so that a new one counts at once.

    Raises
    ------
    TransientDeliveryFailure
        When the file cannot be read.
    """
    if destination.password_file is None:
        return bearer(destination.token_file)
    try:
        secret = read_password(destination.password_file).get_secret_value()
    except ValueError as error:
        raise TransientDeliveryFailure(str(error)) from None
    return {"Authorization": f"Basic {base64.b64encode(f'{destination.user}:{secret}'.encode()).decode()}"}


def failure_of(status: int) -> type[DeliveryFailed]:
    """Return what a status of failure means: whether another try may fare better."""
    return PermanentDeliveryFailure if status in _FINAL else TransientDeliveryFailure


def exchanged(
    receiver: HttpReceiver, method: str, url: str, body: bytes | None, headers: Mapping[str, str], most: int = 0
) -> HttpAnswer:
    """Send a request; return its answer.

    Parameters
    ----------
    most
        Bytes of the answer's content that are wanted; what is beyond is not read.

    Raises
    ------
    TransientDeliveryFailure
        When no answer came.
    """
    parts = urlsplit(url)
    with closing(_connected(receiver, parts.hostname or "", parts.port, parts.scheme)) as connection:
        # Each byte of an answer may come within the time-out of a read: this ends the whole.
        watch = threading.Timer(receiver.response_timeout, _shut, [connection])
        watch.start()
        try:
            target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
            connection.request(method, target, body, {"User-Agent": "auscult", **headers})
            answer = connection.getresponse()
            return HttpAnswer(answer.status, answer.read(most) if most else b"")
        except (OSError, HTTPException):
            raise TransientDeliveryFailure("the receiver gave no HTTP answer within its time", in_doubt=True) from None
        finally:
            watch.cancel()


def _connected(receiver: HttpReceiver, host: str, port: int | None, scheme: str) -> HTTPConnection:
    timeout = receiver.connect_timeout
    context = None if scheme == "http" else _context(receiver)
    connection = (
        HTTPConnection(host, port, timeout)
        if context is None
        else HTTPSConnection(host, port, timeout=timeout, context=context)
    )
    try:
        # Of HTTPS too: its own would ask for a certificate of the host's name, whatever the settings say.
        HTTPConnection.connect(connection)
        if context is not None:
            name = (receiver.tls and receiver.tls.server_name) or host
            connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
    except ssl.SSLError as error:
        connection.close()
        raise TransientDeliveryFailure(f"the TLS handshake failed: {reason_of(error)}") from None
    except OSError:
        connection.close()
        raise TransientDeliveryFailure("cannot be reached; check its url and network") from None
    connection.sock.settimeout(receiver.response_timeout)
    return connection


def _context(receiver: HttpReceiver) -> ssl.SSLContext:
    try:
        named = f"the table tls of {receiver.name}"
        return ssl.create_default_context() if receiver.tls is None else destination_context(receiver.tls, named)
    except SettingsInvalid as error:
        raise TransientDeliveryFailure(str(error)) from None


def _shut(connection: HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(2)
