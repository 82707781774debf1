"""The tables for TLS; keys and certificates are named by path and never stand in the settings."""

from pathlib import Path

from pydantic import Field, model_validator

from service.settings.kinds import Port, Section


class CertificateAndKey(Section):
    """A certificate and its key, both or neither."""

    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> "CertificateAndKey":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; set both, or neither")
        return self


class ListenerTlsSettings(CertificateAndKey):
    """DICOM over TLS for the listener (`[listener.tls]`); PS3.15 section B.12. On when `certificate` is set."""

    certificate: Path | None = Field(
        None, description="PEM file of our certificate, those that issued it after it; sets TLS on."
    )
    key: Path | None = Field(None, description="PEM file of its private key, without a passphrase, mode 0600.")
    ca: Path | None = Field(None, description="PEM file of the authorities whose certificates a peer may show.")
    revocations: Path | None = Field(
        None,
        description="PEM file of the lists of revoked certificates (CRL), one of each authority that issues peers'"
        " certificates; without a list in force, its peers are refused.",
    )
    port: Port = Field(2762, description="TCP port for TLS, beside `listener.port`; 0 lets the system choose one.")
    only: bool = Field(False, description="Accept TLS alone: `listener.port` is not opened.")
    require_client_certificate: bool = Field(
        True, description="Accept only peers that show a certificate of `ca`; without, they may stay anonymous."
    )
    allowed_certificates: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="By calling AE title, the certificates that may use it: SHA-256 fingerprints, or names (Common Name"
        " or DNS name). When set, no other AE title associates over TLS, and none of these without it.",
    )

    @property
    def is_on(self) -> bool:
        """Whether a port for TLS is opened."""
        return self.certificate is not None

    @model_validator(mode="after")
    def _can_be_used(self) -> "ListenerTlsSettings":
        if not self.is_on and self.model_fields_set:
            raise ValueError(
                "TLS is configured without a certificate; set listener.tls.certificate and listener.tls.key"
            )
        if self.is_on and self.require_client_certificate and self.ca is None:
            raise ValueError(
                "peers must show a certificate, and no authority is named; set listener.tls.ca,"
                " or listener.tls.require_client_certificate to false"
            )
        for name in ("allowed_certificates", "revocations"):
            if getattr(self, name) and self.ca is None:
                raise ValueError(f"{name} needs listener.tls.ca, by which peers' certificates are checked")
        return self


class DestinationTlsSettings(CertificateAndKey):
    """TLS towards a destination (`[destinations.tls]`, after its own table); PS3.15 section B.12."""

    ca: Path = Field(description="PEM file of the authorities that its certificate must come from.")
    certificate: Path | None = Field(None, description="PEM file of the certificate that we show it; none when absent.")
    key: Path | None = Field(None, description="PEM file of that certificate's private key, mode 0600.")
    check_name: bool = Field(
        True, description="Refuse a certificate that is not made out to `server_name`; the authority is checked anyway."
    )
    server_name: str | None = Field(
        None, description="Name or address that its certificate must hold; the destination's host when absent."
    )


class WebTlsSettings(CertificateAndKey):
    """HTTPS for the page and the API (`[web.tls]`). On when `certificate` is set."""

    certificate: Path | None = Field(None, description="PEM file of the page's certificate; sets HTTPS on.")
    key: Path | None = Field(None, description="PEM file of its private key, without a passphrase, mode 0600.")

    @property
    def is_on(self) -> bool:
        """Whether the page is served over TLS."""
        return self.certificate is not None
