"""The PDUs that a peer sends, read whole from its socket, and what is wrong with those that are not taken.

References
----------
PS3.8 section 9.3 and Table 9-26
"""

from collections.abc import Callable
from typing import Any

from service.dicom.acceptor.pdu import (
    INVALID_PARAMETER,
    UNEXPECTED_PDU,
    UNRECOGNIZED_PDU,
    Data,
    RequestPdu,
)
from service.dicom.acceptor.peer_socket import PeerSocket
from service.dicom.associate import abort_body

_A_ASSOCIATE_RQ, _P_DATA_TF, _A_RELEASE_RQ, _A_ABORT = 0x01, 0x04, 0x05, 0x07
_A_ASSOCIATE_RQ_RECEIVED = "Evt6"
_P_DATA_TF_RECEIVED = "Evt10"
#: What begins so is no PDU at all.
_STRANGERS = {0x16: "; it speaks TLS, point it at listener.tls.port"} | dict.fromkeys(
    b"GHPO", "; it speaks HTTP, and DICOM alone is answered here"
)
#: Largest PDU other than P-DATA; an association request with 128 presentation contexts takes some ten kilobytes.
_MAXIMUM_CONTROL_PDU_BYTES = 1 << 20


class UnwelcomePdu(Exception):
    """A PDU that ends its association.

    Attributes
    ----------
    reason
        Of the A-ABORT (PS3.8 Table 9-26).
    """

    def __init__(self, what: str, reason: int) -> None:
        super().__init__(what)
        self.reason = reason


class IncomingPdu:
    """One PDU from its first byte on.

    Parameters
    ----------
    maximum_data_bytes
        Largest P-DATA-TF PDU that is taken; memory is given for a stated length only up to here.

    Raises
    ------
    OSError
        When the connection ends, or the peer is silent for too long within the PDU.
    UnwelcomePdu
        When it is no PDU, or too long.
    """

    def __init__(self, connection: PeerSocket, maximum_data_bytes: int) -> None:
        self._header = bytes(connection.read(6))
        self._kind, length = self._header[0], int.from_bytes(self._header[2:6], "big")
        limit = maximum_data_bytes if self._kind == _P_DATA_TF else _MAXIMUM_CONTROL_PDU_BYTES
        if not _A_ASSOCIATE_RQ <= self._kind <= _A_ABORT or length > limit:
            stranger = _STRANGERS.get(self._kind, "")
            raise UnwelcomePdu(f"a PDU of type {self._kind:#04x} and {length} bytes{stranger}", UNRECOGNIZED_PDU)
        self._body = connection.read(length)

    @property
    def is_always_expected(self) -> bool:
        """Whether a peer with an association may send it at any time."""
        return self._kind in {_P_DATA_TF, _A_RELEASE_RQ, _A_ABORT}

    @property
    def is_data(self) -> bool:
        """Whether it is a P-DATA-TF PDU."""
        return self._kind == _P_DATA_TF

    def require_request(self) -> None:
        """Accept an association request alone.

        Raises
        ------
        UnwelcomePdu
            When it is another PDU: nothing can be said before an association.
        """
        if self._kind != _A_ASSOCIATE_RQ:
            raise UnwelcomePdu(f"a PDU of type {self._kind:#04x} before it asked for an association", UNEXPECTED_PDU)

    def decoded(self, by_pynetdicom: Callable[[bytearray], tuple[Any, str]]) -> tuple[Any, str]:
        """Return the PDU and the event that it is for the state machine (PS3.8 Table 9-10).

        Raises
        ------
        UnwelcomePdu
            When it cannot be decoded.
        """
        try:
            if self._kind == _P_DATA_TF:
                return Data(self._body), _P_DATA_TF_RECEIVED
            if self._kind == _A_ASSOCIATE_RQ:
                return RequestPdu(bytes(self._body)), _A_ASSOCIATE_RQ_RECEIVED
            body = bytearray(abort_body(bytes(self._body))) if self._kind == _A_ABORT else self._body
            return by_pynetdicom(bytearray(self._header) + body)
        except Exception as error:  # noqa: BLE001 - pynetdicom's decoders raise whatever a broken PDU leads them to
            what = f"a PDU of type {self._kind:#04x} that cannot be decoded ({type(error).__name__})"
            raise UnwelcomePdu(what, INVALID_PARAMETER) from None
