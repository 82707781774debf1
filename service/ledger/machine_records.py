"""The rows of the machines that made the images, of how each was made, and of the sources that are in shadow."""

from datetime import datetime

from sqlalchemy import Float, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.ledger.record_base import Record, where
from service.ledger.records import InstanceRecord


class MachineRecord(Record):
    """A machine, as its images name it; an absent attribute is empty."""

    __tablename__ = "machines"
    __table_args__ = (
        UniqueConstraint(
            "manufacturer", "model_name", "station_name", "device_serial_number", name="uq_machines_attributes"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    manufacturer: Mapped[str] = mapped_column(String(64))
    model_name: Mapped[str] = mapped_column(String(64))
    station_name: Mapped[str] = mapped_column(String(64))
    device_serial_number: Mapped[str] = mapped_column(String(64))
    first_seen_at: Mapped[datetime]


class AcquisitionRecord(Record):
    """How one version of an instance was made, and how far the network finds it from what it was trained on."""

    __tablename__ = "acquisitions"
    __table_args__ = (
        Index("ix_acquisitions_machine_id_view_position", "machine_id", "view_position", "instance_id"),
        Index("ix_acquisitions_group", "machine_id", "view_position", "kvp_band", "instance_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id"), unique=True)
    machine_id: Mapped[int] = mapped_column(ForeignKey("machines.id"))
    view_position: Mapped[str] = mapped_column(String(16))
    kvp: Mapped[float | None] = mapped_column(Float(53))
    kvp_band: Mapped[str | None] = mapped_column(String(8))
    distance: Mapped[float | None] = mapped_column(Float(53))
    #: Of the checkpoint that found the distance; None where none looked at the image, or an earlier version wrote it.
    checkpoint_digest: Mapped[str | None] = mapped_column(String(64))

    instance: Mapped[InstanceRecord] = relationship()
    machine: Mapped[MachineRecord] = relationship()


class ShadowRecord(Record):
    """A period for which an AE title, or a machine, is in shadow; see `service.ledger.shadow`."""

    __tablename__ = "shadows"
    __table_args__ = (Index("ix_shadows_standing", "id", **where("left_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ae_title: Mapped[str | None] = mapped_column(String(16))
    machine_id: Mapped[int | None] = mapped_column(ForeignKey("machines.id"))
    entered_at: Mapped[datetime]
    #: The name of the person; None where the settings put it in.
    entered_by: Mapped[str | None] = mapped_column(String(64))
    #: Of the last go-live report that was made.
    report_digest: Mapped[str | None] = mapped_column(String(64))
    reported_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    left_by: Mapped[str | None] = mapped_column(String(64))
