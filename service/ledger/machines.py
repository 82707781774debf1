"""Machines: which have sent images, how many, and when last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from service.ledger.database import reading
from service.ledger.machine_records import AcquisitionRecord, MachineRecord
from service.ledger.records import InstanceRecord
from service.vocabulary.acquisition import KvpBand, Machine


@dataclass(frozen=True)
class MachineView:
    """A machine that has sent images.

    Attributes
    ----------
    id
        Its number in the ledger, by which a person names it.
    views
        How many images it has sent of each View Position and band of tube voltages; an empty position for images
        that name none.
    """

    id: int
    machine: Machine
    first_seen_at: datetime
    last_seen_at: datetime
    views: Sequence[tuple[str, KvpBand, int]]

    @property
    def images(self) -> int:
        """How many images it has sent."""
        return sum(count for _, _, count in self.views)


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
        group = (row.machine_id, row.view_position, row.kvp_band)
        counted = (
            select(*group, func.count(), func.max(image.received_at))
            .join(image, image.id == row.instance_id)
            .group_by(*group)
            .order_by(*group)
        )
        with reading(self._engine) as session:
            found: dict[int, list[tuple[str, KvpBand, int, datetime]]] = {}
            for machine_id, view, band, count, last in session.execute(counted):
                known = KvpBand(band or KvpBand.UNKNOWN)
                found.setdefault(machine_id, []).append((view, known, count, last))
            machines = session.scalars(select(MachineRecord).order_by(MachineRecord.id)).all()
        return [
            MachineView(
                id=machine.id,
                machine=machine_of(machine),
                first_seen_at=machine.first_seen_at,
                last_seen_at=max((last for *_, last in found.get(machine.id, [])), default=machine.first_seen_at),
                views=[(view, band, count) for view, band, count, _ in found.get(machine.id, [])],
            )
            for machine in machines
        ]


def machine_of(row: MachineRecord) -> Machine:
    """Return the machine of a row."""
    return Machine(row.manufacturer, row.model_name, row.station_name, row.device_serial_number)
