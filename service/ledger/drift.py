"""Drift in the ledger: what each machine's images showed, in the order in which they came, and which alarms stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from service.ledger.checkpoints import InUse, in_use, name_of
from service.ledger.database import reading, writing
from service.ledger.drift_records import CardReferenceRecord, DriftAlarmRecord
from service.ledger.machine_records import AcquisitionRecord
from service.ledger.records import InstanceRecord, PredictionRecord
from service.process.clock import Clock
from service.vocabulary.acquisition import KvpBand
from service.vocabulary.drift import Characteristic
from service.vocabulary.findings import Outcome
from service.vocabulary.states import State

#: An image after all others, in the integers of either database.
_LAST = 2**63 - 1
_UNSETTLED = (State.RECEIVED.value, State.CLAIMED.value, State.OWN.value, State.DUPLICATE.value)

#: By truth, ``normal`` or ``pneumonia``, and what was measured: equally spaced quantiles, the least first.
Distributions = Mapping[str, Mapping[str, Sequence[float]]]


class DriftGroup(NamedTuple):
    """The images of a machine, by its number, in one view and band of tube voltages; each is watched apart."""

    machine_id: int
    view_position: str
    kvp_band: KvpBand


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
class CardFigures:
    """What a card says of its validation images at the operating point in use, as far as it does."""

    operating_point: Mapping[str, float] | None
    distributions: Distributions | None


@dataclass(frozen=True)
class DriftAlarm:
    """An alarm that stands about a group of images of a machine, as a checkpoint judges them.

    Attributes
    ----------
    checkpoint
        Its name and version; empty where an earlier version of auscult wrote the alarm.
    """

    machine_id: int
    machine: str
    view_position: str
    kvp_band: KvpBand
    characteristic: Characteristic
    since: datetime
    checkpoint: str


#: What an alarm is about, and by the digest of which checkpoint.
AlarmKey = tuple[DriftGroup, str | None, Characteristic]


class Drift:
    """Returns observations, and keeps alarms."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def keep_card(
        self,
        checkpoint_digest: str,
        operating_points: Mapping[str, Mapping[str, float]],
        distributions: Distributions | None = None,
    ) -> None:
        """Keep what a card says.

        Parameters
        ----------
        operating_points
            By name: ``sensitivity``, ``alarmed`` and ``indeterminate``, in [0, 1].
        distributions
            Of ``p_pneumonia`` at the prevalence 0.5, and of ``distance``; None where it does not say.
        """
        with writing(self._engine) as session:
            session.merge(
                CardReferenceRecord(
                    checkpoint_digest=checkpoint_digest,
                    operating_points={name: dict(figures) for name, figures in operating_points.items()},
                    distributions=None if distributions is None else dict(distributions),
                )
            )

    def card(self, in_use: InUse) -> CardFigures | None:
        """Return what the card of the checkpoint in use says; None where no worker has told it."""
        with reading(self._engine) as session:
            row = session.get(CardReferenceRecord, in_use.checkpoint_digest)
            if row is None:
                return None
            return CardFigures(row.operating_points.get(in_use.operating_point), row.distributions)

    def in_use(self) -> list[InUse]:
        """Return which checkpoints give results, the one of the newest first; none before the first result."""
        with reading(self._engine) as session:
            return in_use(session)

    def groups(self) -> list[DriftGroup]:
        """Return each group that an image was received of: a look into the index for each, whatever it holds."""
        row, found = AcquisitionRecord, list[DriftGroup]()
        columns = (row.machine_id, row.view_position, row.kvp_band)
        order = (*columns, row.instance_id)
        first, last = select(*columns).order_by(*order).limit(1), (0, "", "")
        with reading(self._engine) as session:
            # From the last image of one to the next: neither database skips what is equal by itself, and SQLite begins
            # with all that is equal to a row that it looks beyond.
            while next_ := session.execute(first.where(tuple_(*order) > tuple_(*map(literal, (*last, _LAST))))).first():
                last = (next_[0], next_[1], str(next_[2]))
                found.append(DriftGroup(last[0], last[1], KvpBand(last[2])))
        return found

    def first(
        self, group: DriftGroup, in_use: InUse, limit: int, span: tuple[datetime, datetime] | None = None
    ) -> list[Observation]:
        """Return the first images of a group under the checkpoint in use, or those of a span."""
        row, query = InstanceRecord, _observations(group, in_use)
        if span is not None:
            query = query.where(row.received_at >= span[0], row.received_at < span[1])
        return self._observed(query.order_by(row.id).limit(limit))

    def last(self, group: DriftGroup, in_use: InUse, limit: int, after: int) -> list[Observation]:
        """Return the last images of a group after an image, the first of them first."""
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
            known = {(_group(one), one.checkpoint_digest, Characteristic(one.characteristic)): one for one in rows}
            for key, one in known.items():
                if key not in standing:
                    one.ended_at = now
            new = [key for key in standing if key not in known]
            for key in new:
                group, digest, characteristic = key
                session.add(
                    row(
                        **group._asdict(),
                        checkpoint_digest=digest,
                        characteristic=characteristic,
                        since=standing[key],
                    )
                )
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
            kvp_band=_group(one).kvp_band,
            characteristic=Characteristic(one.characteristic),
            since=one.since,
            checkpoint=name_of(session, one.checkpoint_digest) if one.checkpoint_digest else "",
        )
        for one in session.scalars(select(row).where(row.ended_at.is_(None)).order_by(row.since, row.id))
    ]


def _group(alarm: DriftAlarmRecord) -> DriftGroup:
    return DriftGroup(alarm.machine_id, alarm.view_position, KvpBand(alarm.kvp_band or KvpBand.UNKNOWN))


def _observations(group: DriftGroup, in_use: InUse) -> Select[Any, Any, Any, Any, Any]:
    """Return the images that count: each once, when it came first, settled, and judged by the checkpoint in use.

    What no network looked at counts for each checkpoint; what one found too far from its training images, for that one.
    """
    image, how, result = InstanceRecord, AcquisitionRecord, PredictionRecord
    digest = in_use.checkpoint_digest
    return (
        select(image.id, image.received_at, result.outcome, result.p_pneumonia, how.distance)
        .join(how, how.instance_id == image.id)
        .outerjoin(result, result.instance_id == image.id)
        .where(
            how.machine_id == group.machine_id,
            how.view_position == group.view_position,
            how.kvp_band == group.kvp_band.value,
            image.version == 1,
            image.state.not_in(_UNSETTLED),
            image.analysed_at >= in_use.since,
            (result.id.is_(None) & (func.coalesce(how.checkpoint_digest, digest) == digest))
            | (
                (result.checkpoint_digest == digest)
                & result.calibration_digest.is_not_distinct_from(in_use.calibration_digest)
            ),
        )
    )
