"""Since when the urgent studies wait that nobody has read: no mean of those that were read shows them."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.kept_counts import is_listed, is_open
from service.ledger.records import StudyRecord
from service.vocabulary.states import Priority

#: The priorities whose studies must not stand unread.
URGENT = (Priority.STAT, Priority.URGENT)


def oldest_unread(session: Session) -> dict[Priority, datetime]:
    """Return when the first of the open studies of each priority above routine arrived."""
    found: dict[Priority, datetime] = {}
    # One step into the index for each: grouped, it would be read through.
    for priority in URGENT:
        arrived = (
            select(StudyRecord.first_received_at)
            .where(is_open(), StudyRecord.priority == priority.value, is_listed())
            .order_by(StudyRecord.first_received_at)
            .limit(1)
        )
        if (since := session.scalars(arrived).first()) is not None:
            found[priority] = since
    return found
