"""What a RIS tells us: the listener for HL7 v2, and what is made of orders."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from service.settings.kinds import Port, Seconds, Section
from service.settings.tls import CertificateAndKey
from service.vocabulary.states import Priority

#: A field of HL7, or one component of it.
FieldName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{2}-[1-9][0-9]?(\.[1-9][0-9]?)?$")]
#: An order control code, or one with an order status: `SC` or `SC/CM`.
OrderControl = Annotated[str, Field(pattern=r"^[A-Z]{2}(/[A-Z]{1,2})?$")]


class Hl7TlsSettings(CertificateAndKey):
    """HL7 over TLS (`[hl7.tls]`). On when `certificate` is set; nothing is heard in the clear then."""

    certificate: Path | None = Field(None, description="PEM file of our certificate; sets TLS on.")
    key: Path | None = Field(None, description="PEM file of its private key, without a passphrase, mode 0600.")
    ca: Path | None = Field(
        None,
        description="PEM file of the authorities of which a sender must show a certificate; none is asked without.",
    )

    @property
    def is_on(self) -> bool:
        """Whether only TLS is spoken."""
        return self.certificate is not None

    @model_validator(mode="after")
    def _can_be_used(self) -> "Hl7TlsSettings":
        if self.ca is not None and not self.is_on:
            raise ValueError("hl7.tls.ca is set without a certificate of ours; set hl7.tls.certificate and hl7.tls.key")
        return self


class Hl7ListenerSettings(Section):
    """The listener for HL7 v2 messages over MLLP (`[hl7]`); off unless `port` is set."""

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for all IPv4 addresses.")
    port: Port | None = Field(
        None,
        description="TCP port to listen on, 2575 is the one registered for HL7; 0 lets the system choose one. Without,"
        " `auscult up` starts no listener for HL7.",
    )
    application: Annotated[str, Field(min_length=1, max_length=60)] = Field(
        "AUSCULT", description="Our name in acknowledgements (MSH-3)."
    )
    facility: str = Field("", description="Our facility in acknowledgements (MSH-4).")
    allowed_addresses: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks whose addresses may send, such as `10.1.0.0/16`; empty allows every one."
    )
    allowed_applications: tuple[str, ...] = Field(
        (), description="Sending applications (MSH-3) that are heard; empty allows every one."
    )
    allowed_facilities: tuple[str, ...] = Field(
        (), description="Sending facilities (MSH-4) that are heard; empty allows every one."
    )
    processing_id: Literal["P", "T", "D"] = Field(
        "P", description="MSH-11 that is heard: production, training or debugging; another one is refused."
    )
    final_statuses: tuple[Annotated[str, Field(pattern="^[A-Z]$")], ...] = Field(
        ("F", "C"),
        description="Statuses of a result (OBR-25, OBX-11; table 0123) by which a person has read the study.",
    )
    read_on: tuple[OrderControl, ...] = Field(
        (),
        description="ORC-1, or ORC-1/ORC-5, of an order message by which a person has read the study, such as `SC/CM`:"
        " only where the RIS means reported by it, and not that the images are taken.",
    )
    cancelled_on: tuple[OrderControl, ...] = Field(
        ("CA", "CR", "OC"), description="ORC-1, or ORC-1/ORC-5, by which an order is cancelled."
    )
    ordered_on: tuple[OrderControl, ...] = Field(
        ("NW", "SN", "XO", "XX", "RO", "RU", "SC", "OK", "NA", "PA", "CH"),
        description="ORC-1, or ORC-1/ORC-5, by which an order is placed or changed; any other is acknowledged and"
        " passed over.",
    )
    accession_fields: tuple[FieldName, ...] = Field(
        ("IPC-1", "OBR-18"),
        description="Where the accession number of the images stands, the first that says something; many a site has it"
        " in `OBR-3`.",
    )
    study_uid_fields: tuple[FieldName, ...] = Field(
        ("ZDS-1", "IPC-3"), description="Where the Study Instance UID stands, besides an OBX of code 113014 or 110180."
    )
    maximum_message_bytes: Annotated[int, Field(ge=1024)] = Field(
        4 * 1024**2, description="A longer message is refused with AR."
    )
    maximum_connections: Annotated[int, Field(ge=1)] = Field(20, description="Connections served at once.")
    maximum_connections_per_address: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Most of them from one address; half of `maximum_connections` when absent."
    )
    message_timeout: Seconds = Field(
        30.0, description="Seconds in which a message must be whole, and its acknowledgement taken."
    )
    idle_timeout: Seconds = Field(3600.0, description="Seconds without a message after which a connection is closed.")
    tls: Hl7TlsSettings = Hl7TlsSettings()

    @property
    def connections_per_address(self) -> int:
        """Most connections from one address."""
        return self.maximum_connections_per_address or max(1, self.maximum_connections // 2)


class OrdersSettings(Section):
    """What is made of what a RIS says (`[orders]`)."""

    keep_days: Annotated[int, Field(ge=1)] = Field(
        90, description="Days after which what was heard of an order is forgotten, whether images came or not."
    )
    priorities: dict[str, Literal["routine", "urgent", "stat"]] = Field(
        {"S": "stat", "A": "urgent", "R": "routine"},
        description="By the priority of an order (TQ1-9, ORC-7, OBR-27 or OBR-5; table 0485), that of its study;"
        " another code raises nothing.",
    )

    def priority_of(self, code: str) -> Priority | None:
        """Return the priority that a code stands for."""
        mapped = self.priorities.get(code)
        return Priority[mapped.upper()] if mapped is not None else None
