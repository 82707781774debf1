"""The ledger's rows that count or note something of the whole site, and belong to no study."""

from datetime import datetime

from sqlalchemy import Float, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.ledger.record_base import Record


class RefusalRecord(Record):
    """Somebody who was not let in, or a presentation context that was refused; see `service.ledger.refusals`."""

    __tablename__ = "refusals"
    __table_args__ = (
        UniqueConstraint(
            "reason", "address", "calling_ae_title", "called_ae_title", "sop_class_uid", name="uq_refusals_key"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    address: Mapped[str] = mapped_column(String(64))
    calling_ae_title: Mapped[str] = mapped_column(String(16))
    called_ae_title: Mapped[str] = mapped_column(String(16))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class FigureRecord(Record):
    """A sum over all processes of a site; see `service.vocabulary.figures`."""

    __tablename__ = "figures"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[float] = mapped_column(Float(53))


class TurnaroundRecord(Record):
    """How many waits of one source ended in an hour, by their length; see `service.vocabulary.turnaround`."""

    __tablename__ = "turnarounds"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    figure: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]


class CountRecord(Record):
    """A part of a count; see `service.ledger.kept_counts`."""

    __tablename__ = "counts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32))
    label: Mapped[str] = mapped_column(String(64))
    value: Mapped[int]


class ClockStepRecord(Record):
    """A moment at which a machine's clock was set: by how much, as one of its processes noticed."""

    __tablename__ = "clock_steps"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    seconds: Mapped[float] = mapped_column(Float(53))
    host: Mapped[str] = mapped_column(String(64))
