"""The settings as a whole."""

import os
from pathlib import Path

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from service.settings.audit import AuditSettings
from service.settings.feedback import FeedbackSettings
from service.settings.nodes import (
    DeliverySettings,
    Destination,
    DicomwebSettings,
    NodeSettings,
    PeerSettings,
)
from service.settings.operation import (
    DatabaseSettings,
    LivenessSettings,
    LogSettings,
    QueueSettings,
    SweepSettings,
)
from service.settings.orders import Hl7ListenerSettings, OrdersSettings
from service.settings.receivers import Receiver
from service.settings.sections import (
    AnalysisSettings,
    ListenerSettings,
    ReportSettings,
    ScopeSettings,
    WorklistSettings,
)
from service.settings.storage import RetentionSettings, StoreSettings
from service.settings.turnaround import TurnaroundSettings
from service.settings.watching import DriftSettings, ShadowSettings
from service.settings.web import WebSettings
from service.settings.work_items import WorkItemSettings
from service.vocabulary.language import Language


class Settings(BaseSettings):
    """The whole of the settings; see the sections."""

    model_config = SettingsConfigDict(env_prefix="AUSCULT_", env_nested_delimiter="__", extra="forbid", frozen=True)

    data_dir: Path = Field(
        Path("auscult-data"), description="Folder for the embedded ledger, received objects and wake-up pipes."
    )
    language: Language = Field(
        Language.ENGLISH,
        description="Language of the page and of the terminal (RFC 5646); `vi` is not yet reviewed by a clinician."
        " That of the reports is `report.language`.",
    )
    listener: ListenerSettings = ListenerSettings()
    scope: ScopeSettings = ScopeSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    destinations: tuple[Destination, ...] = Field((), description="Archives that receive reports.")
    receivers: tuple[Receiver, ...] = Field((), description="Systems that are told of results by messages.")
    peers: tuple[PeerSettings, ...] = Field((), description="DICOM nodes that ask us for storage commitment.")
    hl7: Hl7ListenerSettings = Hl7ListenerSettings()
    orders: OrdersSettings = OrdersSettings()
    delivery: DeliverySettings = DeliverySettings()
    report: ReportSettings = ReportSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    worklist: WorklistSettings = WorklistSettings()
    work_items: WorkItemSettings = WorkItemSettings()
    shadow: ShadowSettings = ShadowSettings()
    drift: DriftSettings = DriftSettings()
    web: WebSettings = WebSettings()
    queue: QueueSettings = QueueSettings()
    database: DatabaseSettings = DatabaseSettings()
    store: StoreSettings = StoreSettings()
    retention: RetentionSettings = RetentionSettings()
    sweep: SweepSettings = SweepSettings()
    audit: AuditSettings = AuditSettings()
    liveness: LivenessSettings = LivenessSettings()
    log: LogSettings = LogSettings()
    turnaround: TurnaroundSettings = TurnaroundSettings()

    @field_validator("destinations")
    @classmethod
    def _names_are_unique(cls, value: tuple[Destination, ...]) -> tuple[Destination, ...]:
        names = [destination.name for destination in value]
        if len(set(names)) != len(names):
            raise ValueError("two destinations have the same name; give each a name of its own")
        return value

    @field_validator("peers")
    @classmethod
    def _peers_are_unique(cls, value: tuple[PeerSettings, ...]) -> tuple[PeerSettings, ...]:
        titles = [peer.ae_title.strip() for peer in value]
        if len(set(titles)) != len(titles):
            raise ValueError("two peers have the same AE title; nobody could tell which of them asks")
        return value

    @model_validator(mode="after")
    def _receivers_have_names_of_their_own(self) -> "Settings":
        names = [*(one.name for one in self.destinations), *(one.name for one in self.receivers)]
        if len(set(names)) != len(names):
            raise ValueError("receivers: a receiver has the name of another or of a destination; give it its own")
        return self

    @model_validator(mode="after")
    def _a_bucket_has_a_quota(self) -> "Settings":
        retention = self.retention
        if not self.store.is_local and retention.high_watermark is not None and retention.quota_bytes is None:
            raise ValueError("retention.high_watermark: a bucket has no end of its own; set retention.quota_bytes")
        return self

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the ledger."""
        if self.database.address is not None:
            return self.database.address.get_secret_value()
        return f"sqlite:///{self.data_dir.resolve() / 'ledger.sqlite'}"

    @property
    def objects_dir(self) -> Path:
        """The folder of the object store."""
        return self.data_dir.resolve() / "objects"

    @property
    def audit_file(self) -> Path:
        """The file of the audit trail."""
        return self.audit.file or self.data_dir.resolve() / "audit" / "audit.log"

    @property
    def audit_spool(self) -> Path:
        """The folder of what waits for the syslog server, beside the file: both are of one machine."""
        return self.audit_file.parent / "spool"

    @property
    def wake_dir(self) -> Path:
        """The folder of the wake-up pipes."""
        return self.data_dir.resolve() / "wake"

    @property
    def heartbeat_dir(self) -> Path:
        """The folder of the heartbeats of this machine's processes."""
        return self.liveness.folder or self.data_dir.resolve() / "alive"

    def calling_ae_title(self, destination: NodeSettings | DicomwebSettings) -> str:
        """Return the AE title that we call a node with; over HTTP, what the audit trail calls us."""
        own = destination.calling_ae_title if isinstance(destination, NodeSettings) else None
        return own or self.listener.ae_title

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let variables win over the file, and the caller over both."""
        # pydantic would read .env files and secret folders too: one file and the variables are what a person can check.
        toml = TomlConfigSettingsSource(settings_cls, os.environ.get("AUSCULT_CONFIG", "auscult.toml"))
        return init_settings, env_settings, toml
