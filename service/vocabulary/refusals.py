"""Who was not let in, or not with what it proposed: why, and which setting would admit it."""

from dataclasses import dataclass
from enum import StrEnum


class RefusalReason(StrEnum):
    """Why an association, a connection or a presentation context was refused."""

    #: The address is in none of the allowed networks.
    ADDRESS = "address"
    #: The TLS handshake failed.
    TLS = "tls"
    #: It calls an AE title that is not ours.
    CALLED_AE_TITLE = "called-ae-title"
    #: Its AE title is not in the list.
    CALLING_AE_TITLE = "calling-ae-title"
    #: Its certificate may not use its AE title.
    CERTIFICATE = "certificate"
    #: It names no user whom the listener knows.
    USER = "user"
    #: It has as many associations as one peer may have.
    PEER_LIMIT = "peer-limit"
    #: There are as many associations as the listener serves.
    LIMIT = "limit"
    #: Its A-ASSOCIATE-RQ breaks the rules of PS3.8; no setting admits it.
    MALFORMED = "malformed"
    #: It proposes a SOP class that the listener does not take.
    SOP_CLASS = "sop-class"
    #: It proposes a SOP class in no transfer syntax that the listener takes.
    TRANSFER_SYNTAX = "transfer-syntax"
    #: It would store by HTTP, and is no sender whom the page knows, or not from there.
    SENDER = "sender"
    #: The check itself broke.
    UNCHECKED = "unchecked"

    @property
    def setting(self) -> str | None:
        """The setting that decides; none where no setting admits it."""
        return _SETTINGS.get(self)

    @property
    def is_of_context(self) -> bool:
        """Whether it is a presentation context that was refused, on an association that may go on."""
        return self in {RefusalReason.SOP_CLASS, RefusalReason.TRANSFER_SYNTAX}


_SETTINGS = {
    RefusalReason.ADDRESS: "listener.allowed_addresses",
    RefusalReason.TLS: "listener.tls.ca",
    RefusalReason.CALLED_AE_TITLE: "listener.ae_title",
    RefusalReason.CALLING_AE_TITLE: "listener.allowed_ae_titles",
    RefusalReason.CERTIFICATE: "listener.tls.allowed_certificates",
    RefusalReason.USER: "listener.users",
    RefusalReason.SENDER: "web.senders",
    RefusalReason.PEER_LIMIT: "listener.maximum_associations_per_peer",
    RefusalReason.LIMIT: "listener.maximum_associations",
    RefusalReason.SOP_CLASS: "listener.other_objects",
}


@dataclass(frozen=True, order=True)
class Refusal:
    """Something that was refused; nothing in it is a patient's, and all of it is what a stranger typed.

    Attributes
    ----------
    calling_ae_title, called_ae_title
        Without padding, in printable characters of ASCII alone; empty where it asked for no association.
    sop_class_uid
        That of a refused presentation context; else empty.
    """

    reason: RefusalReason
    address: str
    calling_ae_title: str = ""
    called_ae_title: str = ""
    sop_class_uid: str = ""
