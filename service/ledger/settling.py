"""What the rows of the outbox say of an image: whether all that tells of it has reached its destinations."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord
from service.ledger.rows import advance
from service.ledger.shadow import is_shadowed
from service.ledger.study_documents import OF_STUDY
from service.vocabulary.event_details import EventDetail, EventFacts
from service.vocabulary.facts import EventKind, Failure
from service.vocabulary.report_kinds import STUDY_KINDS, ReportKind
from service.vocabulary.states import DeliveryState, State

#: What was given up of an image whose reports could not be built, and its state while they are built again.
UNBUILT = {Failure.REPORT_FAILED: State.INFERRED, Failure.STUDY_REPORT_FAILED: State.REPORTED}


def settle(session: Session, rows: Collection[DeliveryRecord], at: datetime) -> None:
    """Derive the state of the image that rows of the outbox are about; of all its study's for a document about it."""
    if not rows:
        return
    session.flush()
    report = next((row.report for row in rows if row.report.kind in STUDY_KINDS), None)
    if report is not None:
        settle_study(session, report.instance.study_id, at)
    else:
        _settle_image(session, next(iter(rows)).report.instance, at)


def settle_study(session: Session, study_id: int, at: datetime) -> None:
    """Derive the states of all images of a study that are locked."""
    session.flush()
    reported = (InstanceRecord.study_id == study_id, InstanceRecord.state == State.REPORTED.value, ~is_shadowed())
    for image in session.scalars(select(InstanceRecord).where(*reported).order_by(InstanceRecord.id)).all():
        _settle_image(session, image, at)


def _settle_image(session: Session, image: InstanceRecord, at: datetime) -> None:
    """Derive an image's state from the rows of its own reports, and of the documents that tell of its study."""
    if image.state != State.REPORTED.value:
        return
    told = session.execute(
        select(DeliveryRecord, ReportRecord.instance_id, OF_STUDY)
        .join(ReportRecord, ReportRecord.id == DeliveryRecord.report_id)
        .join(InstanceRecord)
        .where(InstanceRecord.study_id == image.study_id, or_(InstanceRecord.id == image.id, OF_STUDY))
    ).all()
    own = [row for row, about, _ in told if about == image.id]
    if not told or any(_is_under_way(row) for row, _, _ in told):
        return
    if any(row.state == DeliveryState.DEAD.value for row in own):
        image.reason = Failure.DELIVERY_FAILED.value
        advance(session, image, State.FAILED, at, EventKind.FAILED, EventDetail.NOT_DELIVERED.of())
    elif not (any(of_study for *_, of_study in told) and _is_document_due(session, image, [row for row, *_ in told])):
        advance(session, image, State.DELIVERED, at, EventKind.DELIVERED)


def _is_document_due(session: Session, image: InstanceRecord, told: Sequence[DeliveryRecord]) -> bool:
    """Return whether a document that tells of an image is still to come: to be built, or given up and alarmed of."""
    due = (InstanceRecord.study_id == image.study_id, InstanceRecord.reports_due.is_(True), ~is_shadowed())
    is_due = session.scalars(select(InstanceRecord.id).where(*due).limit(1)).first() is not None
    return is_due or any(row.state == DeliveryState.DEAD.value for row in told)


def call_off(row: DeliveryRecord) -> None:
    """Take an unsent object out of the outbox; a courier that is sending it keeps its lease, to say what came of it."""
    row.state, row.next_attempt_at = DeliveryState.WITHDRAWN.value, None


def replace_document(session: Session, row: DeliveryRecord, at: datetime) -> None:
    """Take an unsent document out of the outbox whose place another takes; the images of its study are locked."""
    was_dead = row.state == DeliveryState.DEAD.value
    call_off(row)
    image = row.report.instance
    if was_dead and image.state == State.FAILED.value and image.reason == Failure.DELIVERY_FAILED.value:
        _replaced(session, image, row.report.kind, at)


def replace_unbuilt(session: Session, study_id: int, at: datetime) -> None:
    """Call nobody any more for documents of a study that could not be built: one is built that tells of all."""
    unbuilt = (InstanceRecord.study_id == study_id, InstanceRecord.reason == Failure.STUDY_REPORT_FAILED.value)
    failed = InstanceRecord.state == State.FAILED.value
    for image in session.scalars(select(InstanceRecord).where(*unbuilt, failed).order_by(InstanceRecord.id)).all():
        image.detail = None
        _replaced(session, image, ReportKind.STUDY_TEXT_SR, at)


def build_again(session: Session, image: InstanceRecord, at: datetime, event: EventKind, why: EventFacts) -> None:
    """Have the reports of an image built again that could not be: all of them, or that of its study alone."""
    state = UNBUILT[Failure(image.reason or "")]
    image.reason = image.detail = image.not_before = None
    image.attempts, image.reports_due = 0, True
    advance(session, image, state, at, event, why)


def _replaced(session: Session, image: InstanceRecord, kind: str, at: datetime) -> None:
    image.reason = None
    later = EventDetail.LATER_DOCUMENT.of(report=kind)
    advance(session, image, State.REPORTED, at, EventKind.REPLACED, later)


def _is_under_way(row: DeliveryRecord) -> bool:
    return row.state == DeliveryState.PENDING.value or (
        row.state == DeliveryState.SENT.value and row.next_attempt_at is not None
    )
