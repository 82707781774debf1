"""DICOM nodes that we call, and how reports are brought to them."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from service.settings.http import HttpPeerSettings
from service.settings.kinds import AeTitle, Seconds, Section
from service.settings.tls import DestinationTlsSettings
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import IMAGE_KINDS, ReportKind


class NodeSettings(Section):
    """A DICOM node that we call."""

    ae_title: AeTitle = Field(description="Its AE title.")
    host: str = Field(description="Its host name or address.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Its TCP port.")
    calling_ae_title: AeTitle | None = Field(None, description="The AE title we call with; the listener's when absent.")
    connect_timeout: Seconds = Field(10.0, description="Seconds to wait for the TCP connection and the association.")
    response_timeout: Seconds = Field(60.0, description="Seconds to wait for a response.")
    tls: DestinationTlsSettings | None = None


class ReportDestinationSettings(Section):
    """What receives reports, over whichever wire."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="Our name for it, unique.")
    reports: tuple[ReportKind, ...] = Field(
        IMAGE_KINDS,
        description="Which objects it receives. `study_text_sr` in place of `text_sr` is one text report a study, which"
        " takes the place of the one before whenever another image has a result: for a destination whose viewers show"
        " the latest version first.",
    )
    language: Language | None = Field(
        None, description="Language of the reports that it receives; `report.language` when absent."
    )
    not_analysed: Literal["none", "chest_only", "all"] = Field(
        "chest_only", description="For which images that are not analysed it receives a report; one a study at most."
    )

    @field_validator("reports")
    @classmethod
    def _has_one_text_report(cls, value: tuple[ReportKind, ...]) -> tuple[ReportKind, ...]:
        if ReportKind.TEXT_SR in value and ReportKind.STUDY_TEXT_SR in value:
            raise ValueError("name text_sr, one text report for each image, or study_text_sr, one for each study")
        return value

    @property
    def text_report(self) -> ReportKind:
        """The kind of text report that it receives, if only of images that are not analysed."""
        return ReportKind.STUDY_TEXT_SR if ReportKind.STUDY_TEXT_SR in self.reports else ReportKind.TEXT_SR


class DestinationSettings(ReportDestinationSettings, NodeSettings):
    """One DICOM node that receives reports (`[[destinations]]`)."""

    channel: Literal["dicom"] = Field("dicom", description="`dicom`: by C-STORE.")
    confirm: Literal["commitment", "find", "none"] = Field(
        "find",
        description="How it is asked whether it holds what was sent: by storage commitment (by C-FIND where that has "
        "no answer), by C-FIND, or not at all: SENT is the last state then.",
    )

    @field_validator("confirm", mode="before")
    @classmethod
    def _was_boolean(cls, value: object) -> object:
        # Version 0.1 knew `true` and `false`; a settings file of then goes on to mean what it meant.
        return {"true": "find", "false": "none"}.get(str(value).lower(), value)

    @property
    def audited(self) -> tuple[str, str]:
        """What the audit trail calls it, and where it is."""
        return self.ae_title, self.host


class DicomwebSettings(ReportDestinationSettings, HttpPeerSettings):
    """One DICOMweb server that receives reports (`[[destinations]]` with `channel = "dicomweb"`)."""

    channel: Literal["dicomweb"] = Field(description="`dicomweb`: by STOW-RS; `url` is the server's base.")
    confirm: Literal["find", "none"] = Field(
        "find",
        description="Whether it is asked by QIDO-RS for what was sent, or not at all: SENT is the last state then.",
    )
    token_file: Path | None = Field(
        None, description="File whose first line is the token that the server wants as `Authorization: Bearer`."
    )
    user: str | None = Field(None, description="The name that the server wants by HTTP Basic.")
    password_file: Path | None = Field(None, description="File whose first line is that name's password.")
    connect_timeout: Seconds = Field(10.0, description="Seconds to wait for the connection.")
    response_timeout: Seconds = Field(60.0, description="Seconds to wait for an answer.")

    @model_validator(mode="after")
    def _logs_in_in_one_way(self) -> "DicomwebSettings":
        if (self.user is None) != (self.password_file is None) or (self.user and self.token_file):
            raise ValueError("log in by user and password_file, or by token_file, or not at all")
        return self

    @property
    def audited(self) -> tuple[str, str]:
        """What the audit trail calls it, and where it is."""
        return self.name, self.address[0]


def _channel(value: object) -> str:
    """Return over which wire a destination is reached; one of DICOM need not say so."""
    named = value.get("channel", "dicom") if isinstance(value, dict) else getattr(value, "channel", "dicom")
    return str(named)


#: The destinations' settings; `channel` says which it is.
Destination = Annotated[
    Annotated[DestinationSettings, Tag("dicom")] | Annotated[DicomwebSettings, Tag("dicomweb")],
    Discriminator(_channel),
]


class PeerSettings(NodeSettings):
    """One DICOM node that asks us for storage commitment, and where it wants our answer (`[[peers]]`)."""


#: Of a machine's cores, one in so many is kept busy by delivery while the others analyse.
_CORES_A_PROCESS = 4


class DeliverySettings(Section):
    """How reports are sent (`[delivery]`)."""

    processes: Annotated[int, Field(ge=0, le=64)] = Field(
        0,
        description="Delivery workers that `auscult up` runs beside each other; 0 takes one for each four cores, and at"
        " least one. Elsewhere, run `auscult work deliver` as often as you like.",
    )
    first_retry: Seconds = Field(
        2.0, description="Seconds before the second attempt; doubled for each further one, with jitter."
    )
    longest_retry: Seconds = Field(900.0, description="Longest pause between two attempts, in seconds.")
    give_up_after: Seconds = Field(259200.0, description="Seconds after which an undelivered report is dead.")
    confirm_after: Seconds = Field(
        0.2, description="Seconds between a report's acceptance and the first question whether it is held."
    )
    confirm_give_up_after: Seconds = Field(
        86400.0,
        description="Seconds after a report's acceptance after which a destination that fails to say whether it holds"
        " it is not asked any more: the report is sent, and cannot be confirmed.",
    )
    confirm_again: tuple[Seconds, ...] = Field(
        (3600.0, 86400.0),
        description="Seconds after a report's confirmation at which its destination is asked whether it still holds it;"
        " what is gone is sent again.",
    )
    commitment_timeout: Seconds = Field(
        300.0, description="Seconds to wait for the answer to a request for storage commitment before asking again."
    )
    commitment_requests: Annotated[int, Field(ge=1)] = Field(
        3, description="Requests for storage commitment without a final answer, after which C-FIND is asked instead."
    )
    commitment_linger: Seconds = Field(
        5.0, description="Seconds that the association of a request for storage commitment stays open for its answer."
    )
    lease: Seconds = Field(
        120.0,
        description="Seconds after which a silent delivery worker's objects and answers go to another; more where twice"
        " a destination's or peer's connect_timeout and response_timeout together are more.",
    )
    idle_release: Seconds = Field(30.0, description="Seconds after which an idle association is released.")

    @property
    def process_count(self) -> int:
        """How many delivery workers `auscult up` runs."""
        return self.processes or max(1, len(os.sched_getaffinity(0)) // _CORES_A_PROCESS)
