"""What `auscult doctor` looks at where TLS and logins are configured: certificates, keys, authorities, users."""

import re
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from pydantic import SecretStr

from service.cli.found import Found
from service.security import passwords
from service.security.tls import destination_context, listener_context, web_context
from service.settings import CertificateAndKey, Settings
from service.texts import Sentence
from service.vocabulary.errors import SettingsInvalid

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
    called = [(f"destinations.tls of {node.audited[0]}", node.tls) for node in settings.destinations]
    called += [(f"peers.tls of {node.ae_title}", node.tls) for node in settings.peers]
    called += [(f"receivers.tls of {receiver.name}", receiver.tls) for receiver in settings.receivers]
    for name, tls in called:
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
        yield name, False, error
        return
    files = [("certificate", settings.certificate), ("ca", ca)]
    for what, path in files:
        if path is not None:
            yield f"{name}.{what}", *_validity(path)
    if settings.key is not None and settings.key.stat().st_mode & 0o077:
        yield f"{name}.key", False, Sentence("found.open_to_others", file=settings.key)


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
                yield f"{setting} {name}", False, Sentence("found.no_certificate", file=file)


def _validity(path: Path) -> tuple[bool, Sentence]:
    """Tell of a file's certificate that ends first whether it is valid now and for long enough."""
    first = min(x509.load_pem_x509_certificates(path.read_bytes()), key=lambda found: found.not_valid_after_utc)
    now, end = datetime.now(UTC), first.not_valid_after_utc
    whose = f"{path}: {first.subject.rfc4514_string()}"
    if first.not_valid_before_utc > now:
        return False, Sentence("found.valid_from", whose=whose, day=f"{first.not_valid_before_utc:%Y-%m-%d}")
    if end < now:
        return False, Sentence("found.expired", whose=whose, day=f"{end:%Y-%m-%d}")
    if end - now < SOON:
        return False, Sentence("found.expires", whose=whose, day=f"{end:%Y-%m-%d}", days=(end - now).days)
    return True, Sentence("found.valid", whose=whose, day=f"{end:%Y-%m-%d}")


def _revocations(path: Path) -> tuple[bool, Sentence]:
    """Tell whose lists of revoked certificates a file holds, and whether each is in force for long enough."""
    try:
        found = [x509.load_pem_x509_crl(block) for block in _LIST.findall(path.read_bytes())]
    except (OSError, ValueError):
        return False, Sentence("found.list_unreadable", file=path)
    for one in found:
        end, whose = one.next_update_utc, one.issuer.rfc4514_string()
        if end is not None and end - datetime.now(UTC) < _LIST_SOON:
            return False, Sentence("found.list_ends", file=path, issuer=whose, moment=f"{end:%Y-%m-%d %H:%M}")
    issuers = ", ".join(one.issuer.rfc4514_string() for one in found)
    return True, Sentence("found.lists", file=path, issuers=issuers)


def _users(setting: str, path: Path) -> tuple[str, bool, Sentence | SettingsInvalid]:
    try:
        entries = passwords.read(path, setting)
    except SettingsInvalid as error:
        return setting, False, error
    if path.stat().st_mode & 0o077:
        return setting, False, Sentence("found.open_to_others", file=path)
    if not entries:
        return setting, False, Sentence("found.no_users", file=path)
    code = "found.users.one" if len(entries) == 1 else "found.users.many"
    return setting, True, Sentence(code, file=path, count=len(entries))


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
