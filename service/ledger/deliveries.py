"""What the desks do to the rows of the outbox: claim, confirm, and derive an image's state from them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.leases import OBJECTS
from service.ledger.records import CommitmentItemRecord, CommitmentRecord, DeliveryRecord, ReportRecord
from service.ledger.rows import advance, record
from service.vocabulary.states import DeliveryState, State

DELIVERY_FAILED = "delivery_failed"
#: States of a row that a courier may still hold: it is withdrawn while it is under way.
HOLDABLE = (DeliveryState.PENDING, DeliveryState.SENT, DeliveryState.WITHDRAWN)


@dataclass(frozen=True)
class DueDelivery:
    """One object that is to be sent to, or confirmed by, one destination, under a lease.

    Attributes
    ----------
    answers
        The requests for storage commitment since it was sent, the last one last: the Failure Reason (0008,1197) of
        each, None where no answer has come.
    """

    id: int
    owner: str
    report_id: int
    kind: str
    outcome: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    object_key: str
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    answers: tuple[int | None, ...]


def due_delivery(session: Session, row: DeliveryRecord, owner: str) -> DueDelivery:
    """Return what a courier is told of a row that it claimed."""
    report = row.report
    return DueDelivery(
        id=row.id,
        owner=owner,
        report_id=report.id,
        kind=report.kind,
        outcome=report.outcome,
        sop_class_uid=report.sop_class_uid,
        sop_instance_uid=report.sop_instance_uid,
        series_instance_uid=report.series_instance_uid,
        study_instance_uid=report.instance.study.study_instance_uid,
        object_key=report.object_key,
        attempts=row.attempts,
        created_at=row.created_at,
        sent_at=row.sent_at,
        answers=_answers(session, row) if row.state == DeliveryState.SENT.value else (),
    )


def _answers(session: Session, row: DeliveryRecord) -> tuple[int | None, ...]:
    return tuple(
        session.scalars(
            select(CommitmentItemRecord.failure_reason)
            .join(CommitmentRecord)
            .where(CommitmentItemRecord.delivery_id == row.id, CommitmentRecord.requested_at >= row.sent_at)
            .order_by(CommitmentItemRecord.id)
        )
    )


def note(session: Session, row: DeliveryRecord, at: datetime, event: str, detail: str) -> None:
    """Write a line of the history of the image that a row's report is about."""
    record(session, row.report.instance, at, event, f"{row.report.kind} {detail}")


def confirm(session: Session, row: DeliveryRecord, at: datetime, by: str) -> None:
    """Record that a destination says it holds an object, and by which service it said so."""
    row.state = DeliveryState.CONFIRMED.value
    row.confirmed_at, row.detail = at, None
    OBJECTS.put_off(row, None)
    note(session, row, at, "confirmed", f"by {row.destination} ({by})")
    settle(session, row, at)


def settle(session: Session, row: DeliveryRecord, at: datetime) -> None:
    """Derive the instance's state from its rows in the outbox."""
    instance = row.report.instance
    if instance.state != State.REPORTED.value:
        return
    session.flush()
    rows = session.scalars(
        select(DeliveryRecord).join(ReportRecord).where(ReportRecord.instance_id == instance.id)
    ).all()
    if any(_is_under_way(delivery) for delivery in rows):
        return
    if any(delivery.state == DeliveryState.DEAD.value for delivery in rows):
        instance.reason = DELIVERY_FAILED
        advance(session, instance, State.FAILED, at, "failed", "a report could not be delivered")
    else:
        advance(session, instance, State.DELIVERED, at, "delivered")


def _is_under_way(row: DeliveryRecord) -> bool:
    return row.state == DeliveryState.PENDING.value or (
        row.state == DeliveryState.SENT.value and row.next_attempt_at is not None
    )
