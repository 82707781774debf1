"""All settings: one `auscult.toml`, overridden by `AUSCULT_` variables, checked when the program starts.

A nested setting's variable joins the names with two underscores: ``AUSCULT_LISTENER__PORT``.
Each field's description is its documentation: docs/reference/settings.md is generated from them.
"""

from service.settings.audit import AuditSettings
from service.settings.loading import load
from service.settings.nodes import (
    DeliverySettings,
    Destination,
    DestinationSettings,
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
from service.settings.orders import Hl7ListenerSettings, Hl7TlsSettings, OrdersSettings
from service.settings.receivers import ReceiverSettings
from service.settings.sections import (
    AnalysisSettings,
    ListenerSettings,
    ReportSettings,
    ScopeSettings,
    WorklistSettings,
)
from service.settings.senders import SenderSettings
from service.settings.settings import Settings
from service.settings.sign_in import GroupSettings, OidcSettings, ProxySettings, SessionSettings
from service.settings.storage import RetentionSettings, StoreSettings
from service.settings.tls import CertificateAndKey, DestinationTlsSettings, ListenerTlsSettings, WebTlsSettings
from service.settings.turnaround import TurnaroundSettings
from service.settings.watching import DriftSettings, ShadowSettings
from service.settings.web import WebSettings
from service.settings.work_items import WorkItemSettings

__all__ = [
    "AnalysisSettings",
    "AuditSettings",
    "CertificateAndKey",
    "DatabaseSettings",
    "DeliverySettings",
    "Destination",
    "DestinationSettings",
    "DestinationTlsSettings",
    "DicomwebSettings",
    "DriftSettings",
    "GroupSettings",
    "Hl7ListenerSettings",
    "Hl7TlsSettings",
    "ListenerSettings",
    "ListenerTlsSettings",
    "LivenessSettings",
    "LogSettings",
    "NodeSettings",
    "OidcSettings",
    "OrdersSettings",
    "PeerSettings",
    "ProxySettings",
    "QueueSettings",
    "ReceiverSettings",
    "ReportSettings",
    "RetentionSettings",
    "ScopeSettings",
    "SenderSettings",
    "SessionSettings",
    "Settings",
    "ShadowSettings",
    "StoreSettings",
    "SweepSettings",
    "TurnaroundSettings",
    "WebSettings",
    "WebTlsSettings",
    "WorkItemSettings",
    "WorklistSettings",
    "load",
]
