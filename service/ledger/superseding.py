"""What becomes of the versions of an image whose place another takes, and of what tells of them."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.leases import LOCK
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord
from service.ledger.rows import advance
from service.ledger.settling import UNBUILT, build_again, call_off, replace_document
from service.ledger.shadow import alike, is_shadowed
from service.ledger.study_documents import OF_STUDY, document_deliveries
from service.ledger.telling import Subscriptions, withdraw_messages
from service.ledger.version_0_1 import keep_supersession
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind, MessageEvent, Supersession
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.states import DeliveryState, State

#: States of an image that another version may replace.
_REPLACEABLE = (State.INFERRED, State.OUT_OF_SCOPE, State.REPORTED, State.DELIVERED, State.FAILED)
#: Those of one that a document of its study may be built for, though its own reports are built.
_TOLD = (State.REPORTED, State.DELIVERED, State.OUT_OF_SCOPE, State.FAILED)


def supersede_earlier(
    session: Session, instance: InstanceRecord, reason: Supersession, at: datetime, subscriptions: Subscriptions
) -> None:
    """Let a version of an instance take the place of the versions before it; `lock_study_images` comes first.

    What was built for them and not yet sent is withdrawn; who was told of them is told that they hold no more.
    """
    # A version that is still under way is not among them: the later one is not claimed before it is settled.
    earlier = session.scalars(
        select(InstanceRecord)
        .where(
            InstanceRecord.sop_instance_uid == instance.sop_instance_uid,
            InstanceRecord.version < instance.version,
            InstanceRecord.state.in_([state.value for state in _REPLACEABLE]),
            alike(instance),
        )
        .order_by(InstanceRecord.version)
        .with_for_update(**LOCK)
    ).all()
    for row in earlier:
        row.reports_due = False
        by = EventDetail.BY_VERSION.of(version=instance.version, supersession=reason.value)
        advance(session, row, State.SUPERSEDED, at, EventKind.SUPERSEDED, by)
        withdraw(session, row)
        if row.shadow_id is None:
            # Of what is no chest radiograph none may be built.
            has_own = row.study_id == instance.study_id and instance.is_chest
            _revise_document(session, row.study_id, at, again=not has_own)
        instance.supersedes_id = row.id
        keep_supersession(instance, reason)
        subscriptions.tell(session, MessageEvent.RESULT_SUPERSEDED, row.study, row, at, reason)


def withdraw(session: Session, instance: InstanceRecord) -> None:
    """Take an instance's own unsent reports, and what was not yet told of it, out of the outbox."""
    # What was sent cannot be called back: the report that takes its place names it as its predecessor.
    pending = session.scalars(
        select(DeliveryRecord)
        .join(ReportRecord)
        .join(InstanceRecord)
        .where(InstanceRecord.id == instance.id, ~OF_STUDY, DeliveryRecord.state == DeliveryState.PENDING.value)
        .order_by(DeliveryRecord.id)
    )
    for delivery in pending:
        call_off(delivery)
    withdraw_messages(session, instance)


def _revise_document(session: Session, study_id: int, at: datetime, *, again: bool) -> None:
    """Take what tells of a whole study, and of what does not hold any more, out of the outbox.

    Parameters
    ----------
    again
        Whether no result of this study is about to have a document built: then one of its other images has.
    """
    session.flush()
    unsent = DeliveryRecord.state.in_([DeliveryState.PENDING.value, DeliveryState.DEAD.value])
    for delivery in session.scalars(document_deliveries(study_id).where(unsent).order_by(DeliveryRecord.id)).all():
        replace_document(session, delivery, at)
    has_document = select(ReportRecord.kind).join(InstanceRecord).where(InstanceRecord.study_id == study_id, OF_STUDY)
    kind = session.scalars(has_document.limit(1)).first()
    if kind is None or not again:
        return
    image = session.scalars(
        select(InstanceRecord)
        .where(
            InstanceRecord.study_id == study_id,
            InstanceRecord.state.in_([state.value for state in _TOLD]),
            InstanceRecord.is_chest.is_(True),
            ~is_shadowed(),
        )
        .order_by(InstanceRecord.id.desc())
        .limit(1)
    ).one_or_none()
    if image is None:
        return
    later = EventDetail.LATER_DOCUMENT.of(report=ReportKind(kind))
    if image.state == State.DELIVERED.value:
        advance(session, image, State.REPORTED, at, EventKind.REPLACED, later)
    if image.state == State.FAILED.value and image.reason in UNBUILT:
        build_again(session, image, at, EventKind.REPLACED, later)
    image.reports_due, image.attempts, image.not_before = True, 0, None
