"""Machines: which have sent images, how many, and when last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from service.ledger.database import reading
from service.ledger.machine_records import AcquisitionRecord, MachineRecord
from service.ledger.records import InstanceRecord
from service.vocabulary.acquisition import Machine


@dataclass(frozen=True)
class MachineView:
    """A machine that has sent images.

    Attributes
    ----------
    id
        Its number in the ledger, by which a person names it.
    views
        How many images it has sent of each View Position; of none for images that name none.
    """

    id: int
    machine: Machine
    first_seen_at: datetime
    last_seen_at: datetime
    views: Sequence[tuple[str, int]]

    @property
    def images(self) -> int:
        """How many images it has sent."""
        return sum(count for _, count in self.views)


class Machines:
    """Answers which machines send."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def known(self, machine_id: int) -> bool:
        """Return whether a machine has this number."""
        with reading(self._engine) as session:
            return session.get(MachineRecord, machine_id) is not None

    def seen(self) -> list[MachineView]:
        """Return every machine, in the order in which they were met."""
        row, image = AcquisitionRecord, InstanceRecord
        counted = (
            select(row.machine_id, row.view_position, func.count(), func.max(image.received_at))
            .join(image, image.id == row.instance_id)
            .group_by(row.machine_id, row.view_position)
            .order_by(row.machine_id, row.view_position)
        )
        with reading(self._engine) as session:
            found: dict[int, list[tuple[str, int, datetime]]] = {}
            for machine_id, view, count, last in session.execute(counted):
                found.setdefault(machine_id, []).append((view, count, last))
            machines = session.scalars(select(MachineRecord).order_by(MachineRecord.id)).all()
        return [
            MachineView(
                id=machine.id,
                machine=machine_of(machine),
                first_seen_at=machine.first_seen_at,
                last_seen_at=max((last for _, _, last in found.get(machine.id, [])), default=machine.first_seen_at),
                views=[(view, count) for view, count, _ in found.get(machine.id, [])],
            )
            for machine in machines
        ]


def machine_of(row: MachineRecord) -> Machine:
    """Return the machine of a row."""
    return Machine(row.manufacturer, row.model_name, row.station_name, row.device_serial_number)
