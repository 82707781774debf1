"""Systems that are told by messages what became of a study; each channel has a table of its own made of this one."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from service.settings.http import HttpPeerSettings
from service.settings.kinds import AeTitle, Label, Seconds, Section
from service.settings.nodes import NodeSettings
from service.settings.tls import DestinationTlsSettings
from service.vocabulary.facts import MessageEvent
from service.vocabulary.language import Language
from service.vocabulary.states import Priority


class ReceiverSettings(Section):
    """A system that is told of events by messages, whatever the channel."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="Our name for it, unique among destinations and receivers."
    )
    events: frozenset[MessageEvent] = Field(
        frozenset({MessageEvent.RESULT, MessageEvent.RESULT_SUPERSEDED, MessageEvent.PRIORITY_RAISED}),
        description="What it is told of.",
    )
    not_analysed: Literal["none", "chest_only", "all"] = Field(
        "chest_only", description="Of which images that are not analysed it is told."
    )
    connect_timeout: Seconds = Field(10.0, description="Seconds to wait for the connection.")
    response_timeout: Seconds = Field(30.0, description="Seconds to wait for its answer to a message.")

    @property
    def told(self) -> frozenset[MessageEvent]:
        """Those of `events` that its channel has a message for."""
        return self.events

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens; of a channel without any, none."""
        return "", 0


Code = Annotated[str, Field(min_length=1, max_length=60)]
#: What a receiver's own texts and codes are told apart by: an outcome, or the type of a positive.
Verdict = Literal[
    "positive", "negative", "indeterminate", "not_analysed", "pneumonia", "bacterial_pneumonia", "viral_pneumonia"
]


class PriorityCodes(Section):
    """What stands for each priority (`[receivers.priority_codes]`); HL7 table 0485."""

    routine: Code = Field("R", description="For a routine study.")
    urgent: Code = Field("A", description="For an urgent study.")
    stat: Code = Field("S", description="For a study that cannot wait.")

    def of(self, priority: Priority) -> str:
        """Return the code of a priority."""
        return {Priority.ROUTINE: self.routine, Priority.URGENT: self.urgent, Priority.STAT: self.stat}[priority]


class Hl7Settings(ReceiverSettings):
    """A receiver of HL7 v2 messages over MLLP (`[[receivers]]` with `channel = "hl7"`)."""

    channel: Literal["hl7"] = Field(description="`hl7`.")
    host: str = Field(description="Its host name or address.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Its TCP port; 2575 is the one registered for HL7.")
    tls: DestinationTlsSettings | None = None
    keep_connection: bool = Field(True, description="Keep the connection for the next message.")
    sending_application: Code = Field("AUSCULT", description="MSH-3, as the receiver knows us.")
    sending_facility: str = Field("", description="MSH-4.")
    receiving_application: str = Field("", description="MSH-5.")
    receiving_facility: str = Field("", description="MSH-6.")
    processing_id: Literal["P", "T", "D"] = Field("P", description="MSH-11: production, training or debugging.")
    character_set: Literal["UNICODE UTF-8", "8859/1", "ASCII"] = Field(
        "UNICODE UTF-8", description="MSH-18; what it cannot express of a name becomes a question mark."
    )
    service: Code = Field(
        "399208008^Plain chest X-ray^SCT", description="OBR-4, the service that the result is of: code^text^system."
    )
    priority_message: Literal["none", "ORM", "OMI"] = Field(
        "none",
        description="Which message tells that a priority rose: ORM^O01 (OBR-27), OMI^O23 (TQ1-9), or none besides the"
        " result, which names the priority in any case.",
    )
    order_control: Code = Field("XO", description="ORC-1 of that message.")
    priority_codes: PriorityCodes = PriorityCodes()
    result_priorities: dict[Verdict, Code] = Field(
        default_factory=dict,
        description="What is told as priority where a result is such, instead of the study's: the type of a positive"
        " goes before its outcome.",
    )
    result_texts: dict[Verdict, str] = Field(
        default_factory=dict, description="What is told in words of such a result, instead of auscult's own sentence."
    )
    language: Language | None = Field(None, description="Language of the texts; `report.language` when absent.")

    @property
    def told(self) -> frozenset[MessageEvent]:
        """Those of `events` that it has a message for."""
        known = {MessageEvent.RESULT, MessageEvent.RESULT_SUPERSEDED}
        if self.priority_message != "none":
            known.add(MessageEvent.PRIORITY_RAISED)
        return self.events & known

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens."""
        return self.host, self.port


class HttpReceiverSettings(HttpPeerSettings, ReceiverSettings):
    """What the receivers over HTTP have in common."""


class WebhookSettings(HttpReceiverSettings):
    """A receiver of JSON by HTTP POST (`[[receivers]]` with `channel = "webhook"`); see the how-to for its schema."""

    channel: Literal["webhook"] = Field(description="`webhook`.")
    secret_file: Path = Field(
        description="File whose first line is the key of the signatures: `whsec_` and base64, or base64 alone."
    )
    patient: bool = Field(
        False, description="Tell name, ID, birth date and sex; without, the study's UID and Accession Number say whose."
    )


class FhirSettings(HttpReceiverSettings):
    """A FHIR R4 server that keeps results as DiagnosticReport (`[[receivers]]` with `channel = "fhir"`)."""

    channel: Literal["fhir"] = Field(description="`fhir`; `url` is the server's base.")
    token_file: Path | None = Field(
        None, description="File whose first line is the token that the server wants as `Authorization: Bearer`."
    )
    tasks: bool = Field(
        False,
        description="Keep a Task for the reading of each order too, with its priority: requested, completed when the"
        " study was read, of which it is told then whatever `events` says.",
    )
    language: Language | None = Field(None, description="Language of the texts; `report.language` when absent.")

    @property
    def told(self) -> frozenset[MessageEvent]:
        """Those of `events` that it has a message for."""
        told = self.events & {MessageEvent.RESULT, MessageEvent.RESULT_SUPERSEDED}
        return told | {MessageEvent.PRIORITY_RAISED, MessageEvent.STUDY_READ} if self.tasks else told


class WorklistOwnerSettings(ReceiverSettings):
    """What the owners of a worklist onto which readings are pushed have in common."""

    events: frozenset[MessageEvent] = Field(
        frozenset(MessageEvent) - {MessageEvent.REPORTS_BUILT}, description="What it is told of."
    )
    worklist_label: Label = Field("Chest radiographs", description="Worklist Label (0074,1202) of its work items.")
    step_label: Label = Field("Chest radiograph reading", description="Procedure Step Label (0074,1204).")
    retrieve_ae_title: AeTitle | None = Field(
        None, description="AE title that the images are retrieved from; who sent us the image when absent."
    )
    when_read: Literal["complete", "cancel"] = Field(
        "complete",
        description="What becomes of a work item that nobody has claimed there when the study is read elsewhere:"
        " auscult claims and completes it, or requests that it be canceled.",
    )
    language: Language | None = Field(None, description="Language of the comments; `report.language` when absent.")

    @property
    def told(self) -> frozenset[MessageEvent]:
        """Those of `events` that it has a message for."""
        return self.events - {MessageEvent.REPORTS_BUILT}


class UpsSettings(NodeSettings, WorklistOwnerSettings):
    """The owner of a worklist onto which readings are pushed by DICOM (`[[receivers]]` with `channel = "ups"`)."""

    channel: Literal["ups"] = Field(description="`ups`.")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens."""
        return self.host, self.port


class UpsRsSettings(WorklistOwnerSettings, HttpReceiverSettings):
    """The owner of a worklist onto which readings are pushed by UPS-RS (`[[receivers]]` with `channel = "ups-rs"`)."""

    channel: Literal["ups-rs"] = Field(description="`ups-rs`; `url` is what `/workitems` follows.")
    token_file: Path | None = Field(
        None, description="File whose first line is the token that the server wants as `Authorization: Bearer`."
    )


#: The channels' settings; `channel` says which it is.
Receiver = Annotated[
    Hl7Settings | WebhookSettings | FhirSettings | UpsSettings | UpsRsSettings, Field(discriminator="channel")
]
