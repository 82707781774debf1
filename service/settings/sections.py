"""The tables of the settings file; each field's description is its documentation."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from service.settings.kinds import AeTitle, Port, Seconds, Section
from service.settings.tls import ListenerTlsSettings
from service.vocabulary.language import Language
from service.vocabulary.reading_order import ReadingOrder


class ListenerSettings(Section):
    """The C-STORE listener (`[listener]`)."""

    ae_title: AeTitle = Field("AUSCULT", description="Our AE title; an association that calls another is rejected.")
    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for all IPv4 addresses.")
    port: Port = Field(11112, description="TCP port to listen on; 0 lets the system choose one.")
    allowed_ae_titles: tuple[AeTitle, ...] = Field(
        (), description="Calling AE titles that may associate; empty allows every one."
    )
    allowed_addresses: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks whose addresses may associate, such as `10.1.0.0/16`; empty allows every one."
    )
    other_objects: Literal["refuse", "record"] = Field(
        "refuse",
        description="What to do with objects of storage SOP classes that are neither radiographs nor reports, as CT is:"
        " `refuse` their presentation contexts, or `record` them: they are kept like any object, and out of scope; so a"
        " PACS whose rule forwards everything has no failing job.",
    )
    final_reports: Literal["record", "close"] = Field(
        "record",
        description="What a person's final report says of its study, an SR document that is COMPLETE and VERIFIED:"
        " `close` takes the study off the list, `record` nothing. A report whose evidence names images, and none of"
        " this study, closes nothing; of one that names none, nothing tells whether it is about an earlier study: not"
        " for a PACS that files such reports into the new one.",
    )
    processes: Annotated[int, Field(ge=1, le=64)] = Field(
        1,
        description="Listener processes that share the port (SO_REUSEPORT). Where many associations send at once, a"
        " second one receives half as much again, for as much memory as the first.",
    )
    maximum_associations: Annotated[int, Field(ge=1)] = Field(
        40, description="Associations served at once by each process."
    )
    maximum_associations_per_peer: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Most of them from one address, and most with one calling AE title, so that no peer keeps the"
        " others out; half of `maximum_associations` when absent.",
    )
    maximum_pdu_bytes: Annotated[int, Field(ge=4096)] = Field(
        131072, description="Largest PDU that we offer to receive."
    )
    maximum_object_bytes: Annotated[int, Field(ge=1024)] = Field(
        256 * 1024**2, description="An object that grows beyond this while it arrives is refused."
    )
    minimum_free_bytes: Annotated[int, Field(ge=0)] = Field(
        1024**3, description="Objects are refused with 0xA700 while the store's disk has less free space than this."
    )
    commitment_patience: Seconds = Field(
        1.0,
        description="Seconds after which a request for storage commitment is answered on its own association; when the "
        "peer has ended it by then, on one that we open to the peer (`peers`).",
    )
    acse_timeout: Seconds = Field(30.0, description="Seconds to wait for an association message.")
    dimse_timeout: Seconds = Field(
        60.0,
        description="Seconds to wait for the next byte of a DIMSE message, and in which a message must be whole, but"
        " for the time that its bytes may take by `minimum_bytes_per_second`.",
    )
    minimum_bytes_per_second: Annotated[float, Field(ge=1)] = Field(
        1000.0, description="Slowest rate at which a message may arrive."
    )
    network_timeout: Seconds = Field(
        120.0, description="Seconds without a DIMSE message after which an association is aborted."
    )
    users: Path | None = Field(
        None,
        description="File of names and scrypt hashes (`auscult password`); when set, an association must bring a valid"
        " user name and passcode (PS3.7 section D.3.3.7).",
    )
    tls: ListenerTlsSettings = ListenerTlsSettings()

    @property
    def associations_per_peer(self) -> int:
        """Most associations from one address, and most with one calling AE title."""
        return self.maximum_associations_per_peer or max(1, self.maximum_associations // 2)

    @model_validator(mode="after")
    def _passcodes_are_never_in_the_clear(self) -> "ListenerSettings":
        if self.users is not None and not self.tls.only:
            raise ValueError(
                "listener.users is set, and passcodes would cross the network in the clear;"
                " set listener.tls.certificate, .key, .ca and only = true"
            )
        return self


class ScopeSettings(Section):
    """Which images are analysed (`[scope]`); the others are reported as not analysed, with the reason."""

    modalities: tuple[str, ...] = Field(("CR", "DX"), description="Modalities that are analysed.")
    body_parts: tuple[str, ...] = Field(
        ("CHEST", "THORAX", "LUNG", "CHEST_TO_ABDOMEN"), description="Values of Body Part Examined that count as chest."
    )
    unknown_body_part: Literal["analyse", "skip"] = Field(
        "analyse", description="What to do where neither an attribute nor a description tells the body part."
    )
    unknown_view: Literal["analyse", "skip"] = Field(
        "analyse", description="What to do where neither an attribute nor a description tells the view."
    )
    age_outside: Literal["analyse", "skip"] = Field(
        "skip",
        description="What to do where the patient's age lies outside the population the checkpoint was validated on.",
    )
    unknown_age: Literal["analyse", "skip"] = Field(
        "skip", description="What to do where the header does not tell the patient's age."
    )
    for_processing: Literal["analyse", "skip"] = Field(
        "skip", description="What to do with images marked FOR PROCESSING."
    )
    secondary_capture: Literal["analyse", "skip"] = Field(
        "analyse", description="What to do with Secondary Capture images whose modality is one of `modalities`."
    )
    upside_down: Literal["analyse", "skip", "ignore"] = Field(
        "skip",
        description="What to do with images that are turned by 180 degrees or flipped upside down, judged by their"
        " pixels: `skip` does not analyse them, `analyse` flags them, `ignore` does not look.",
    )
    unlike_training: Literal["analyse", "skip", "ignore"] = Field(
        "skip",
        description="What to do with images that the network finds unlike those it was trained on: `skip` does not"
        " analyse them, `analyse` flags them, `ignore` does not look.",
    )
    minimum_rows: Annotated[int, Field(ge=1)] = Field(200, description="Fewest rows of an image that is analysed.")
    minimum_columns: Annotated[int, Field(ge=1)] = Field(
        200, description="Fewest columns of an image that is analysed."
    )
    maximum_pixels: Annotated[int, Field(ge=1)] = Field(
        100_000_000, description="Most pixels (rows x columns) of an image that is decoded."
    )


class AnalysisSettings(Section):
    """The inference workers (`[analysis]`)."""

    checkpoint: Path | None = Field(None, description="Folder of the checkpoint; the shipped one when absent.")
    further_checkpoints: tuple[Path, ...] = Field(
        (),
        description="Folders of further checkpoints. An image goes to the first, `checkpoint` before these, of whose"
        " card's population it is by age, view and body part.",
    )
    calibration: Path | None = Field(
        None,
        description="File of the site's own calibration, as `auscult acceptance` wrote it for one of these checkpoints;"
        " its digest stands with each result and in each report. That of the checkpoint's card when absent.",
    )
    device: str = Field("cpu", description="`cpu` (ONNX Runtime), or a torch device such as `cuda:0`.")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="Threads of the network; 0 takes the number of cores.")
    precision: Literal["float32", "int8"] = Field(
        "float32",
        description="Arithmetic on the processor; `int8` is faster, and works where the checkpoint's card offers it.",
    )
    batch_size: Annotated[int, Field(ge=1, le=256)] = Field(
        4,
        description="Most images in one forward pass. On a processor more are no faster and hold more memory; for a"
        " GPU try 32 and more.",
    )
    operating_point: str = Field("balanced", description="Name of the checkpoint's operating point that decides.")
    expected_prevalence: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Share of pneumonia among this site's images; probabilities are shifted to it (Bayes)."
    )
    lease: Seconds = Field(60.0, description="Seconds after which a silent worker's images go to another.")
    maximum_attempts: Annotated[int, Field(ge=1)] = Field(
        3, description="Attempts at one image, and then at its reports, before it counts as failed."
    )
    poll: Seconds = Field(
        2.0, description="Seconds between a worker's own looks at the ledger, for what no wake-up told it."
    )


class ReportSettings(Section):
    """What the reports say of their origin (`[report]`)."""

    language: Language = Field(
        Language.ENGLISH, description="Language of the reports (RFC 5646); `vi` is not yet reviewed by a clinician."
    )
    institution: str = Field("", description="Institution Name in the reports; the source image's when empty.")
    device_serial_number: str = Field("1", description="Device Serial Number of this installation.")
    content_qualification: Literal["RESEARCH", "PRODUCT", "SERVICE"] = Field(
        "RESEARCH", description="Content Qualification (0018,9004) of the reports."
    )


class WorklistSettings(Section):
    """The order of reading (`[worklist]`)."""

    urgent_boost_minutes: Annotated[float, Field(ge=0)] = Field(
        60.0, description="No study is overtaken by an urgent one that arrived more than this many minutes later."
    )
    stat_boost_minutes: Annotated[float, Field(ge=0)] = Field(
        240.0, description="No study is overtaken by a STAT one that arrived more than this many minutes later."
    )
    days: Annotated[int, Field(ge=0)] = Field(
        7,
        description="Calendar days that the page's list goes back; what nobody has read for longer stands behind a link"
        " of its own with its count. 0 lists everything together.",
    )
    ae_title_priorities: dict[str, Literal["routine", "urgent", "stat"]] = Field(
        default_factory=dict,
        description="Order priority by calling AE title, for example an emergency department's modality.",
    )

    @property
    def reading_order(self) -> ReadingOrder:
        """The order of reading that the boosts make."""
        return ReadingOrder(timedelta(minutes=self.urgent_boost_minutes), timedelta(minutes=self.stat_boost_minutes))

    @model_validator(mode="after")
    def _stat_is_before_urgent(self) -> "WorklistSettings":
        if self.stat_boost_minutes < self.urgent_boost_minutes:
            raise ValueError("stat_boost_minutes is below urgent_boost_minutes; make it at least as large")
        return self
