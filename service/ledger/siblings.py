"""What a report is told of its study: which result it is, and what the study's other images show by now."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.ledger.records import EventRecord, InstanceRecord
from service.ledger.shadow import is_shadowed
from service.vocabulary.facts import EventKind
from service.vocabulary.findings import Outcome
from service.vocabulary.states import State

_SETTLED = (EventKind.INFERRED, EventKind.PREDICTION_REUSED, EventKind.OUT_OF_SCOPE, EventKind.FAILED)
_WITH_RESULT = (State.INFERRED, State.OUT_OF_SCOPE, State.REPORTED, State.DELIVERED, State.FAILED)


def number_of(session: Session, row: InstanceRecord) -> int:
    """Return the how-manieth result of its study an image's result is: 1 is the first that came about."""
    results = (
        select(EventRecord.id)
        .join(InstanceRecord)
        .where(
            InstanceRecord.study_id == row.study_id,
            EventRecord.event.in_([event.value for event in _SETTLED]),
            ~is_shadowed(),
        )
    )
    own = results.where(InstanceRecord.id == row.id).order_by(EventRecord.id.desc()).limit(1).scalar_subquery()
    until = select(func.count()).select_from(results.where(EventRecord.id <= own).subquery())
    return max(1, session.scalars(until).one())


def other_images(session: Session, row: InstanceRecord) -> tuple[Outcome, ...]:
    """Return what has been found out about each other image of the study, in the order in which they came."""
    rows = session.scalars(
        select(InstanceRecord)
        .where(
            InstanceRecord.study_id == row.study_id,
            InstanceRecord.sop_instance_uid != row.sop_instance_uid,
            InstanceRecord.state.in_([state.value for state in _WITH_RESULT]),
            ~is_shadowed(),
        )
        .order_by(InstanceRecord.version)
    )
    # A version that waits takes nothing from the one before: its result is in force until there is another.
    in_force = {other.sop_instance_uid: other for other in rows}.values()
    return tuple(
        Outcome(other.prediction.outcome) if other.prediction is not None else Outcome.NOT_ANALYSED
        for other in sorted(in_force, key=lambda other: other.id)
    )
