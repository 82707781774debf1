"""What `auscult doctor` looks at where TLS and logins are configured: certificates, keys, authorities, users."""

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from pydantic import SecretStr

from service.security import passwords
from service.security.tls import destination_context, listener_context, web_context
from service.settings import CertificateAndKey, Settings
from service.vocabulary.errors import SettingsInvalid

Found = Iterator[tuple[str, bool, str]]

#: A certificate that ends sooner is a finding: renewing one takes a hospital weeks.
SOON = timedelta(days=30)
#: A list of revoked certificates is fetched anew by a machine, and may be in force for some days only.
_LIST_SOON = timedelta(days=1)
_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----\n?", re.DOTALL)
_WAIT_S = 3.0
#: By what names the URLs of database and queue say whose certificates count, and which is ours.
_IN_URLS = ("sslrootcert", "sslcert", "ssl_ca_certs", "ssl_certfile")


def certificates(settings: Settings) -> Found:
    """Check each certificate, key, authority and file of users that the settings name."""
    listener, web = settings.listener, settings.web
    if listener.tls.is_on:
        yield from _tls("listener.tls", listener.tls, listener.tls.ca, partial(listener_context, listener.tls))
        if listener.tls.revocations is not None:
            yield "listener.tls.revocations", *_revocations(listener.tls.revocations)
    if web.tls.is_on:
        yield from _tls("web.tls", web.tls, None, partial(web_context, web.tls))
    for kind, nodes in (("destinations", settings.destinations), ("peers", settings.peers)):
        for node in nodes:
            tls, name = node.tls, f"{kind}.tls of {node.ae_title}"
            if tls is not None:
                yield from _tls(name, tls, tls.ca, partial(destination_context, tls, name))
    yield from _named_in_url("database.url", settings.database.url or SecretStr(""))
    yield from _named_in_url("queue.url", settings.queue.url)
    for setting, path in (("listener.users", listener.users), ("web.users", web.users)):
        if path is not None:
            yield _users(setting, path)


def _tls(name: str, settings: CertificateAndKey, ca: Path | None, build: Callable[[], object]) -> Found:
    """Check that the files can be used as a listener or a courier would, and how long they are valid."""
    try:
        build()
    except SettingsInvalid as error:
        yield name, False, str(error)
        return
    files = [("certificate", settings.certificate), ("ca", ca)]
    for what, path in files:
        if path is not None:
            yield f"{name}.{what}", *_validity(path)
    if settings.key is not None and settings.key.stat().st_mode & 0o077:
        yield f"{name}.key", False, f"{settings.key}: others than its owner may read it; chmod 600"


def _named_in_url(setting: str, url: SecretStr) -> Found:
    """Check the files of certificates that a URL names; both servers' clients read them anew for each connection."""
    query = parse_qs(urlsplit(url.get_secret_value()).query)
    for name in _IN_URLS:
        for file in query.get(name, []):
            if file == "system":  # libpq's word for the authorities that the system trusts
                continue
            try:
                yield f"{setting} {name}", *_validity(Path(file))
            except (OSError, ValueError):
                remedy = "put one there, or name another file"
                yield f"{setting} {name}", False, f"{file}: holds no certificate that can be read; {remedy}"


def _validity(path: Path) -> tuple[bool, str]:
    """Tell of a file's certificate that ends first whether it is valid now and for long enough."""
    first = min(x509.load_pem_x509_certificates(path.read_bytes()), key=lambda found: found.not_valid_after_utc)
    now, end = datetime.now(UTC), first.not_valid_after_utc
    whose = f"{path}: {first.subject.rfc4514_string()}"
    if first.not_valid_before_utc > now:
        return False, f"{whose} is valid only from {first.not_valid_before_utc:%Y-%m-%d}; check this machine's clock"
    if end < now:
        return False, f"{whose} expired on {end:%Y-%m-%d}; put a new one in its place, no restart is needed"
    if end - now < SOON:
        return False, (
            f"{whose} expires on {end:%Y-%m-%d}, in {(end - now).days} days;"
            " put a new one in its place, no restart is needed"
        )
    return True, f"{whose} is valid until {end:%Y-%m-%d}"


def _revocations(path: Path) -> tuple[bool, str]:
    """Tell whose lists of revoked certificates a file holds, and whether each is in force for long enough."""
    try:
        found = [x509.load_pem_x509_crl(block) for block in _LIST.findall(path.read_bytes())]
    except (OSError, ValueError):
        return False, f"{path}: holds a list that cannot be read; put a new one in its place, no restart is needed"
    for one in found:
        end, whose = one.next_update_utc, one.issuer.rfc4514_string()
        if end is not None and end - datetime.now(UTC) < _LIST_SOON:
            return False, (
                f"{path}: the list of {whose} is in force until {end:%Y-%m-%d %H:%M} UTC, and its peers are refused"
                " afterwards; put a new one in its place, no restart is needed"
            )
    return True, f"{path}: in force are the lists of {', '.join(one.issuer.rfc4514_string() for one in found)}"


def _users(setting: str, path: Path) -> tuple[str, bool, str]:
    try:
        entries = passwords.read(path, setting)
    except SettingsInvalid as error:
        return setting, False, str(error)
    if path.stat().st_mode & 0o077:
        return setting, False, f"{path}: others than its owner may read it; chmod 600"
    if not entries:
        return setting, False, f"{path}: holds nobody, so nobody can log in; add a name with `auscult password`"
    return setting, True, f"{path}: {len(entries)} name{'s' if len(entries) > 1 else ''}"


def shows_certificate(host: str, port: int, settings: CertificateAndKey) -> bool:
    """Return whether what listens on a port shows our own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is compared with ours, and nothing is sent
    try:
        with (
            socket.create_connection((reachable(host), port), timeout=_WAIT_S) as connection,
            context.wrap_socket(connection) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
        ours = x509.load_pem_x509_certificates(Path(str(settings.certificate)).read_bytes())[0]
    except (OSError, ValueError):
        return False
    return shown is not None and x509.load_der_x509_certificate(shown) == ours


def reachable(host: str) -> str:
    """Return the address by which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
