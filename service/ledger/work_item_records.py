"""The rows of work items: who reads which study, and who is told of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.ledger.record_base import LeasedRecord, Record, where
from service.ledger.records import StudyRecord


class WorkItemRecord(Record):
    """The reading of a study as a work item; its state is a `WorkItemState`.

    A study that is still to be read after its work item ended has a further one: what ended never begins anew.
    """

    __tablename__ = "work_items"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        Index("ix_work_items_claimed_until", "claimed_until", **where("claimed_until IS NOT NULL")),
        Index("ix_work_items_ended_at", "ended_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    #: From 1, by study.
    number: Mapped[int]
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    transaction_uid: Mapped[str | None] = mapped_column(String(64))
    performer: Mapped[str | None] = mapped_column(String(16))
    claimed_at: Mapped[datetime | None]
    #: When a performer of whom nothing is heard loses the claim; None unless it is IN PROGRESS.
    claimed_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    #: What the performer has set, in the DICOM JSON model.
    performed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    study: Mapped[StudyRecord] = relationship()


class WorkItemSubscriptionRecord(Record):
    """That an AE title is to be told of one work item, or of all."""

    __tablename__ = "work_item_subscriptions"
    __table_args__ = (Index("ix_work_item_subscriptions_ae_title", "ae_title", "work_item_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ae_title: Mapped[str] = mapped_column(String(16))
    #: None for every work item, those to come included.
    work_item_id: Mapped[int | None] = mapped_column(ForeignKey("work_items.id"))
    #: Of every work item, those alone that match, in the DICOM JSON model.
    matching: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]


class WorkItemEventRecord(LeasedRecord):
    """The outbox of events of work items: one on its way to one subscriber; its state is a `DeliveryState`."""

    __tablename__ = "work_item_events"
    __table_args__ = (
        Index("ix_work_item_events_open", "ae_title", "next_attempt_at", **where("next_attempt_at IS NOT NULL")),
    )

    ae_title: Mapped[str] = mapped_column(String(16))
    work_item_id: Mapped[int] = mapped_column(ForeignKey("work_items.id"), index=True)
    #: Event Type ID.
    event: Mapped[int]
    #: Procedure Step State, as the event left it.
    step_state: Mapped[str] = mapped_column(String(16))
    #: What the event says beyond, in the DICOM JSON model.
    said: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    occurred_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    detail: Mapped[str | None] = mapped_column(Text)

    work_item: Mapped[WorkItemRecord] = relationship()
