"""Acquisitions: on which machine, and how, each image was made; written within a transaction of the caller."""

from dataclasses import asdict, fields, replace
from datetime import datetime

from sqlalchemy import bindparam, func, insert, literal, select, update
from sqlalchemy.orm import Session

from service.ledger.machine_records import AcquisitionRecord, MachineRecord
from service.ledger.records import InstanceRecord
from service.vocabulary.acquisition import OTHER_MACHINES, Machine

#: Machines that are told apart besides the one that stands for all others, and serial numbers of one model at one
#: station: whoever sends another with each image makes no more rows.
MOST_MACHINES = 1000
MOST_SERIAL_NUMBERS = 20

_MACHINE = select(MachineRecord.id).where(
    *(getattr(MachineRecord, field.name) == bindparam(field.name) for field in fields(Machine))
)


def machine_number(session: Session, machine: Machine, at: datetime) -> int:
    """Return a machine's number; one that is met for the first time is given one, while there is room.

    Without room it is the machine without its serial number, and at last one that stands for all others.

    Raises
    ------
    IntegrityError
        When another process met the same machine for the first time in this moment; its row is there at the next try.
    """
    number = _known(session, machine)
    if number is None and not _has_room(session, machine):
        machine = replace(machine, device_serial_number="")
        number = _known(session, machine)
        if number is None and _count(session) >= MOST_MACHINES:
            machine = OTHER_MACHINES
            number = _known(session, machine)
    if number is None:
        row = MachineRecord(**asdict(machine), first_seen_at=at)
        session.add(row)
        session.flush()
        number = row.id
    return number


def _known(session: Session, machine: Machine) -> int | None:
    return session.connection().execute(_MACHINE, vars(machine)).scalar_one_or_none()


def _has_room(session: Session, machine: Machine) -> bool:
    """Return whether a machine that is not known yet may have a row of its own."""
    alike = asdict(machine)
    del alike["device_serial_number"]
    return _count(session, **alike) < MOST_SERIAL_NUMBERS and _count(session) < MOST_MACHINES


def _count(session: Session, **attributes: str) -> int:
    counted = select(func.count()).select_from(MachineRecord).filter_by(**attributes)
    return session.scalars(counted).one()


def copy_acquisition(session: Session, instance: InstanceRecord, again: InstanceRecord) -> None:
    """Keep how an image was made for a new version with the same bytes."""
    row = AcquisitionRecord
    columns = (row.machine_id, row.view_position, row.kvp, row.kvp_band)
    copied = select(literal(again.id), *columns).where(row.instance_id == instance.id)
    session.execute(insert(row).from_select(["instance_id", *(column.key for column in columns)], copied))


def note_distance(
    session: Session, instance: InstanceRecord, distance: float | None, checkpoint_digest: str | None
) -> None:
    """Keep how far a checkpoint's network finds an image from those that it was trained on, where it can tell."""
    if distance is not None:
        row, found = AcquisitionRecord, {"distance": distance, "checkpoint_digest": checkpoint_digest}
        session.execute(update(row).where(row.instance_id == instance.id).values(found))
