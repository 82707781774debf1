"""The rows of orders: what a RIS said, and the accession numbers by which studies are found."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.ledger.record_base import Record
from service.vocabulary.orders import HeardMessage, HeardOrder, OrderedPatient, OrderState


class OrderRecord(Record):
    """What one message said of one order; nothing of it is changed but what came of it."""

    __tablename__ = "orders"
    __table_args__ = (
        # Named by hand: a message that comes again is known by all of it.
        UniqueConstraint("sender", "message_id", "digest", "number", name="uq_orders_message"),
        Index("ix_orders_state_study_instance_uid", "state", "study_instance_uid"),
        Index("ix_orders_state_accession_number", "state", "accession_number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sender: Mapped[str] = mapped_column(String(128))
    message_id: Mapped[str] = mapped_column(String(199))
    digest: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    heard_at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str] = mapped_column(String(16))
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    accession_number: Mapped[str] = mapped_column(String(64))
    patient_ids: Mapped[list[list[str]]]
    patient_names: Mapped[list[str]] = mapped_column(JSON)
    birth_date: Mapped[str] = mapped_column(String(8))
    priority: Mapped[int | None]
    indication: Mapped[str] = mapped_column(Text)
    patient_class: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    problem: Mapped[str | None] = mapped_column(String(32))
    #: The study that it was used for, or for which it was not.
    study_id: Mapped[int | None] = mapped_column(ForeignKey("studies.id"), index=True)


class AccessionRecord(Record):
    """An accession number that an image of a study has."""

    __tablename__ = "accessions"
    __table_args__ = (UniqueConstraint("accession_number", "study_id", name="uq_accessions_study"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    accession_number: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))


def record_of(message: HeardMessage, number: int, heard: HeardOrder, at: datetime) -> OrderRecord:
    """Return the row of what a message says of an order, as it stands before a study is found."""
    return OrderRecord(
        sender=message.sender,
        message_id=message.message_id,
        digest=message.digest,
        number=number,
        heard_at=at,
        event=heard.event.value,
        study_instance_uid=heard.study_instance_uid,
        accession_number=heard.accession_number,
        patient_ids=[[one, *issuers] for one, issuers in heard.patient.ids],
        patient_names=list(heard.patient.names),
        birth_date=heard.patient.birth_date,
        priority=int(heard.priority) if heard.priority is not None else None,
        indication=heard.indication,
        patient_class=heard.patient_class,
        state=OrderState.WAITING.value,
    )


def patient_of(row: OrderRecord) -> OrderedPatient:
    """Return whom an order is for."""
    ids = tuple((one, tuple(issuers)) for one, *issuers in row.patient_ids)
    return OrderedPatient(ids, tuple(row.patient_names), row.birth_date)
