"""TLS as PS3.15 section B.12 wants it: the BCP 195 (RFC 8996, RFC 9325) TLS Secure Transport Connection Profile.

TLS 1.2 and 1.3, nothing older; of 1.2 the four suites that RFC 9325 section 4.2 recommends; keys of 2048 bits and more
and no SHA-1 (security level 2 of OpenSSL); no renegotiation; no resumed sessions, so that a certificate which is no
longer trusted is noticed at the next connection.
"""

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.security.reloading import Reloading
from service.settings import (
    CertificateAndKey,
    DestinationTlsSettings,
    Hl7TlsSettings,
    ListenerTlsSettings,
    WebTlsSettings,
)
from service.vocabulary.errors import SettingsInvalid

_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)


@dataclass(frozen=True)
class PeerCertificate:
    """What a peer's certificate says of it; an authority that we trust stands behind it."""

    #: SHA-256 of the certificate, in lower case hexadecimal.
    fingerprint: str
    #: Common Names and DNS names, in lower case.
    names: tuple[str, ...]

    def is_one_of(self, allowed: tuple[str, ...]) -> bool:
        """Return whether it is among some fingerprints and names."""
        for entry in map(str.lower, allowed):
            digits = entry.removeprefix("sha256:").replace(":", "")
            is_fingerprint = re.fullmatch("[0-9a-f]{64}", digits) is not None
            if digits == self.fingerprint if is_fingerprint else entry in self.names:
                return True
        return False


def listener_context(settings: ListenerTlsSettings) -> Reloading[ssl.SSLContext]:
    """Return the listener's side of TLS.

    Raises
    ------
    SettingsInvalid
        When a file cannot be read or used.
    """

    def read() -> ssl.SSLContext:
        context = _context(ssl.PROTOCOL_TLS_SERVER)
        _load_certificate(context, "listener.tls", settings)
        if settings.ca is not None:
            _load_authorities(context, "listener.tls", settings.ca)
            context.verify_mode = ssl.CERT_REQUIRED if settings.require_client_certificate else ssl.CERT_OPTIONAL
        if settings.revocations is not None:
            _load_revocations(context, settings.revocations)
        return context

    files = _files(settings.certificate, settings.key, settings.ca, settings.revocations)
    return Reloading("listener.tls", files, read)


def web_context(settings: WebTlsSettings) -> Reloading[ssl.SSLContext]:
    """Return the page's side of TLS.

    Raises
    ------
    SettingsInvalid
        When a file cannot be read or used.
    """

    def read() -> ssl.SSLContext:
        context = _context(ssl.PROTOCOL_TLS_SERVER)
        _load_certificate(context, "web.tls", settings)
        return context

    return Reloading("web.tls", _files(settings.certificate, settings.key), read)


def hl7_context(settings: Hl7TlsSettings) -> Reloading[ssl.SSLContext]:
    """Return the side of TLS of the listener for HL7.

    Raises
    ------
    SettingsInvalid
        When a file cannot be read or used.
    """

    def read() -> ssl.SSLContext:
        context = _context(ssl.PROTOCOL_TLS_SERVER)
        _load_certificate(context, "hl7.tls", settings)
        if settings.ca is not None:
            _load_authorities(context, "hl7.tls", settings.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    return Reloading("hl7.tls", _files(settings.certificate, settings.key, settings.ca), read)


def destination_context(settings: DestinationTlsSettings, setting: str) -> ssl.SSLContext:
    """Return our side of TLS towards a node that we call.

    Parameters
    ----------
    setting
        Names the table in what is raised.

    Raises
    ------
    SettingsInvalid
        When a file cannot be read or used.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.check_name
    _load_authorities(context, setting, settings.ca)
    _load_certificate(context, setting, settings)
    return context


def peer_certificate(connection: ssl.SSLSocket) -> PeerCertificate | None:
    """Return the certificate that a peer has shown, or None."""
    encoded, said = connection.getpeercert(binary_form=True), connection.getpeercert()
    if encoded is None or not said:
        return None
    # typeshed's union of everything that such a dictionary may hold helps nobody.
    parts: Any = said.get("subject", ())
    alternatives: Any = said.get("subjectAltName", ())
    names = [value for part in parts for kind, value in part if kind == "commonName"]
    names += [value for kind, value in alternatives if kind == "DNS"]
    return PeerCertificate(hashlib.sha256(encoded).hexdigest(), tuple(name.lower() for name in names))


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(_SUITES) + ":@SECLEVEL=2")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    return context


def _load_certificate(context: ssl.SSLContext, setting: str, settings: CertificateAndKey) -> None:
    certificate, key = settings.certificate, settings.key
    if certificate is None or key is None:
        return

    def passphrase() -> str:
        raise SettingsInvalid(
            f"{setting}.key = {key}: is protected by a passphrase, which nobody can type for a service;"
            " take it off (openssl pkey -in KEY -out NEW) and give the file mode 0600"
        )

    _check_readable(f"{setting}.certificate", certificate)
    _check_readable(f"{setting}.key", key)
    try:
        context.load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsInvalid(
                f"{setting}.key = {key}: does not belong to the certificate {certificate};"
                " name the key that it was made with"
            ) from None
        raise SettingsInvalid(
            f"{setting}.certificate = {certificate}: it or its key {key} cannot be used ({reason_of(error)});"
            " both must be PEM files, of 2048 bits or more"
        ) from None


def _load_authorities(context: ssl.SSLContext, setting: str, ca: Path) -> None:
    _check_readable(f"{setting}.ca", ca)
    try:
        context.load_verify_locations(str(ca))
    except ssl.SSLError as error:
        raise SettingsInvalid(f"{setting}.ca = {ca}: holds no certificate in PEM form ({reason_of(error)})") from None
    if not context.get_ca_certs():
        raise SettingsInvalid(
            f"{setting}.ca = {ca}: holds no certificate of an authority; name the file of the one that issues them"
        )


def _load_revocations(context: ssl.SSLContext, path: Path) -> None:
    """Refuse peers whose certificates a list names (RFC 5280 section 6.3), and those whose authority has none in force.

    Only the peer's own certificate is looked up, not that of an authority between it and `ca`.
    """
    _check_readable("listener.tls.revocations", path)
    before = context.cert_store_stats()["x509"]
    try:
        context.load_verify_locations(str(path))
    except ssl.SSLError as error:
        raise SettingsInvalid(
            f"listener.tls.revocations = {path}: holds no list in PEM form ({reason_of(error)});"
            " turn another form into it by openssl crl -inform DER"
        ) from None
    if context.cert_store_stats()["x509"] != before:
        # OpenSSL would trust it from now on.
        raise SettingsInvalid(
            f"listener.tls.revocations = {path}: holds a certificate; name a file that holds lists alone"
        )
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _check_readable(setting: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise SettingsInvalid(
            f"{setting} = {path}: cannot be read ({error.strerror}); check the path and its mode"
        ) from None


def reason_of(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return str(error.reason or "unknown format").lower().replace("_", " ")


def _files(*paths: Path | None) -> list[Path]:
    return [path for path in paths if path is not None]
