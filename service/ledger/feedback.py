"""Feedback: what people say of the AI's results. Rows are added and never changed; of a person the newest counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Select, func, select
from sqlalchemy.orm import Session, defer, joinedload

from service.ledger.database import reading, writing
from service.ledger.feedback_records import FeedbackRecord
from service.ledger.kept_counts import SILENT
from service.ledger.leases import LOCK, lock_study_images
from service.ledger.machine_records import AcquisitionRecord, MachineRecord
from service.ledger.records import InstanceRecord, PredictionRecord, StudyRecord
from service.ledger.rows import record
from service.ledger.telling import Subscriptions
from service.ledger.views import InstanceView, instance_view
from service.ledger.withdrawal import withdraw_flag
from service.process.clock import Clock
from service.vocabulary.acquisition import Machine
from service.vocabulary.event_details import EventDetail, EventFacts
from service.vocabulary.facts import EventKind, Opinion
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.reading_order import ReadingOrder


@dataclass(frozen=True)
class FeedbackView:
    """What a person said of the result of one version of an image.

    Attributes
    ----------
    person
        Empty where nobody knows the name.
    counts
        Whether it is the newest that this person said of this result.
    """

    sop_instance_uid: str
    version: int
    at: datetime
    person: str
    opinion: Opinion
    finding: Finding | None
    comment: str
    counts: bool


@dataclass(frozen=True)
class CountedFeedback:
    """The newest that a person said of a result, and what it is counted by."""

    at: datetime
    opinion: Opinion
    outcome: Outcome
    calling_ae_title: str
    machine: Machine


@dataclass(frozen=True)
class LabelledResult:
    """A result, and the newest that each person said of it: an opinion, and the finding where one was named."""

    instance: InstanceView
    said: tuple[tuple[Opinion, Finding | None], ...]


class Feedback:
    """Keeps what people say of results, and tells it."""

    def __init__(self, engine: Engine, order: ReadingOrder, clock: Clock, subscriptions: Subscriptions) -> None:
        self._engine = engine
        self._order = order
        self._clock = clock
        self._subscriptions = subscriptions

    def give(
        self,
        sop_instance_uid: str,
        version: int,
        opinion: Opinion,
        *,
        finding: Finding | None = None,
        comment: str = "",
        by: str = "",
        withdraws: bool = False,
    ) -> bool:
        """Keep what a person says of a version of an image; return whether that version has a result in force.

        Parameters
        ----------
        comment
            The person's own words; no line of the history, no message and no export holds them.
        by
            The name of the person, if it is known.
        withdraws
            Whether a disagreement takes a suspicion of pneumonia back: a version without a result takes this one's
            place, so that reports and messages that were sent are superseded.
        """
        now = self._clock()
        with writing(self._engine) as session:
            which = (InstanceRecord.sop_instance_uid == sop_instance_uid, InstanceRecord.version == version)
            number = session.scalars(select(InstanceRecord.id).where(*which)).one_or_none()
            if number is None:
                return False
            if withdraws:
                lock_study_images(session, number)
            row = session.get_one(InstanceRecord, number, with_for_update=LOCK)
            if row.prediction is None or row.state in SILENT:
                return False
            session.add(
                FeedbackRecord(
                    instance_id=row.id,
                    at=now,
                    person=by[:64],
                    opinion=opinion.value,
                    finding=finding.value if finding is not None else None,
                    comment=comment or None,
                )
            )
            record(session, row, now, EventKind.FEEDBACK_GIVEN, _detail(opinion, finding, by))
            if withdraws and opinion is Opinion.DISAGREE and row.prediction.outcome == Outcome.POSITIVE.value:
                withdraw_flag(session, row, now, by, self._order, self._subscriptions)
            return True

    def of_study(self, study_instance_uid: str) -> tuple[FeedbackView, ...]:
        """Return all that was said of a study's results, the oldest first."""
        with reading(self._engine) as session:
            rows = session.execute(
                select(FeedbackRecord, InstanceRecord.sop_instance_uid, InstanceRecord.version)
                .join(InstanceRecord, InstanceRecord.id == FeedbackRecord.instance_id)
                .join(StudyRecord)
                .where(StudyRecord.study_instance_uid == study_instance_uid)
                .order_by(FeedbackRecord.id)
            ).all()
            newest = {(row.instance_id, row.person): row.id for row, _, _ in rows}.values()
            return tuple(_view(row, uid, version, row.id in newest) for row, uid, version in rows)

    def counted(self) -> list[CountedFeedback]:
        """Return what counts of everything that was ever said, the oldest first."""
        with reading(self._engine) as session:
            rows = session.execute(
                select(
                    FeedbackRecord.at,
                    FeedbackRecord.opinion,
                    PredictionRecord.outcome,
                    InstanceRecord.calling_ae_title,
                    MachineRecord,
                )
                .join(InstanceRecord, InstanceRecord.id == FeedbackRecord.instance_id)
                .join(PredictionRecord, PredictionRecord.instance_id == InstanceRecord.id)
                .outerjoin(AcquisitionRecord, AcquisitionRecord.instance_id == InstanceRecord.id)
                .outerjoin(MachineRecord)
                .where(FeedbackRecord.id.in_(_newest()))
                .order_by(FeedbackRecord.id)
            )
            return [
                CountedFeedback(at, Opinion(opinion), Outcome(outcome), title, _machine(machine))
                for at, opinion, outcome, title, machine in rows
            ]

    def labelled(self) -> list[LabelledResult]:
        """Return each result that somebody said something of, with what counts of that."""
        with reading(self._engine) as session:
            return list(_labelled(session))


def _newest() -> Select[int]:
    return select(func.max(FeedbackRecord.id)).group_by(FeedbackRecord.instance_id, FeedbackRecord.person)


def _machine(row: MachineRecord | None) -> Machine:
    """Return the machine of an image; one that an earlier version analysed names none."""
    if row is None:
        return Machine()
    return Machine(row.manufacturer, row.model_name, row.station_name, row.device_serial_number)


def _detail(opinion: Opinion, finding: Finding | None, by: str) -> EventFacts:
    if finding is not None and by:
        return EventDetail.OPINION_ON_BY.of(opinion=opinion.value, finding=finding.value, name=by)
    if finding is not None:
        return EventDetail.OPINION_ON.of(opinion=opinion.value, finding=finding.value)
    return (
        EventDetail.OPINION_BY.of(opinion=opinion.value, name=by)
        if by
        else EventDetail.OPINION.of(opinion=opinion.value)
    )


def _view(row: FeedbackRecord, sop_instance_uid: str, version: int, counts: bool) -> FeedbackView:
    return FeedbackView(
        sop_instance_uid=sop_instance_uid,
        version=version,
        at=row.at,
        person=row.person,
        opinion=Opinion(row.opinion),
        finding=Finding(row.finding) if row.finding is not None else None,
        comment=row.comment or "",
        counts=counts,
    )


def _labelled(session: Session) -> Iterator[LabelledResult]:
    prediction = joinedload(InstanceRecord.prediction)
    said: dict[int, list[tuple[Opinion, Finding | None]]] = {}
    for row in session.scalars(
        select(FeedbackRecord).where(FeedbackRecord.id.in_(_newest())).order_by(FeedbackRecord.id)
    ):
        finding = Finding(row.finding) if row.finding is not None else None
        said.setdefault(row.instance_id, []).append((Opinion(row.opinion), finding))
    instances = session.scalars(
        select(InstanceRecord)
        .options(prediction, prediction.options(defer(PredictionRecord.cam, raiseload=True)))
        .where(InstanceRecord.id.in_(select(FeedbackRecord.instance_id)))
        .order_by(InstanceRecord.id)
    )
    for instance in instances:
        yield LabelledResult(instance_view(instance), tuple(said[instance.id]))
