"""The settings of the audit trail; each field's description is its documentation."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from service.settings.kinds import Section


class AuditSettings(Section):
    """The audit trail (`[audit]`): it names patients, unlike the log."""

    file: Path | None = Field(
        None,
        description="File that audit messages are appended to, a line each; in `data_dir` when absent. What waits for "
        "the syslog server lies in `spool` beside it.",
    )
    fsync: bool = Field(
        False,
        description="Whether each message is on the disk before work goes on; else a power failure may take some.",
    )
    source: str = Field("auscult", description="Audit Source ID: this installation's name in the audit repository.")
    site: str = Field("", description="Audit Enterprise Site ID, where the hospital has one.")
    syslog_host: str | None = Field(None, description="Host name of a syslog server that takes TLS (RFC 5425).")
    syslog_port: Annotated[int, Field(ge=1, le=65535)] = Field(6514, description="Its TCP port.")
    syslog_ca: Path | None = Field(
        None, description="File with the certificates that vouch for it (PEM); the system's own when absent."
    )
    syslog_certificate: Path | None = Field(None, description="File with our certificate for it (PEM), where it asks.")
    syslog_key: Path | None = Field(None, description="File with our certificate's key (PEM).")
    maximum_waiting: Annotated[int, Field(ge=1)] = Field(
        100_000, description="Most messages that wait for the syslog server; the file takes further ones alone."
    )

    @model_validator(mode="after")
    def _has_a_certificate_for_its_key(self) -> "AuditSettings":
        if self.syslog_key is not None and self.syslog_certificate is None:
            raise ValueError("syslog_key is set without syslog_certificate; set both or neither")
        return self
