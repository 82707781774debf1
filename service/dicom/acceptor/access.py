"""Who is let in, and the one place where it is told that somebody was not.

Addresses are looked at when a connection comes (`server`), certificates in its handshake, all else here when an
association is requested. Whatever the reason of a refusal, it passes through `Access`, and the log names the AE titles
and the remedy.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from service.dicom.acceptor.contract import Peer
from service.dicom.associate import APPLICATION_CONTEXT, AssociateRequest, UserIdentity
from service.dicom.identity import is_valid_uid
from service.process.log import get_logger
from service.process.sparingly import Sparing
from service.security.passwords import PasswordCheck, PasswordFile
from service.security.tls import reason_of
from service.vocabulary.refusals import Refusal, RefusalReason

log = get_logger(__name__)

#: Result, source and reason of A-ASSOCIATE-RJ (PS3.8 Table 9-21).
_CODES = {
    RefusalReason.CALLED_AE_TITLE: (1, 1, 7),
    RefusalReason.CALLING_AE_TITLE: (1, 1, 3),
    RefusalReason.CERTIFICATE: (1, 1, 3),
    RefusalReason.USER: (1, 1, 1),
    RefusalReason.PEER_LIMIT: (2, 3, 2),
    RefusalReason.LIMIT: (2, 3, 2),
    RefusalReason.MALFORMED: (1, 2, 1),
    RefusalReason.UNCHECKED: (2, 1, 1),
}
_VERSION_NOT_SUPPORTED = (1, 2, 2)
_APPLICATION_CONTEXT_NOT_SUPPORTED = (1, 1, 2)
_NOT_NOW = (2, 1, 1)
#: What to do where no setting helps.
REMEDY = "its software must be put right"
#: User-Identity-Type of a user name with a passcode (PS3.7 Table D.3-14).
_NAME_AND_PASSCODE = 2


class Objection(NamedTuple):
    """Why an association is rejected, in words for us, and the code for the peer."""

    reason: RefusalReason
    why: str
    code: tuple[int, int, int]


def objection(reason: RefusalReason, why: str, code: tuple[int, int, int] | None = None) -> Objection:
    """Return an objection, with the code of its reason where it has no other."""
    return Objection(reason, why, code or _CODES[reason])


#: Is told of each refusal, with its cause and its remedy in words.
Refused = Callable[[Refusal, str], None]


def not_told(_refusal: Refusal, _why: str) -> None:
    """Keep no record of a refusal."""


#: What to do about OpenSSL's reasons, by words in them.
_REMEDIES = {
    "wrong version number": "it does not speak TLS; switch TLS on there, or point it at listener.port",
    "http request": "it is a browser or a health check over HTTP; DICOM alone is answered here",
    "unsupported protocol": "it offers no TLS of version 1.2 or 1.3; renew its software",
    "no shared cipher": "it offers no suite of PS3.15 section B.12; renew its software or its settings",
    "alert": "it does not accept our certificate; give it the authority of listener.tls.certificate",
    "certificate revoked": "its authority has taken it back; give the peer a new one, or put right whose it is",
    "CRL": "listener.tls.revocations must hold a list in force of the authority that issued it; put a new one there",
}
_DISTRUSTED = "listener.tls.ca names the authorities whose certificates are accepted"


@dataclass(frozen=True)
class Access:
    """What a peer must bring.

    Parameters
    ----------
    ae_title
        What it must call us.
    allowed_ae_titles
        What it may call itself; empty allows everything.
    certificates
        Fingerprints and names by the calling AE title that they may use; empty allows every one.
    users
        Who may associate; none asks for no user.
    refused
        Is told of everybody who is not let in.
    """

    ae_title: str = "AUSCULT"
    allowed_ae_titles: frozenset[str] = frozenset()
    certificates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    users: PasswordFile | None = None
    refused: Refused = not_told
    warnings: Sparing = field(default_factory=partial(Sparing, log))

    def refused_address(self, address: str) -> None:
        """Tell of a connection from an address that may not connect."""
        self._tell(Refusal(RefusalReason.ADDRESS, address), "the address is not in listener.allowed_addresses")

    def refused_association(self, peer: Peer, against: Objection) -> None:
        """Tell that an association was rejected."""
        refusal = Refusal(against.reason, peer.address, peer.calling_ae_title, peer.called_ae_title)
        # The certificate of a handshake that failed is not to be had.
        shown = "" if peer.certificate is None else f" (certificate sha256:{peer.certificate.fingerprint})"
        self._tell(refusal, against.why, shown)

    def refused_context(self, peer: Peer, reason: RefusalReason, sop_class_uid: str) -> None:
        """Tell that a presentation context was not accepted; the association goes on, and the log says nothing."""
        uid = sop_class_uid if is_valid_uid(sop_class_uid) else "invalid"
        self.refused(Refusal(reason, peer.address, peer.calling_ae_title, peer.called_ae_title, uid), "")

    def refused_connection(self, address: str, error: OSError) -> None:
        """Tell of a handshake that failed, unless the peer merely went away or said nothing, as health checks do."""
        if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
            log.debug("connection from %s ended before its TLS handshake", address)
            return
        reason = reason_of(error)
        remedy = next((remedy for words, remedy in _REMEDIES.items() if words in reason), _DISTRUSTED)
        self._tell(Refusal(RefusalReason.TLS, address), f"TLS: {reason}; {remedy}")

    def _tell(self, refusal: Refusal, why: str, shown: str = "") -> None:
        titles = f" of {refusal.calling_ae_title!r} to {refusal.called_ae_title!r}"
        is_of_association = refusal.reason not in {RefusalReason.ADDRESS, RefusalReason.TLS}
        what = f"association{titles}" if is_of_association else "connection"
        self.warnings.warn(refusal.address, f"{what} from {refusal.address} refused{shown}: {why}")
        self.refused(refusal, why + shown)

    def objection(self, peer: Peer, request: AssociateRequest) -> Objection | None:
        """Return why a requested association is rejected, if it is."""
        return (
            _objection_to_protocol(request)
            or self._objection_to_ae_titles(request)
            or self._objection_to_certificate(peer)
            or self._objection_to_user(peer, request.information.user)
        )

    def _objection_to_ae_titles(self, request: AssociateRequest) -> Objection | None:
        if request.called_ae_title != self.ae_title:
            why = f"listener.ae_title is {self.ae_title!r}; put the called AE title right at the sender, or the setting"
            return objection(RefusalReason.CALLED_AE_TITLE, why)
        if self.allowed_ae_titles and request.calling_ae_title not in self.allowed_ae_titles:
            why = "listener.allowed_ae_titles does not name its AE title; add it there, or put it right at the sender"
            return objection(RefusalReason.CALLING_AE_TITLE, why)
        return None

    def _objection_to_certificate(self, peer: Peer) -> Objection | None:
        allowed = self.certificates.get(peer.calling_ae_title)
        if not self.certificates or (allowed is None and not peer.is_secure):
            return None
        certificate = peer.certificate
        if allowed is not None and certificate is not None and certificate.is_one_of(allowed):
            return None
        why = "listener.tls.allowed_certificates does not name its certificate for this AE title"
        return objection(RefusalReason.CERTIFICATE, why)

    def _objection_to_user(self, peer: Peer, user: UserIdentity | None) -> Objection | None:
        if self.users is None:
            return None
        if user is None or user.kind != _NAME_AND_PASSCODE:
            why = "it brings no user name with a passcode, which listener.users requires"
            return objection(RefusalReason.USER, why)
        name = user.primary_field.decode("utf-8", "replace")
        verdict = self.users.verify(name, user.secondary_field, peer.address)
        if verdict is PasswordCheck.RIGHT:
            return None
        if verdict is PasswordCheck.PAUSED:
            why = "too many wrong passcodes came from there; it is looked at again in a minute at most"
            return objection(RefusalReason.USER, why, _NOT_NOW)
        return objection(RefusalReason.USER, "its user name and passcode are not in listener.users")


def _objection_to_protocol(request: AssociateRequest) -> Objection | None:
    # Of the version, bit 0 alone is tested (PS3.8 Table 9-11).
    if not request.protocol_version & 1:
        why = f"its protocol version 0x{request.protocol_version:04X} is not the first of PS3.8; {REMEDY}"
        return objection(RefusalReason.MALFORMED, why, _VERSION_NOT_SUPPORTED)
    if request.application_context not in {APPLICATION_CONTEXT, ""}:
        why = f"its application context is not {APPLICATION_CONTEXT} (PS3.7 section A.2.1); {REMEDY}"
        return objection(RefusalReason.MALFORMED, why, _APPLICATION_CONTEXT_NOT_SUPPORTED)
    return None
