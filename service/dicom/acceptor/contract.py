"""What the acceptor asks of a service, and what it shows of the peer at the other end of an association."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from service.dicom.associate import AssociateRequest
from service.dicom.command import CommandSet
from service.security.tls import PeerCertificate


class Peer(Protocol):
    """The peer of an association that it has requested."""

    #: Our own requests on the association.
    outgoing: "list[OutgoingRequest]"

    @property
    def address(self) -> str:
        """Its IP address."""

    @property
    def calling_ae_title(self) -> str:
        """What it calls itself, without padding."""

    @property
    def called_ae_title(self) -> str:
        """What it calls us, without padding."""

    @property
    def requested(self) -> AssociateRequest | None:
        """Its association request; none before that has come, and where it cannot be read."""

    @property
    def is_secure(self) -> bool:
        """Whether the connection is one over TLS."""

    @property
    def certificate(self) -> PeerCertificate | None:
        """What it has shown, also after it has hung up; none over a plain connection."""

    @property
    def transfer_syntaxes(self) -> Mapping[int, tuple[str, str]]:
        """Abstract and transfer syntax by accepted presentation context ID."""

    def send(self, message: Any, context_id: int) -> None:
        """Send a message of pynetdicom's in a presentation context."""

    def warn(self, what: str) -> None:
        """Write a warning about it into the log; the same again within a minute is counted."""

    def hang_up(self) -> None:
        """Close the connection without a word."""


class OutgoingRequest(Protocol):
    """A request that we send to the peer ourselves, while the association serves the peer's.

    pynetdicom's own `send` methods wait for the response and would take a request of the peer for it. None of these
    methods raises; each runs in the association's thread.
    """

    def look(self) -> None:
        """Do what is due by now; called a few times a second, and after each request of the peer."""

    def hear(self, response: Any) -> None:
        """Take a response of the peer."""

    def end(self) -> None:
        """Take note that the association is over."""


class Oversized(BytesIO):
    """Stands for a data set that was too large for its service and was not kept; it is empty."""


class Sink(Protocol):
    """Takes a data set while it arrives."""

    def write(self, piece: memoryview) -> None:
        """Take the next piece; never raises."""

    def discard(self) -> None:
        """Forget what arrived: the rest will not come."""


@dataclass
class CStoreRequest:
    """A C-STORE request, its data set already in the sink."""

    command: CommandSet
    context_id: int
    sink: Sink
    #: The peer's, for the audit trail.
    address: str
    #: pynetdicom asks every message.
    is_valid_request: bool = True
    msg_type: str = "C-STORE"


@dataclass(frozen=True)
class CStoreResponse:
    """Status and Error Comment of a C-STORE response (PS3.7 Table 9.3-2)."""

    status: int
    comment: str = ""


class CStoreService(Protocol):
    """What an association does with C-STORE requests."""

    def begin(self, peer: Peer, command: CommandSet, context_id: int) -> Sink:
        """Open a sink for the data set that follows; never raises."""

    def finish(self, request: CStoreRequest) -> CStoreResponse:
        """Answer a request whose data set is complete; never raises."""
