"""The rows of the messages: what happened, and to whom it is to be told."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.ledger.record_base import LeasedRecord
from service.ledger.records import InstanceRecord

_OPEN = text("next_attempt_at IS NOT NULL")


class MessageRecord(LeasedRecord):
    """The outbox of messages: one event on its way to one destination; its state is a `DeliveryState`.

    What is told of the event itself stands here; all else is read when the message is built.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_open", "destination", "next_attempt_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_messages_study_id_destination", "study_id", "destination"),
    )

    #: The same at every attempt, so that a receiver can tell a repetition from news.
    message_id: Mapped[str] = mapped_column(String(20), unique=True)
    event: Mapped[str] = mapped_column(String(32))
    destination: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    #: The version of an image that the event is of, or through which it came about.
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id"), index=True)
    priority: Mapped[int]
    priority_source: Mapped[str] = mapped_column(String(64))
    supersession: Mapped[str | None] = mapped_column(String(32))
    occurred_at: Mapped[datetime]
    #: What giving up is reckoned from: a person's `auscult retry` begins it anew.
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    detail: Mapped[str | None] = mapped_column(Text)
    confirmed_at: Mapped[datetime | None]

    instance: Mapped[InstanceRecord] = relationship()
