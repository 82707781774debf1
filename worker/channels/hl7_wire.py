"""The wire to a receiver of HL7 v2: MLLP, over which a block is answered by a block, and what the answer means.

References
----------
HL7 Version 2.5.1, section 2.9.2 (acknowledgement); Transport Specification: MLLP, Release 1
"""

import select
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass

from service.hl7.encoding import BLOCK_END, BLOCK_START, block
from service.security.tls import destination_context, reason_of
from service.settings import DestinationTlsSettings
from service.settings.receivers import Hl7Settings
from service.vocabulary.errors import PermanentDeliveryFailure, SettingsInvalid, TransientDeliveryFailure

#: An acknowledgement is short; whoever sends more is no receiver of messages.
_MOST = 65536

#: Errors of table 0357 that another try meets again: the message's form, its type, version or processing ID.
_FINAL_ERRORS = frozenset({100, 101, 102, 103, 200, 201, 202, 203})
_TAKEN = frozenset({"AA", "CA"})


@dataclass(frozen=True)
class Acknowledgement:
    """What answers a message.

    Attributes
    ----------
    code
        MSA-1: AA, AE or AR, or their like in enhanced mode.
    message_id
        MSA-2, the message that it answers.
    error
        ERR-3, an HL7 error code of table 0357; None when there is none. The words beside it are left alone: they may
        quote the message, which names a patient.
    """

    code: str
    message_id: str
    error: int | None


def acknowledgement(block: bytes) -> Acknowledgement | None:
    """Read an answer; None when it is none."""
    found: dict[str, list[str]] = {}
    for line in block.decode("latin-1").replace("\n", "\r").split("\r"):
        found.setdefault(line[:3], line.split("|"))
    if "MSA" not in found:
        return None
    answer, error = [*found["MSA"], "", "", ""], [*found.get("ERR", []), "", "", "", ""]
    code = error[3].partition("^")[0].strip()
    return Acknowledgement(answer[1].strip(), answer[2].strip(), int(code) if code.isdecimal() else None)


def accepted(answer: Acknowledgement) -> str:
    """Return with which code a message was taken.

    Raises
    ------
    TransientDeliveryFailure
        When it was refused for a reason that may pass: an error that the receiver does not name, or one of its own.
    PermanentDeliveryFailure
        When it was refused for what it is.
    """
    if answer.code in _TAKEN:
        return answer.code
    detail = f"the receiver answered {answer.code[:2]}" + (f" ({answer.error})" if answer.error is not None else "")
    if answer.error in _FINAL_ERRORS:
        raise PermanentDeliveryFailure(detail, status=answer.error)
    raise TransientDeliveryFailure(detail, status=answer.error or 0)


class _Unanswered(Exception):
    """A connection ended before the answer."""


class MllpConnection:
    """A connection to one receiver, opened when it is needed; used by one thread."""

    def __init__(self, receiver: Hl7Settings) -> None:
        self._receiver = receiver
        self._socket: socket.socket | None = None

    def exchange(self, message: bytes, message_id: str) -> Acknowledgement:
        """Send a message and return what answers it; what answers another is passed over.

        Raises
        ------
        TransientDeliveryFailure
            When the receiver cannot be reached, or does not answer within its time.
        """
        kept, self._socket = self._socket, None
        if kept is not None and not _is_spent(kept):
            # A receiver may close a connection after each answer: the message goes out anew then, under its ID.
            with suppress(_Unanswered):
                return self._ask(kept, message, message_id)
        try:
            return self._ask(self._opened(), message, message_id)
        except _Unanswered:
            raise TransientDeliveryFailure("the connection ended without an answer", in_doubt=True) from None

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        receiver = self._receiver
        try:
            plain = socket.create_connection((receiver.host, receiver.port), receiver.connect_timeout)
        except OSError:
            raise TransientDeliveryFailure("cannot be reached; check its host, port and network") from None
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if receiver.tls is None else _secured(plain, receiver.name, receiver.host, receiver.tls)

    def _ask(self, connection: socket.socket, message: bytes, message_id: str) -> Acknowledgement:
        """Return the answer; the connection is kept for the next message, or closed."""
        try:
            connection.settimeout(self._receiver.response_timeout)
            connection.sendall(block(message))
            answer = self._answer(connection, message_id)
            if self._receiver.keep_connection:
                self._socket = connection
            return answer
        except TimeoutError:
            raise TransientDeliveryFailure("the receiver does not answer within its time", in_doubt=True) from None
        except OSError:
            raise _Unanswered from None
        finally:
            if self._socket is not connection:
                connection.close()

    def _answer(self, connection: socket.socket, message_id: str) -> Acknowledgement:
        deadline, got = time.monotonic() + self._receiver.response_timeout, b""
        while len(got) <= _MOST:
            answered, end, rest = got.partition(BLOCK_END)
            if end:
                answer, got = acknowledgement(answered[answered.find(BLOCK_START) + 1 :]), rest
                if answer is not None and answer.message_id == message_id:
                    return answer
                continue
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            piece = connection.recv(4096)
            if not piece:
                raise _Unanswered
            got += piece
        raise TransientDeliveryFailure("the receiver's answer has no end", in_doubt=True)


def _is_spent(connection: socket.socket) -> bool:
    """Return whether a connection was closed, or written to, since its last answer; it is closed then."""
    readable = bool(select.select([connection], [], [], 0)[0])
    if readable:
        connection.close()
    return readable


def _secured(plain: socket.socket, name: str, host: str, tls: DestinationTlsSettings) -> socket.socket:
    try:
        context = destination_context(tls, f"the table tls of {name}")
        return context.wrap_socket(plain, server_hostname=tls.server_name or host)
    except SettingsInvalid as error:
        plain.close()
        raise TransientDeliveryFailure(str(error)) from None
    except OSError as error:
        plain.close()
        why = reason_of(error) if isinstance(error, ssl.SSLError) else "the connection broke"
        raise TransientDeliveryFailure(f"the TLS handshake failed: {why}") from None
