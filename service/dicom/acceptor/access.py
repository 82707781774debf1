"""Who is let in, and the one place where it is told that somebody was not.

Addresses are looked at when a connection comes (`server`), certificates in its handshake, AE titles by pynetdicom; here
it is seen whether the certificate may use the AE title, and whether the user is known. Whatever the reason of a
refusal, it passes through `Access.tell`.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from service.dicom.acceptor.contract import Peer
from service.process.log import get_logger
from service.security.passwords import PasswordFile, Verdict
from service.security.tls import reason_of

log = get_logger(__name__)

#: Result, source and reason of A-ASSOCIATE-RJ (PS3.8 Table 9-21).
_UNKNOWN_CALLER = (0x01, 0x01, 0x03)
_NOT_ALLOWED = (0x01, 0x01, 0x01)
NOT_NOW = (0x02, 0x01, 0x01)
#: User-Identity-Type of a user name with a passcode (PS3.7 Table D.3-14).
_NAME_AND_PASSCODE = 2


@dataclass(frozen=True)
class Refusal:
    """Somebody who was not let in; nothing in it is a patient's."""

    address: str
    #: What was wrong, and which setting decides.
    why: str
    calling_ae_title: str | None = None
    called_ae_title: str | None = None
    #: SHA-256 of the certificate that was shown; that of a handshake which failed is not to be had.
    fingerprint: str | None = None

    @property
    def shown(self) -> str:
        """The certificate in words, after a space; nothing where none is known."""
        return "" if self.fingerprint is None else f" (certificate sha256:{self.fingerprint})"


#: Why an association is rejected: the code for the peer, and words for us.
Objection = tuple[tuple[int, int, int], str]
#: Is told the AE title, as typed, or nothing, the address, and why an association or a connection was refused.
Refused = Callable[[str, str, str], None]


def not_told(_ae_title: str, _address: str, _why: str) -> None:
    """Keep no record of a refusal."""


def _log(refusal: Refusal) -> None:
    # What a stranger typed: `ascii` keeps control characters out of the log.
    titles = (
        "" if refusal.calling_ae_title is None else f" of {refusal.calling_ae_title!a} to {refusal.called_ae_title!a}"
    )
    what = "connection" if refusal.calling_ae_title is None else "association"
    log.warning("%s%s from %s refused%s: %s", what, titles, refusal.address, refusal.shown, refusal.why)


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
    """What a peer must bring besides an AE title.

    Parameters
    ----------
    certificates
        Fingerprints and names by the calling AE title that they may use; empty allows every one.
    users
        Who may associate; none asks for no user.
    refused
        Is told of everybody who is not let in.
    """

    certificates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    users: PasswordFile | None = None
    refused: Refused = not_told

    def tell(self, refusal: Refusal) -> None:
        """Tell that somebody was not let in."""
        _log(refusal)
        self.refused(refusal.calling_ae_title or "", refusal.address, refusal.why + refusal.shown)

    def refused_association(self, peer: Peer, why: str) -> None:
        """Tell that an association was rejected."""
        fingerprint = None if peer.certificate is None else peer.certificate.fingerprint
        self.tell(Refusal(peer.address, why, peer.calling_ae_title, peer.called_ae_title, fingerprint))

    def refused_connection(self, address: str, error: OSError) -> None:
        """Tell of a handshake that failed, unless the peer merely went away or said nothing, as health checks do."""
        if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
            log.debug("connection from %s ended before its TLS handshake", address)
            return
        reason = reason_of(error)
        remedy = next((remedy for words, remedy in _REMEDIES.items() if words in reason), _DISTRUSTED)
        self.tell(Refusal(address, f"TLS: {reason}; {remedy}"))

    def objection(self, peer: Peer) -> Objection | None:
        """Return why a requested association is rejected, if it is: the code for the peer, and words for us."""
        return self._objection_to_certificate(peer) or self._objection_to_user(peer)

    def _objection_to_certificate(self, peer: Peer) -> Objection | None:
        allowed = self.certificates.get(peer.calling_ae_title)
        if not self.certificates or (allowed is None and not peer.is_secure):
            return None
        certificate = peer.certificate
        if allowed is not None and certificate is not None and certificate.is_one_of(allowed):
            return None
        return _UNKNOWN_CALLER, "listener.tls.allowed_certificates does not name its certificate for this AE title"

    def _objection_to_user(self, peer: Peer) -> Objection | None:
        if self.users is None:
            return None
        user = peer.user
        if user is None or user.kind != _NAME_AND_PASSCODE:
            return _NOT_ALLOWED, "it brings no user name with a passcode, which listener.users requires"
        name = user.primary_field.decode("utf-8", "replace")
        verdict = self.users.verify(name, user.secondary_field, peer.address)
        if verdict is Verdict.RIGHT:
            return None
        if verdict is Verdict.PAUSED:
            return NOT_NOW, "too many wrong passcodes came from there; it is looked at again in a minute at most"
        return _NOT_ALLOWED, "its user name and passcode are not in listener.users"
