"""The rows of what people say of the AI's results."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.ledger.record_base import Record
from service.ledger.records import InstanceRecord


class FeedbackRecord(Record):
    """What a person said of the result of one version of an image; a row is never changed."""

    __tablename__ = "feedback"
    __table_args__ = (Index("ix_feedback_instance_id_person", "instance_id", "person"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id"))
    at: Mapped[datetime]
    #: Empty where nobody knows the name.
    person: Mapped[str] = mapped_column(String(64))
    opinion: Mapped[str] = mapped_column(String(16))
    finding: Mapped[str | None] = mapped_column(String(32))
    #: A person's own words; they go nowhere but to the study's page.
    comment: Mapped[str | None] = mapped_column(Text)

    instance: Mapped[InstanceRecord] = relationship()
