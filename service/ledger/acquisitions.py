"""Acquisitions: on which machine, and how, each image was made; written within a transaction of the caller."""

from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import bindparam, insert, literal, select, update
from sqlalchemy.orm import Session

from service.ledger.machine_records import AcquisitionRecord, MachineRecord
from service.ledger.records import InstanceRecord
from service.vocabulary.acquisition import Acquisition, Machine

_MACHINE = select(MachineRecord.id).where(
    *(getattr(MachineRecord, field.name) == bindparam(field.name) for field in fields(Machine))
)


def machine_number(session: Session, machine: Machine, at: datetime) -> int:
    """Return a machine's number; one that is met for the first time is given one.

    Raises
    ------
    IntegrityError
        When another process met the same machine for the first time in this moment; its row is there at the next try.
    """
    attributes = asdict(machine)
    number = session.scalars(_MACHINE, attributes).one_or_none()
    if number is None:
        row = MachineRecord(**attributes, first_seen_at=at)
        session.add(row)
        session.flush()
        number = row.id
    return number


def note_acquisition(session: Session, instance: InstanceRecord, acquisition: Acquisition, machine_id: int) -> None:
    """Keep how an image was made, and on which machine."""
    session.add(
        AcquisitionRecord(
            instance_id=instance.id,
            machine_id=machine_id,
            view_position=acquisition.view_position,
            kvp=acquisition.kvp,
        )
    )


def copy_acquisition(session: Session, instance: InstanceRecord, again: InstanceRecord) -> None:
    """Keep how an image was made for a new version with the same bytes."""
    row = AcquisitionRecord
    copied = select(literal(again.id), row.machine_id, row.view_position, row.kvp).where(row.instance_id == instance.id)
    session.execute(insert(row).from_select(["instance_id", "machine_id", "view_position", "kvp"], copied))


def note_distance(session: Session, instance: InstanceRecord, distance: float | None) -> None:
    """Keep how far the network finds an image from those that it was trained on, where it can tell."""
    if distance is not None:
        row = AcquisitionRecord
        session.execute(update(row).where(row.instance_id == instance.id).values(distance=distance))
