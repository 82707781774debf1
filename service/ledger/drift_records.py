"""The rows that drift is watched by: what a checkpoint's card says, and alarms about machines."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.ledger.machine_records import MachineRecord
from service.ledger.record_base import Record, where


class CardReferenceRecord(Record):
    """What the card of a checkpoint measured on its validation images, by operating point."""

    __tablename__ = "card_references"

    checkpoint_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    operating_points: Mapped[dict[str, Any]]
    #: What P(pneumonia) and the distance were on them; None of a card that does not say.
    distributions: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class DriftAlarmRecord(Record):
    """An alarm about the images of a machine in one view and band of tube voltages."""

    __tablename__ = "drift_alarms"
    __table_args__ = (Index("ix_drift_alarms_standing", "machine_id", **where("ended_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    machine_id: Mapped[int] = mapped_column(ForeignKey("machines.id"))
    view_position: Mapped[str] = mapped_column(String(16))
    kvp_band: Mapped[str | None] = mapped_column(String(8))
    #: None where an earlier version wrote it, which watched one checkpoint alone.
    checkpoint_digest: Mapped[str | None] = mapped_column(String(64))
    characteristic: Mapped[str] = mapped_column(String(32))
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    machine: Mapped[MachineRecord] = relationship()
