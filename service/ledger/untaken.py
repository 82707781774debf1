"""What waits to be sent: since when, and which destinations do not take it, told while it is tried."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.ledger.message_records import MessageRecord
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.ledger.views import UntakenView
from service.vocabulary.states import DeliveryState

#: Attempts that have begun: one failed at least, and was no passing hitch.
_ATTEMPTS = 2
#: Of the images whose reports are due, those that are looked at, the most urgent first.
_MOST_DUE = 20_000


def untaken(session: Session) -> dict[str, UntakenView]:
    """Return what waits after attempts that failed, by destination."""
    found: dict[str, UntakenView] = {}
    for record in (DeliveryRecord, MessageRecord):
        counted = (
            select(record.destination, func.count(), func.min(record.created_at))
            .where(
                record.state == DeliveryState.PENDING.value,
                record.next_attempt_at.is_not(None),
                record.attempts >= _ATTEMPTS,
            )
            .group_by(record.destination)
        )
        for destination, count, since in session.execute(counted):
            found[destination] = UntakenView(count, since)
    return found


def oldest_unsent(session: Session) -> datetime | None:
    """Return since when the oldest report, or message, waits to be built or sent; of a study on hold none does."""
    free, held = StudyRecord.held_reason.is_(None), select(StudyRecord.id).where(StudyRecord.held_reason.is_not(None))
    # The few that are held are looked up: PostgreSQL without statistics would look at every study first.
    # In the order of the index of what is due: SQLite with statistics would look at every image first.
    due = (
        select(InstanceRecord.analysed_at)
        .where(InstanceRecord.reports_due.is_(True), InstanceRecord.study_id.not_in(held))
        .order_by(InstanceRecord.rank_at)
        .limit(_MOST_DUE)
        .subquery()
    )
    unbuilt = select(func.min(due.c.analysed_at))
    pending = (
        select(func.min(DeliveryRecord.created_at))
        .join(ReportRecord)
        .join(InstanceRecord)
        .join(StudyRecord)
        .where(DeliveryRecord.state == DeliveryState.PENDING.value, DeliveryRecord.next_attempt_at.is_not(None), free)
    )
    message = MessageRecord
    untold = (message.state == DeliveryState.PENDING.value, message.next_attempt_at.is_not(None))
    messages = select(func.min(message.created_at)).where(*untold, message.study_id.not_in(held))
    moments = [session.scalars(query).one() for query in (unbuilt, pending, messages)]
    return min((moment for moment in moments if moment is not None), default=None)
