"""What is shown of a message: plain values, detached from the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from service.ledger.message_records import MessageRecord
from service.ledger.records import InstanceRecord
from service.vocabulary.facts import MessageEvent
from service.vocabulary.states import DeliveryState


@dataclass(frozen=True)
class MessageView:
    """One event on its way to one destination."""

    event: MessageEvent
    destination: str
    message_id: str
    sop_instance_uid: str
    version: int
    state: DeliveryState
    attempts: int
    detail: str | None
    occurred_at: datetime
    next_attempt_at: datetime | None
    confirmed_at: datetime | None


def _view(row: MessageRecord) -> MessageView:
    """Return what is shown of a message."""
    return MessageView(
        event=MessageEvent(row.event),
        destination=row.destination,
        message_id=row.message_id,
        sop_instance_uid=row.instance.sop_instance_uid,
        version=row.instance.version,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        detail=row.detail,
        occurred_at=row.occurred_at,
        next_attempt_at=row.next_attempt_at,
        confirmed_at=row.confirmed_at,
    )


def messages_of(session: Session, study_id: int) -> tuple[MessageView, ...]:
    """Return the messages of a study, in the order of their events."""
    image = joinedload(MessageRecord.instance).load_only(InstanceRecord.sop_instance_uid, InstanceRecord.version)
    found = select(MessageRecord).options(image).where(MessageRecord.study_id == study_id)
    return tuple(_view(row) for row in session.scalars(found.order_by(MessageRecord.id)))
