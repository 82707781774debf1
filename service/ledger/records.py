"""The ledger's rows. "Model" always means a network here; these are records.

Only `service.ledger` writes them; migrations/ holds the same tables step by step.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.ledger.record_base import LeasedRecord, Record, where

#: The condition on images whose reports are due, as each database is asked.
_DUE: Mapping[str, Any] = {
    "sqlite_where": text("reports_due IS 1"),
    "postgresql_where": text("reports_due IS true"),
}


class StudyRecord(Record):
    """A study: one row of the reading worklist."""

    __tablename__ = "studies"
    __table_args__ = (
        Index("ix_studies_held", "first_received_at", **where("held_reason IS NOT NULL")),
        Index("ix_studies_open", "reading_rank_at", "first_received_at", "id", **where("closed_at IS NULL")),
        Index("ix_studies_priority_open", "priority", "first_received_at", **where("closed_at IS NULL")),
        Index("ix_studies_closed", "closed_at", **where("closed_at IS NOT NULL")),
        Index("ix_studies_late", "came_after_at", **where("came_after_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    first_received_at: Mapped[datetime]
    priority: Mapped[int] = mapped_column(default=0)
    priority_source: Mapped[str] = mapped_column(String(64), default="default")
    reading_rank_at: Mapped[datetime] = mapped_column(index=True)
    held_reason: Mapped[str | None] = mapped_column(String(200))
    hold: Mapped[str | None] = mapped_column(String(32))
    held_at: Mapped[datetime | None]
    #: Of the last reading, and of what came last after it; None while the study is open.
    closed_at: Mapped[datetime | None] = mapped_column(active_history=True)
    closed_by: Mapped[str | None] = mapped_column(String(64))
    close_source: Mapped[str | None] = mapped_column(String(32))
    came_after_at: Mapped[datetime | None]
    withheld_priority: Mapped[int | None]  # of what came after; it counts once the study is opened again
    withheld_source: Mapped[str | None] = mapped_column(String(64))

    instances: Mapped[list["InstanceRecord"]] = relationship(back_populates="study")


class InstanceRecord(LeasedRecord):
    """One version of a received instance."""

    __tablename__ = "instances"
    __table_args__ = (
        UniqueConstraint("sop_instance_uid", "version"),
        Index("ix_instances_state_rank_at", "state", "rank_at"),
        # In the very words of the queries: SQLite uses the index for no others. They compare its first column, too:
        # so it is taken whatever ANALYZE left of how many rows have a state on average, where nearly all are done.
        Index("ix_instances_under_way", "state", "rank_at", **where("state IN ('received', 'claimed')")),
        Index("ix_instances_due", "reports_due", "rank_at", **_DUE),
        Index("ix_instances_open", "rank_at", **_DUE),
        Index("ix_instances_shadow_id", "shadow_id", **where("shadow_id IS NOT NULL")),
    )

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    identity: Mapped[dict[str, Any]]
    identity_digest: Mapped[str] = mapped_column(String(64))
    patient_digest: Mapped[str | None] = mapped_column(String(64), index=True)
    pixel_digest: Mapped[str | None] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(64), index=True)
    object_size: Mapped[int]
    calling_ae_title: Mapped[str] = mapped_column(String(16))
    order_priority: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str | None] = mapped_column(Text)
    flags: Mapped[list[str]] = mapped_column(default=list)
    flag_codes: Mapped[list[str] | None]
    is_chest: Mapped[bool] = mapped_column(default=False)
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("instances.id"))
    superseding_reason: Mapped[str | None] = mapped_column(String(64))
    supersession: Mapped[str | None] = mapped_column(String(32))
    hold: Mapped[str | None] = mapped_column(String(32))
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(64))
    reanalysis_asked_at: Mapped[datetime | None]
    reanalysis_asked_by: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[datetime]
    rank_at: Mapped[datetime]
    analysed_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    reports_due: Mapped[bool] = mapped_column(default=False, index=True)
    object_removed_at: Mapped[datetime | None]
    #: The period in shadow that it was received in (`service.ledger.shadow`): nothing of it is sent, ever.
    shadow_id: Mapped[int | None]

    study: Mapped[StudyRecord] = relationship(back_populates="instances")
    prediction: Mapped["PredictionRecord | None"] = relationship(back_populates="instance")
    reports: Mapped[list["ReportRecord"]] = relationship(back_populates="instance")


class PredictionRecord(Record):
    """The result of the inference on one version of an instance."""

    __tablename__ = "predictions"
    __table_args__ = (Index("ix_predictions_checkpoint_digest_created_at", "checkpoint_digest", "created_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id"), unique=True)
    outcome: Mapped[str] = mapped_column(String(16))
    probabilities: Mapped[dict[str, Any]]
    findings: Mapped[dict[str, Any]]
    p_pneumonia: Mapped[float] = mapped_column(Float(53))
    pneumonia_type: Mapped[str | None] = mapped_column(String(32))
    operating_point: Mapped[str] = mapped_column(String(64))
    lower: Mapped[float] = mapped_column(Float(53))
    upper: Mapped[float] = mapped_column(Float(53))
    prevalence: Mapped[float] = mapped_column(Float(53))
    checkpoint_name: Mapped[str] = mapped_column(String(100))
    checkpoint_version: Mapped[str] = mapped_column(String(32))
    checkpoint_digest: Mapped[str] = mapped_column(String(64))
    transform: Mapped[str] = mapped_column(String(100))
    #: Of the site's own calibration that was laid over the checkpoint's card; None where there was none.
    calibration_digest: Mapped[str | None] = mapped_column(String(64))
    input_digest: Mapped[str] = mapped_column(String(64))
    cam: Mapped[bytes] = mapped_column(LargeBinary)
    cam_rows: Mapped[int]
    cam_columns: Mapped[int]
    runtime: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)
    reused: Mapped[bool] = mapped_column(default=False)

    instance: Mapped[InstanceRecord] = relationship(back_populates="prediction")


class ReportRecord(Record):
    """One object that we built; its bytes never change, and lie in the store until retention removes them."""

    __tablename__ = "reports"

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    language: Mapped[str | None] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(16))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(64), index=True)
    object_removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    returned_at: Mapped[datetime | None]

    instance: Mapped[InstanceRecord] = relationship(back_populates="reports")
    deliveries: Mapped[list["DeliveryRecord"]] = relationship(back_populates="report")


class DeliveryRecord(LeasedRecord):
    """The outbox: one object on its way to one destination."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("report_id", "destination"),
        Index("ix_deliveries_destination_state_next_attempt_at", "destination", "state", "next_attempt_at"),
        Index("ix_deliveries_open", "state", "next_attempt_at", **where("next_attempt_at IS NOT NULL")),
    )

    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), index=True)
    destination: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    status: Mapped[int | None]
    detail: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    #: How often it was asked since it took the object, or last said that it holds it; how often it has said so.
    questions: Mapped[int | None]
    confirmations: Mapped[int | None]

    report: Mapped[ReportRecord] = relationship(back_populates="deliveries")


class CommitmentRecord(Record):
    """A storage commitment that we asked of a destination: one transaction."""

    __tablename__ = "commitments"

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_uid: Mapped[str] = mapped_column(String(64), unique=True)
    destination: Mapped[str] = mapped_column(String(64))
    requested_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(16))

    items: Mapped[list["CommitmentItemRecord"]] = relationship(back_populates="commitment")


class CommitmentItemRecord(Record):
    """One object of a transaction of ours, and the reason why the destination does not commit to it."""

    __tablename__ = "commitment_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    commitment_id: Mapped[int] = mapped_column(ForeignKey("commitments.id"), index=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), index=True)
    failure_reason: Mapped[int | None]

    commitment: Mapped[CommitmentRecord] = relationship(back_populates="items")
    delivery: Mapped[DeliveryRecord] = relationship()


class CommitmentRequestRecord(LeasedRecord):
    """A storage commitment that a peer asks of us; it waits for our answer."""

    __tablename__ = "commitment_requests"
    __table_args__ = (
        # Named by hand: PostgreSQL takes 63 characters.
        UniqueConstraint(
            "requestor_ae_title", "transaction_uid", "referenced_digest", name="uq_commitment_requests_transaction"
        ),
        Index(
            "ix_commitment_requests_requestor_ae_title_state_next_attempt_at",
            "requestor_ae_title",
            "state",
            "next_attempt_at",
        ),
    )

    requestor_ae_title: Mapped[str] = mapped_column(String(16))
    transaction_uid: Mapped[str] = mapped_column(String(64))
    #: Pairs of SOP Class UID and SOP Instance UID, in the order of the request.
    referenced: Mapped[list[list[str]]]
    referenced_digest: Mapped[str] = mapped_column(String(64))
    requested_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    detail: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None]


class EventRecord(Record):
    """One line of an instance's history."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str | None] = mapped_column(Text)
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
