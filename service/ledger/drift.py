"""Drift in the ledger: what each machine's images showed, in the order in which they came, and which alarms stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Select, func, select
from sqlalchemy.orm import Session

from service.ledger.database import reading, writing
from service.ledger.drift_records import CardReferenceRecord, DriftAlarmRecord
from service.ledger.machine_records import AcquisitionRecord
from service.ledger.records import InstanceRecord, PredictionRecord
from service.process.clock import Clock
from service.vocabulary.drift import Characteristic
from service.vocabulary.findings import Outcome
from service.vocabulary.states import State

_UNSETTLED = (State.RECEIVED.value, State.CLAIMED.value, State.OWN.value, State.DUPLICATE.value)


@dataclass(frozen=True)
class Observation:
    """What one image showed.

    Attributes
    ----------
    outcome
        None where it was not analysed.
    p_pneumonia
        In [0, 1]; None where it was not analysed.
    distance
        From the training images; None where it was not measured.
    """

    instance_id: int
    received_at: datetime
    outcome: Outcome | None
    p_pneumonia: float | None
    distance: float | None


@dataclass(frozen=True)
class InUse:
    """The checkpoint of the newest result, how it decides, and when it gave its first."""

    checkpoint_digest: str
    operating_point: str
    prevalence: float
    calibration_digest: str | None
    since: datetime


@dataclass(frozen=True)
class DriftAlarm:
    """An alarm that stands about the images of a machine in one view."""

    machine_id: int
    machine: str
    view_position: str
    characteristic: Characteristic
    since: datetime


#: A machine, a view and a characteristic.
AlarmKey = tuple[int, str, Characteristic]


class Drift:
    """Returns observations, and keeps alarms."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def keep_card(self, checkpoint_digest: str, operating_points: Mapping[str, Mapping[str, float]]) -> None:
        """Keep what a card says, by operating point: ``sensitivity``, ``alarmed`` and ``indeterminate``, in [0, 1]."""
        with writing(self._engine) as session:
            points = {name: dict(figures) for name, figures in operating_points.items()}
            session.merge(CardReferenceRecord(checkpoint_digest=checkpoint_digest, operating_points=points))

    def card(self, in_use: InUse) -> Mapping[str, float] | None:
        """Return what the card says of the operating point in use; None where no worker has told it."""
        with reading(self._engine) as session:
            row = session.get(CardReferenceRecord, in_use.checkpoint_digest)
            points: Mapping[str, Any] = row.operating_points if row is not None else {}
            return points.get(in_use.operating_point)

    def in_use(self) -> InUse | None:
        """Return which checkpoint decides; None before the first result."""
        row = PredictionRecord
        with reading(self._engine) as session:
            newest = session.scalars(select(row).order_by(row.id.desc()).limit(1)).one_or_none()
            if newest is None:
                return None
            own = newest.calibration_digest
            first = select(func.min(row.created_at)).where(
                row.checkpoint_digest == newest.checkpoint_digest, row.calibration_digest.is_not_distinct_from(own)
            )
            since = session.scalars(first).one()
            return InUse(newest.checkpoint_digest, newest.operating_point, newest.prevalence, own, since)

    def groups(self) -> list[tuple[int, str]]:
        """Return each machine's number with each view that it has sent."""
        machine, view = AcquisitionRecord.machine_id, AcquisitionRecord.view_position
        first = select(machine, view).order_by(machine, view).limit(1)
        found, last = list[tuple[int, str]](), (0, "")
        with reading(self._engine) as session:
            # From one to the next: neither database skips what is equal by itself, but reads all images for a few.
            while row := (
                session.execute(first.where(machine == last[0], view > last[1])).first()
                or session.execute(first.where(machine > last[0])).first()
            ):
                last = (row[0], row[1])
                found.append(last)
        return found

    def first(
        self, group: tuple[int, str], in_use: InUse, limit: int, span: tuple[datetime, datetime] | None = None
    ) -> list[Observation]:
        """Return the first images of a machine and view under the checkpoint in use, or those of a span."""
        row, query = InstanceRecord, _observations(group, in_use)
        if span is not None:
            query = query.where(row.received_at >= span[0], row.received_at < span[1])
        return self._observed(query.order_by(row.id).limit(limit))

    def last(self, group: tuple[int, str], in_use: InUse, limit: int, after: int) -> list[Observation]:
        """Return the last images of a machine and view after an image, the first of them first."""
        row = InstanceRecord
        query = _observations(group, in_use).where(row.id > after).order_by(row.id.desc()).limit(limit)
        return self._observed(query)[::-1]

    def _observed(self, query: Select[Any, Any, Any, Any, Any]) -> list[Observation]:
        with reading(self._engine) as session:
            return [
                Observation(number, at, Outcome(outcome) if outcome is not None else None, p, distance)
                for number, at, outcome, p, distance in session.execute(query)
            ]

    def settle(self, standing: Mapping[AlarmKey, datetime]) -> list[AlarmKey]:
        """Let exactly these alarms stand, each since its moment; return those that are new."""
        row, now = DriftAlarmRecord, self._clock()
        with writing(self._engine) as session:
            rows = session.scalars(select(row).where(row.ended_at.is_(None))).all()
            known = {(one.machine_id, one.view_position, Characteristic(one.characteristic)): one for one in rows}
            for key, one in known.items():
                if key not in standing:
                    one.ended_at = now
            new = [key for key in standing if key not in known]
            for machine_id, view, characteristic in new:
                since = standing[machine_id, view, characteristic]
                session.add(row(machine_id=machine_id, view_position=view, characteristic=characteristic, since=since))
            return new

    def alarms(self) -> list[DriftAlarm]:
        """Return the alarms that stand, the longest first."""
        with reading(self._engine) as session:
            return standing_alarms(session)


def standing_alarms(session: Session) -> list[DriftAlarm]:
    """Return the alarms that stand, the longest first."""
    row = DriftAlarmRecord
    return [
        DriftAlarm(
            machine_id=one.machine_id,
            machine=" ".join(filter(None, (one.machine.model_name, one.machine.station_name))),
            view_position=one.view_position,
            characteristic=Characteristic(one.characteristic),
            since=one.since,
        )
        for one in session.scalars(select(row).where(row.ended_at.is_(None)).order_by(row.since, row.id))
    ]


def _observations(group: tuple[int, str], in_use: InUse) -> Select[Any, Any, Any, Any, Any]:
    """Return the images that count: each once, when it came first, settled, and judged by the checkpoint in use."""
    image, how, result = InstanceRecord, AcquisitionRecord, PredictionRecord
    return (
        select(image.id, image.received_at, result.outcome, result.p_pneumonia, how.distance)
        .join(how, how.instance_id == image.id)
        .outerjoin(result, result.instance_id == image.id)
        .where(
            how.machine_id == group[0],
            how.view_position == group[1],
            image.version == 1,
            image.state.not_in(_UNSETTLED),
            image.analysed_at >= in_use.since,
            result.id.is_(None)
            | (
                (result.checkpoint_digest == in_use.checkpoint_digest)
                & result.calibration_digest.is_not_distinct_from(in_use.calibration_digest)
            ),
        )
    )
