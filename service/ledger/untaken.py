"""Which destinations do not take what they are sent: told while it is tried, and not once it is given up."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.ledger.message_records import MessageRecord
from service.ledger.records import DeliveryRecord
from service.ledger.views import UntakenView
from service.vocabulary.states import DeliveryState

#: Attempts that have begun: one failed at least, and was no passing hitch.
_ATTEMPTS = 2


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
