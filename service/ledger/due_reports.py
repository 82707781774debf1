"""What a worker is told of an instance whose reports are due."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.predictions import prediction_of
from service.ledger.records import InstanceRecord, ReportRecord
from service.ledger.reports import EarlierReport, held_reports
from service.ledger.rows import identity_of
from service.ledger.siblings import number_of, other_images
from service.ledger.study_documents import OF_STUDY
from service.ledger.version_0_1 import flags_of, supersession_of
from service.vocabulary.facts import Failure, Flag, PrioritySource, Supersession
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.identity import Identity
from service.vocabulary.states import Priority, State


@dataclass(frozen=True)
class DueReport:
    """An instance whose reports are to be built, under a lease.

    Attributes
    ----------
    number
        The how-manieth result of its study it is.
    in_shadow
        Whether it was received in shadow: it has no reports.
    is_told
        Whether its own reports are built: one about its study alone is due, which another image has left.
    other_images
        What has been found out about each other image of the study.
    """

    id: int
    owner: str
    sop_instance_uid: str
    object_key: str
    identity: Identity
    identity_digest: str
    pixel_digest: str | None
    state: State
    prediction: Prediction | None
    reason: str | None
    flags: tuple[Flag, ...]
    is_chest: bool
    priority: Priority
    priority_source: PrioritySource
    analysed_at: datetime
    superseding_reason: Supersession | None
    after_reading: bool
    predecessors: tuple[EarlierReport, ...]
    number: int
    other_images: tuple[Outcome, ...]
    in_shadow: bool = False
    is_told: bool = False


def _is_told(session: Session, row: InstanceRecord) -> bool:
    """Return whether an instance's own reports are built, delivered or not."""
    if row.state in (State.REPORTED, State.DELIVERED):
        return True
    if row.state == State.FAILED and row.reason == Failure.DELIVERY_FAILED.value:
        return True
    own = (
        ReportRecord.instance_id == row.id,
        ~OF_STUDY,
        ReportRecord.created_at >= (row.analysed_at or row.received_at),
    )
    return (
        row.state != State.INFERRED
        and session.scalars(select(ReportRecord.id).where(*own).limit(1)).first() is not None
    )


def due_report(session: Session, row: InstanceRecord, owner: str) -> DueReport:
    """Return what is told of an instance that was claimed."""
    is_told = _is_told(session, row)
    # Of an instance that is told the prediction is what its reports say.
    has_result = is_told or row.state == State.INFERRED.value
    return DueReport(
        id=row.id,
        owner=owner,
        sop_instance_uid=row.sop_instance_uid,
        object_key=row.object_key,
        identity=identity_of(row),
        identity_digest=row.identity_digest,
        pixel_digest=row.pixel_digest,
        state=State(row.state),
        prediction=prediction_of(row.prediction) if row.prediction and has_result else None,
        reason=row.reason,
        flags=flags_of(row),
        is_chest=row.is_chest,
        priority=Priority(row.study.priority),
        priority_source=PrioritySource(row.study.priority_source),
        analysed_at=row.analysed_at or row.received_at,
        superseding_reason=supersession_of(row),
        after_reading=row.study.closed_at is not None,
        predecessors=_predecessors(session, row),
        number=number_of(session, row),
        other_images=other_images(session, row),
        in_shadow=row.shadow_id is not None,
        is_told=is_told,
    )


def _predecessors(session: Session, row: InstanceRecord) -> tuple[EarlierReport, ...]:
    """Return the reports about the image alone, of this version or an earlier one, that a destination may hold."""
    of_image = (InstanceRecord.sop_instance_uid == row.sop_instance_uid, InstanceRecord.version <= row.version)
    return held_reports(session, *of_image, ~OF_STUDY)
