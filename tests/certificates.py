"""Authorities of a test's own, and certificates that they issue, as files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key


class Issued(NamedTuple):
    """A certificate and its key."""

    certificate: Path
    key: Path

    def settings(self) -> dict[str, str]:
        """Return the settings that name both."""
        return {"certificate": str(self.certificate), "key": str(self.key)}


class Authority:
    """A certificate authority; its own certificate is the file `ca`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._authority = trustme.CA(organization_name="tests", organization_unit_name=name)
        self.ca = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, name: str, *identities: str, days: float = 365, **options: Any) -> Issued:
        """Issue a certificate for `name` (Common Name), valid for this machine and some identities besides."""
        end = datetime.now(UTC) + timedelta(days=days)
        leaf = self._authority.issue_cert(
            "127.0.0.1",
            "localhost",
            *identities,
            common_name=name,
            not_before=end - timedelta(days=3650),
            not_after=end,
            **options,
        )
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        issued.certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(issued.key))
        issued.key.chmod(0o600)
        return issued

    def revoke(self, *revoked: Issued, days: float = 7, name: str = "revoked") -> Path:
        """Write a list of revoked certificates that ends in so many days; return its file."""
        end = datetime.now(UTC) + timedelta(days=days)
        issuer = x509.load_pem_x509_certificate(self._authority.cert_pem.bytes())
        key = load_pem_private_key(self._authority.private_key_pem.bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        began = end - timedelta(days=30)
        made = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(began).next_update(end)
        for one in revoked:
            serial = x509.load_pem_x509_certificate(one.certificate.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(began)
            made = made.add_revoked_certificate(entry.build())
        path = self._folder / f"{name}.crl"
        path.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
        return path
