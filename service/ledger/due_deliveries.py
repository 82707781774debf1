"""What a courier is told of a row of the outbox that it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.records import CommitmentItemRecord, CommitmentRecord, DeliveryRecord
from service.vocabulary.states import DeliveryState


@dataclass(frozen=True)
class DueDelivery:
    """One object that is to be sent to, or confirmed by, one destination, under a lease.

    Attributes
    ----------
    attempts, questions
        How often it was tried to send it, and how often the destination was asked since it took it or last said that it
        holds it; this time included.
    status
        Of the response with which the destination took it.
    is_confirmed
        Whether the destination said before that it holds it, and is asked again.
    answers
        The requests for storage commitment since it was sent, the last one last: the Failure Reason (0008,1197) of
        each, None where no answer has come.
    """

    id: int
    owner: str
    destination: str
    instance_id: int
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
    status: int | None
    questions: int
    is_confirmed: bool
    answers: tuple[int | None, ...]


def due_deliveries(session: Session, rows: Sequence[DeliveryRecord], owner: str) -> list[DueDelivery]:
    """Return what a courier is told of the rows that it claimed."""
    answers = _answers(session, [row for row in rows if row.state != DeliveryState.PENDING.value])
    return [_due_delivery(row, owner, answers.get(row.id, ())) for row in rows]


def _due_delivery(row: DeliveryRecord, owner: str, answers: tuple[int | None, ...]) -> DueDelivery:
    report = row.report
    return DueDelivery(
        id=row.id,
        owner=owner,
        destination=row.destination,
        instance_id=report.instance_id,
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
        status=row.status,
        questions=row.questions or 0,
        is_confirmed=row.state == DeliveryState.CONFIRMED.value,
        answers=answers,
    )


def _answers(session: Session, rows: Sequence[DeliveryRecord]) -> dict[int, tuple[int | None, ...]]:
    """Return the answers to the requests since each row was sent, by the row's number."""
    if not rows:
        return {}
    asked = (
        select(CommitmentItemRecord.delivery_id, CommitmentItemRecord.failure_reason)
        .join(CommitmentRecord)
        .join(DeliveryRecord, DeliveryRecord.id == CommitmentItemRecord.delivery_id)
        .where(DeliveryRecord.id.in_([row.id for row in rows]), CommitmentRecord.requested_at >= DeliveryRecord.sent_at)
        .order_by(CommitmentItemRecord.id)
    )
    found: dict[int, tuple[int | None, ...]] = {}
    for number, reason in session.execute(asked):
        found[number] = (*found.get(number, ()), reason)
    return found
