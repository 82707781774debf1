"""An association as services see it: the peer at its other end.

References
----------
PS3.8 Table 9-11: the AE titles of a request
"""

import time
from typing import Any

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from service.dicom.acceptor.contract import OutgoingRequest
from service.dicom.acceptor.pdu import RequestPdu
from service.dicom.acceptor.secure_socket import SecureSocket
from service.dicom.acceptor.streaming import StreamingDimse
from service.dicom.acceptor.terms import Terms
from service.dicom.acceptor.upper_layer import UpperLayer
from service.dicom.associate import AssociateRequest
from service.dicom.release import shut
from service.security.tls import PeerCertificate


class PeerAssociation(Association):
    """What an association shows of its peer, and lets be done with it; see `service.dicom.acceptor.contract.Peer`."""

    dul: UpperLayer
    dimse: StreamingDimse

    def __init__(self, ae: ApplicationEntity, terms: Terms) -> None:
        super().__init__(ae, "acceptor")
        self.opened = time.monotonic()
        #: Whether it was hung up; its threads end a moment later.
        self.is_leaving = False
        self.certificate: PeerCertificate | None = None
        self.outgoing: list[OutgoingRequest] = []
        self._terms = terms

    @property
    def is_requested(self) -> bool:
        """Whether the peer has sent its association request."""
        return self.requestor.primitive is not None

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return str(self.requestor.address)

    @property
    def _request_pdu(self) -> RequestPdu | None:
        primitive: object = self.requestor.primitive
        return primitive if isinstance(primitive, RequestPdu) else None

    @property
    def requested(self) -> AssociateRequest | None:
        """The peer's request; none before it has come, and where it cannot be read."""
        return None if self._request_pdu is None else self._request_pdu.request

    @property
    def calling_ae_title(self) -> str:
        """What the peer calls itself, without padding; empty before its request."""
        return "" if self._request_pdu is None else self._request_pdu.calling_ae_title

    @property
    def called_ae_title(self) -> str:
        """What the peer calls us, without padding; empty before its request."""
        return "" if self._request_pdu is None else self._request_pdu.called_ae_title

    @property
    def transfer_syntaxes(self) -> dict[int, tuple[str, str]]:
        """Abstract and transfer syntax by accepted presentation context ID."""
        return {
            context_id: (str(context.abstract_syntax), str(context.transfer_syntax[0]))
            for context_id, context in self._accepted_cx.items()
        }

    @property
    def is_secure(self) -> bool:
        """Whether the connection is one over TLS."""
        return isinstance(self.dul.socket, SecureSocket)

    def send(self, message: Any, context_id: int) -> None:
        """Send a message of pynetdicom's in a presentation context."""
        self.dimse.send_msg(message, context_id)

    def warn(self, what: str) -> None:
        """Write a warning about the peer into the log."""
        titles = f" of {self.calling_ae_title!r} to {self.called_ae_title!r}" if self.is_requested else ""
        self._terms.access.warnings.warn(self.address, f"association{titles} with {self.address} {what}")

    def hang_up(self) -> None:
        """Close the connection without a word."""
        self.is_leaving = True
        shut(self)
